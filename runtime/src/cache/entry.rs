//! The layout of a file of compiled code: a mark, a digest, the code.
//!
//! In: a file's name and its bytes. Out: the code, if every byte is as it was written and under the name that it was
//! written under. The digest finds damage; that nobody else wrote the file is for its folder to see to. It reads no
//! file and loads no code.

/// The first bytes of a file, with the version of this layout.
const MARK: &[u8; 8] = b"fscode\0\x01";
/// Bytes of the digest behind it.
const DIGEST: usize = blake3::OUT_LEN;
/// What is before the code.
pub(super) const HEAD: usize = MARK.len() + DIGEST;

/// What stands before this code in the file of this name.
pub(super) fn head(name: &str, code: &[u8]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let (mark, digest) = head.split_at_mut(MARK.len());
    mark.copy_from_slice(MARK);
    digest.copy_from_slice(digest_of(name, code).as_bytes());
    head
}

/// The code in the bytes of the file of this name, if they are what was written.
pub(super) fn code<'b>(name: &str, bytes: &'b [u8]) -> Option<&'b [u8]> {
    let (head, code) = bytes.split_first_chunk::<HEAD>()?;
    (head == &self::head(name, code)).then_some(code)
}

fn digest_of(name: &str, code: &[u8]) -> blake3::Hash {
    let mut digest = blake3::Hasher::new_derive_key("firstseen: a file of compiled code");
    digest.update(&(name.len() as u64).to_le_bytes());
    digest.update(name.as_bytes());
    digest.update(code);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_is_read() {
        let written = [&head("name", b"the code")[..], b"the code"].concat();
        assert_eq!(code("name", &written), Some(&b"the code"[..]));
        assert_eq!(code("other", &written), None);
        for at in 0..written.len() {
            assert_eq!(code("name", &written[..at]), None, "cut at {at}");
            for bit in 0..8 {
                let mut changed = written.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(code("name", &changed), None, "bit {bit} of byte {at}");
            }
        }
        assert_eq!(code("name", &[&written[..], b"."].concat()), None);
    }
}
