//! Which packing the bytes have, and the reader that undoes it.
//!
//! In: the first bytes of an input, and its reader. Out: a reader of the unpacked bytes whose
//! errors are `UnexpectedEof` where the input ends early, `InvalidData` where it is damaged, and
//! the operating system's otherwise. Packed data inside unpacked data is the caller's to unpack again.
use super::gunzip::GunzipReader;
use std::io::{self, BufRead, BufReader, Read};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// The largest zstd window that is accepted, 128 MiB, as a power of two: it bounds memory.
const ZSTD_WINDOW: u32 = 27;
/// How many packed bytes are read at once.
const PACKED_BLOCK: usize = 256 << 10;
/// Length of the longest magic number: so many bytes say what an input is.
pub(super) const MAGIC: usize = 6;

/// What an input is packed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
    /// Recognised so that the error can say it; otherwise it would be millions of bad lines.
    Unsupported(&'static str),
    /// The same for text in another encoding, by its name for iconv.
    Encoded(&'static str),
}

/// UTF-16 with a mark at its beginning, and without one: then its order of bytes has to be named.
const UTF16: Packing = Packing::Encoded("UTF-16");
const UTF16_LE: Packing = Packing::Encoded("UTF-16LE");
const UTF16_BE: Packing = Packing::Encoded("UTF-16BE");

/// The first bytes of each packing.
const MAGICS: [(&[u8], Packing); 6] = [
    (&[0x1f, 0x8b], Packing::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Packing::Zstd),
    (b"BZh", Packing::Unsupported("bzip2")),
    (b"\xfd7zXZ\0", Packing::Unsupported("xz")),
    (b"PK\x03\x04", Packing::Unsupported("zip")),
    (b"PAR1", Packing::Unsupported("Parquet")),
];

/// A byte of text in another encoding.
#[derive(Debug, Clone, Copy)]
enum TextByte {
    Is(u8),
    /// With which a JSON document begins.
    Json,
    /// The half of a character of ASCII that is not zero.
    Low,
}

impl TextByte {
    fn is(self, byte: u8) -> bool {
        match self {
            Self::Is(one) => byte == one,
            Self::Json => matches!(byte, b'{' | b'[' | b'"'),
            Self::Low => byte != 0,
        }
    }
}

/// The first bytes of UTF-16: two characters in a row, so that a stray byte in a line does not end the
/// reading of all that follow. With a mark, or with the text of a JSON document.
const ENCODINGS: [([TextByte; 4], Packing); 4] = {
    use TextByte::{Is, Json, Low};
    [
        ([Is(0xff), Is(0xfe), Low, Is(0)], UTF16),
        ([Is(0xfe), Is(0xff), Is(0), Low], UTF16),
        ([Json, Is(0), Low, Is(0)], UTF16_LE),
        ([Is(0), Json, Is(0), Low], UTF16_BE),
    ]
};

/// Whether the bytes are those as far as both go.
fn begins_as(first: &[u8], bytes: &[TextByte]) -> bool {
    first.iter().zip(bytes).all(|(byte, expected)| expected.is(*byte))
}

/// What follows the first byte (0x50 to 0x5f) of a zstd frame to be skipped; pzstd begins with one.
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// Recognises the packing by the first [`MAGIC`] bytes, or all there are.
pub(super) fn recognise(first: &[u8]) -> Packing {
    match first {
        [0x50..=0x5f, rest @ ..] if rest.starts_with(&SKIPPABLE) => Packing::Zstd,
        _ => {
            let encoded = ENCODINGS
                .iter()
                .find(|(bytes, _)| first.len() >= bytes.len() && begins_as(first, bytes));
            let packed = || MAGICS.iter().find(|(magic, _)| first.starts_with(magic)).map(|m| m.1);
            encoded.map(|e| e.1).or_else(packed).unwrap_or(Packing::Plain)
        }
    }
}

/// Whether more bytes could still make these a magic number: plain text is not waited for.
pub(super) fn undecided(first: &[u8]) -> bool {
    let begins = |magic: &[u8]| first.len() < magic.len() && magic.starts_with(first);
    let skippable = match first {
        [0x50..=0x5f, rest @ ..] => rest.len() < SKIPPABLE.len() && SKIPPABLE.starts_with(rest),
        _ => false,
    };
    // A line of text may begin so: it does not wait.
    let is_json = matches!(first, [byte] if TextByte::Json.is(*byte));
    let utf16 = !is_json
        && ENCODINGS.iter().any(|(bytes, _)| first.len() < bytes.len() && begins_as(first, bytes));
    skippable || utf16 || MAGICS.iter().any(|(magic, _)| begins(magic))
}

/// The reader of the unpacked bytes.
pub(super) fn unpacked<'r>(
    packing: Packing,
    input: impl Read + 'r,
) -> io::Result<Box<dyn Read + 'r>> {
    let buffered = |input| BufReader::with_capacity(PACKED_BLOCK, input);
    Ok(match packing {
        Packing::Plain => Box::new(input),
        Packing::Gzip => Box::new(GunzipReader::new(buffered(input))),
        Packing::Zstd => Box::new(Unzstd::new(buffered(input))?),
        Packing::Encoded(name) => {
            let text = format!(
                "text in {name}, which is not read here; convert it: iconv -f {name} -t UTF-8"
            );
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        Packing::Unsupported(name) => {
            let text = format!("{name} data, which is not read here; unpack or convert it first");
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
    })
}

/// Reads concatenated zstd frames. The library does not say how much it unpacked in a call that
/// fails, so it is fed so that a call handles one block or one header, never the end of a block and
/// what comes behind: nothing before a fault is lost.
struct Unzstd<R> {
    input: R,
    decoder: Decoder<'static>,
    /// How many bytes the library wants next, the header of the next block included.
    wanted: usize,
    /// Whether a frame has begun and not ended.
    inside: bool,
    /// Whether the last call filled the output, so that there may be more without new input.
    more: bool,
}

/// Length of a block's header.
const BLOCK_HEADER: usize = 3;

impl<R: BufRead> Unzstd<R> {
    fn new(input: R) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW))?;
        Ok(Self { input, decoder, wanted: 1, inside: false, more: false })
    }
}

impl<R: BufRead> Read for Unzstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let bytes = if self.more { &[][..] } else { self.input.fill_buf()? };
            if bytes.is_empty() && !self.more {
                if !self.inside {
                    return Ok(0);
                }
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the zstd data ends early",
                ));
            }
            let piece = match self.wanted {
                0 => 1,
                header @ 1..=BLOCK_HEADER => header,
                block => block - BLOCK_HEADER,
            };
            let mut input = InBuffer::around(bytes.get(..piece).unwrap_or(bytes));
            let mut output = OutBuffer::around(&mut *out);
            let asked = self.more;
            self.wanted = self.decoder.run(&mut input, &mut output).map_err(|e| {
                io::Error::new(io::ErrorKind::InvalidData, format!("the zstd data is damaged: {e}"))
            })?;
            let (taken, given) = (input.pos(), output.pos());
            if taken > 0 || !asked {
                self.inside = self.wanted != 0;
            }
            self.input.consume(taken);
            self.more = given == out.len();
            if given > 0 {
                return Ok(given);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: u64) -> Vec<u8> {
        let number = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..count).flat_map(|i| format!("{{\"n\":{}}}\n", number(i)).into_bytes()).collect()
    }

    fn unpack(bytes: &[u8], block: usize) -> (Vec<u8>, Option<io::Error>) {
        let mut reader = Unzstd::new(BufReader::with_capacity(1000, bytes)).unwrap();
        let (mut all, mut buffer) = (Vec::new(), vec![0; block]);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return (all, None),
                Ok(n) => all.extend_from_slice(&buffer[..n]),
                Err(error) => return (all, Some(error)),
            }
        }
    }

    #[test]
    fn packings_are_told_by_their_first_bytes() {
        use Packing::*;
        for (first, packing) in [
            (&b"{\"Records\":"[..], Plain),
            (b"", Plain),
            (b"\x1f\x8b\x08", Gzip),
            (b"\x28\xb5\x2f\xfd\x04", Zstd),
            (b"\x52\x2a\x4d\x18", Zstd),
            (b"BZh91AY", Unsupported("bzip2")),
            (b"PK\x03\x04", Unsupported("zip")),
            (b"PAR1", Unsupported("Parquet")),
            (b"\xfd7zXZ\0", Unsupported("xz")),
            (b"\xff\xfe{\0", UTF16),
            (b"\xfe\xff\0{", UTF16),
            (b"{\0\"\0", UTF16_LE),
            (b"\0[\0{", UTF16_BE),
            // A stray byte is a fault of its line.
            (b"\0{\"a\":1}", Plain),
            (b"{\0\"a\":1}", Plain),
            (b"\xff\xfe\n{", Plain),
            (b"\xfe\xff\n{", Plain),
        ] {
            assert_eq!(recognise(first), packing, "{first:?}");
        }
        assert!(undecided(b"\0") && undecided(b"\0{") && undecided(b"\xff\xfe\n"));
        assert!(!undecided(b"{") && !undecided(b"{\"") && !undecided(b"\0{\"a"));
        assert!(undecided(b"") && undecided(b"\x28\xb5") && undecided(b"["));
        assert!(!undecided(b"{") && !undecided(b"[{") && !undecided(b"\x28{"));
        assert!(!undecided(b"\x1f\x8b") && !undecided(b"BUCKET"));
    }

    #[test]
    fn frames_follow_one_another() {
        let text = lines(30_000);
        let frame = zstd::encode_all(&text[..], 3).unwrap();
        let empty = zstd::encode_all(&b""[..], 3).unwrap();
        let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        let packed = [&skippable[..], &frame, &empty, &frame].concat();
        for block in [1, 1000, 1 << 20] {
            let (out, error) = unpack(&packed, block);
            assert!(error.is_none(), "{error:?}");
            assert!(out == [&text[..], &text].concat(), "block {block}");
        }
    }

    #[test]
    fn every_cut_keeps_what_came_before_and_is_truncation() {
        let text = lines(300);
        let packed = zstd::encode_all(&text[..], 3).unwrap();
        for cut in 1..packed.len() {
            let (out, error) = unpack(&packed[..cut], 1 << 20);
            assert_eq!(error.expect("an error").kind(), io::ErrorKind::UnexpectedEof, "{cut}");
            assert!(text.starts_with(&out));
        }
    }

    #[test]
    fn damage_keeps_every_block_before_it() {
        let text = lines(60_000);
        let mut packed = zstd::encode_all(&text[..], 3).unwrap();
        let cut = packed.len() * 3 / 4;
        packed[cut..].fill(0xff);
        // What is whole before the damage, told by a cut there.
        let (whole, _) = unpack(&packed[..cut], 1 << 20);
        assert!(whole.len() > 128 << 10);
        for block in [1000, 128 << 10, 1 << 20] {
            let (out, error) = unpack(&packed, block);
            assert_eq!(error.unwrap().kind(), io::ErrorKind::InvalidData);
            assert!(out.starts_with(&whole), "block {block}: {} of {}", out.len(), whole.len());
        }
    }

    #[test]
    fn a_window_over_the_limit_is_refused() {
        let text = vec![b'x'; 1000];
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        std::io::Write::write_all(&mut encoder, &text).unwrap();
        let (_, error) = unpack(&encoder.finish().unwrap(), 100);
        assert!(error.unwrap().to_string().contains("too much memory"));
    }

    #[test]
    fn text_behind_a_frame_is_a_fault_after_the_content() {
        let packed = [zstd::encode_all(&b"{}\n"[..], 3).unwrap(), b"plain".to_vec()].concat();
        let (out, error) = unpack(&packed, 100);
        assert_eq!(out, b"{}\n");
        assert!(error.is_some());
    }
}
