//! Slices that cannot be out of range: what is not there is empty.

/// `bytes[start..]`.
#[inline]
pub(crate) fn from(bytes: &[u8], start: usize) -> &[u8] {
    bytes.get(start..).unwrap_or_default()
}

/// `bytes[start..end]`.
#[inline]
pub(crate) fn part(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end).unwrap_or_default()
}

/// Whether JSON takes `byte` for white space.
#[inline]
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// What a JSON text sequence (RFC 7464) begins each document with.
pub(crate) const RECORD_SEPARATOR: u8 = 0x1e;

/// Unicode's white space and the byte order mark, without those that are one byte and without the 12
/// from U+2000 to U+200B.
const SPACES: [&str; 9] = [
    "\u{85}", "\u{a0}", "\u{1680}", "\u{2028}", "\u{2029}", "\u{202f}", "\u{205f}", "\u{3000}",
    "\u{feff}",
];

/// What may stand between two documents of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Separator {
    /// Something else.
    None,
    /// White space, a comma, as in an array without brackets, a record separator (RFC 7464), or a byte
    /// order mark, of so many bytes.
    Bytes(usize),
    /// The next bytes decide.
    Open,
}

impl Separator {
    /// What `bytes` begins with.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [] | [0xe2] | [0xe2, 0x80] => Self::Open,
            [b' ' | b'\t' | 0x0b | 0x0c | b'\r' | b',' | RECORD_SEPARATOR, ..] => Self::Bytes(1),
            [0xe2, 0x80, 0x80..=0x8b, ..] => Self::Bytes(3),
            _ => match SPACES.iter().find(|space| bytes.starts_with(space.as_bytes())) {
                Some(space) => Self::Bytes(space.len()),
                None if SPACES.iter().any(|space| space.as_bytes().starts_with(bytes)) => {
                    Self::Open
                }
                None => Self::None,
            },
        }
    }
}

/// Whether `byte` can be of a [`Separator`].
pub(crate) fn may_separate(byte: u8) -> bool {
    byte >= 0x80 || Separator::of(&[byte]) == Separator::Bytes(1)
}

/// Whether `byte` may stand between lines.
#[inline]
pub(crate) fn is_gap(byte: u8) -> bool {
    is_space(byte) || byte == RECORD_SEPARATOR
}

/// `text` without white space at its ends.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(start, |at| at + 1);
    part(text, start, end)
}
