//! Gzip as a reader.
//!
//! In: gzip members, one after another. Out: their content. What was unpacked before a fault is
//! given first; the next call fails.

use firstseen_envelope::gunzip::Gunzip;
use std::io::{self, BufRead, Read};

/// Reads concatenated gzip members. After the last one only zeros may follow (tapes pad with them).
pub(super) struct GunzipReader<R> {
    input: R,
    gunzip: Gunzip,
    /// What the next call fails with.
    fault: Option<(io::ErrorKind, &'static str)>,
}

impl<R: BufRead> GunzipReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, gunzip: Gunzip::default(), fault: None }
    }
}

impl<R: BufRead> Read for GunzipReader<R> {
    /// Fills `out` as far as the input at hand goes: it does not wait for more once it has
    /// something. Errors: `UnexpectedEof` for an input that ends early, `InvalidData` for one that
    /// is damaged.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some((kind, reason)) = self.fault {
                return Err(io::Error::new(kind, reason));
            }
            let input = self.input.fill_buf()?;
            let at_end = input.is_empty();
            let step = self.gunzip.unpack(input, out);
            self.input.consume(step.taken);
            if let Some(reason) = step.fault {
                self.fault = Some((io::ErrorKind::InvalidData, reason));
            } else if at_end && step.given == 0 {
                if !self.gunzip.is_inside() {
                    return Ok(0);
                }
                self.fault = Some((io::ErrorKind::UnexpectedEof, "the gzip data ends early"));
            }
            if step.given > 0 {
                return Ok(step.given);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    fn lines(count: u32) -> Vec<u8> {
        (0..count)
            .flat_map(|i| format!("{{\"n\":{}}}\n", i.wrapping_mul(2_654_435_761)).into_bytes())
            .collect()
    }

    /// What was unpacked before the end or the fault.
    fn unpack(bytes: &[u8], block: usize) -> (Vec<u8>, Option<io::Error>) {
        let mut reader = GunzipReader::new(io::BufReader::with_capacity(1000, bytes));
        let (mut all, mut buffer) = (Vec::new(), vec![0; block]);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return (all, None),
                Ok(n) => all.extend_from_slice(&buffer[..n]),
                Err(error) => {
                    assert_eq!(reader.read(&mut buffer).unwrap_err().kind(), error.kind());
                    return (all, Some(error));
                }
            }
        }
    }

    #[test]
    fn members_follow_one_another_and_zeros_may_pad() {
        let text = lines(5000);
        let packed = [gzip(&text), gzip(b""), gzip(&text), vec![0; 1500]].concat();
        for block in [1, 7, 4096, 1 << 20] {
            let (out, error) = unpack(&packed, block);
            assert!(error.is_none(), "{error:?}");
            assert!(out == [&text[..], &text].concat(), "block {block}");
        }
    }

    #[test]
    fn every_cut_keeps_what_came_before_and_is_truncation() {
        let text = lines(300);
        let packed = gzip(&text);
        let mut longest = 0;
        for cut in 2..packed.len() {
            let (out, error) = unpack(&packed[..cut], 1 << 20);
            assert_eq!(error.expect("an error").kind(), io::ErrorKind::UnexpectedEof, "{cut}");
            assert!(text.starts_with(&out));
            assert!(out.len() >= longest);
            longest = out.len();
        }
        assert_eq!(longest, text.len(), "only the checksum was cut");
    }

    #[test]
    fn damage_keeps_what_came_before() {
        let text = lines(20_000);
        let mut packed = gzip(&text);
        let middle = packed.len() / 2;
        packed[middle..middle + 64].fill(0xff);
        let (out, error) = unpack(&packed, 1 << 20);
        assert_eq!(error.unwrap().kind(), io::ErrorKind::InvalidData);
        let same = out.iter().zip(&text).take_while(|(a, b)| a == b).count();
        assert!(same > text.len() / 3, "{same} of {} bytes", text.len());
    }

    #[test]
    fn a_wrong_checksum_and_trailing_text_are_faults_after_the_content() {
        let text = lines(10);
        let mut packed = gzip(&text);
        packed.extend_from_slice(b"plain text behind");
        let (out, error) = unpack(&packed, 100);
        assert_eq!(out, text);
        assert!(error.unwrap().to_string().contains("no gzip header"));

        let mut packed = gzip(&text);
        let at = packed.len() - 6;
        packed[at] ^= 1;
        let (out, error) = unpack(&packed, 100);
        assert_eq!(out, text);
        assert!(error.unwrap().to_string().contains("checksum"));
    }
}
