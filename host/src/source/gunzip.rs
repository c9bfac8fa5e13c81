//! Gzip, read so that nothing before a fault is lost.
//!
//! In: gzip members, one after another. Out: their content. flate2's readers drop what one call
//! unpacked when the same call meets the fault; this one hands it on and fails at the next call.
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, BufRead, Read};

/// The window of gzip, 32 KiB, as a power of two.
const WINDOW_BITS: u8 = 15;

/// Reads concatenated gzip members. After the last one only zeros may follow (tapes pad with them).
pub(super) struct Gunzip<R> {
    input: R,
    member: Decompress,
    state: State,
}

enum State {
    /// At the beginning of a member, or at the end of the input.
    Between,
    Inside,
    Failed(io::ErrorKind, &'static str),
}

impl<R: BufRead> Gunzip<R> {
    pub(super) fn new(input: R) -> Self {
        // The first bytes were seen to be a member's: an empty input is for the caller to notice.
        Self { input, member: Decompress::new_gzip(WINDOW_BITS), state: State::Inside }
    }

    /// Makes the next call fail; this one still gives what it has.
    fn fail(&mut self, kind: io::ErrorKind, reason: &'static str) {
        self.state = State::Failed(kind, reason);
    }

    /// Finds the next member. Returns whether there is one.
    fn next_member(&mut self) -> io::Result<bool> {
        loop {
            let bytes = self.input.fill_buf()?;
            let Some(&first) = bytes.first() else { return Ok(false) };
            if first != 0 {
                self.member = Decompress::new_gzip(WINDOW_BITS);
                self.state = State::Inside;
                return Ok(true);
            }
            let zeros = bytes.iter().take_while(|b| **b == 0).count();
            self.input.consume(zeros);
        }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    /// Fills `out` as far as the input at hand goes: it does not wait for more once it has
    /// something. Errors: `UnexpectedEof` for an input that ends early, `InvalidData` for one that
    /// is damaged.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.state {
                State::Failed(kind, reason) => return Err(io::Error::new(kind, reason)),
                State::Between => {
                    if !self.next_member()? {
                        return Ok(0);
                    }
                }
                State::Inside => {}
            }
            let input = self.input.fill_buf()?;
            let at_end = input.is_empty();
            let (in_before, out_before) = (self.member.total_in(), self.member.total_out());
            let result = self.member.decompress(input, out, FlushDecompress::None);
            let taken = (self.member.total_in() - in_before) as usize;
            let given = (self.member.total_out() - out_before) as usize;
            self.input.consume(taken);
            match result {
                Ok(Status::StreamEnd) => self.state = State::Between,
                Ok(_) if at_end && given == 0 => {
                    self.fail(io::ErrorKind::UnexpectedEof, "the gzip data ends early");
                }
                // Neither input taken nor output given can only be a fault: the loop must end.
                Ok(_) if taken == 0 && given == 0 && !out.is_empty() => {
                    self.fail(io::ErrorKind::InvalidData, "the gzip data cannot be unpacked");
                }
                Ok(_) => {}
                Err(_) if in_before == 0 && given == 0 => self.fail(
                    io::ErrorKind::InvalidData,
                    "there is no gzip header where one should be",
                ),
                Err(_) => self.fail(
                    io::ErrorKind::InvalidData,
                    "the gzip data is damaged, or its checksum does not fit",
                ),
            }
            if given > 0 || out.is_empty() {
                return Ok(given);
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

    /// What came out before the end or the fault.
    fn unpack(bytes: &[u8], block: usize) -> (Vec<u8>, Option<io::Error>) {
        let mut reader = Gunzip::new(io::BufReader::with_capacity(1000, bytes));
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
