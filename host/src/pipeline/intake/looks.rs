//! What is known of lines before they are searched for literals.
//!
//! In: a chunk of lines, and what the splitter learned of them. Out: for each line, whether it is UTF-8 and whether a
//! backslash in it may hide a literal; learned once for all of them where that is possible.

use firstseen_envelope::{KnownLines, line_ends};
use firstseen_event::{ByteTraits, is_utf8};

/// The lines of a chunk.
#[derive(Clone, Copy)]
pub(super) enum LinesOf<'l> {
    /// Their ends are to be looked for.
    Chunk,
    /// They are known.
    Known(&'l KnownLines<'l>),
}

impl<'l> LinesOf<'l> {
    pub(super) fn ends(self, chunk: &'l [u8]) -> impl Iterator<Item = usize> + 'l {
        let (known, searched) = match self {
            Self::Chunk => (&[][..], Some(line_ends(chunk))),
            Self::Known(known) => (known.ends, None),
        };
        known.iter().map(|end| *end as usize).chain(searched.into_iter().flatten())
    }
}

/// What is to be known of each line that is searched for literals, learned once for all of them where that is
/// possible.
pub(super) struct LineLooks<'l> {
    pub(super) lines: LinesOf<'l>,
    /// All of them are UTF-8.
    is_utf8: bool,
    /// The numbers of those, still to come, in which a backslash may hide a literal; nothing where each is looked at.
    hiding: Option<&'l [u32]>,
}

/// What is known of a line.
pub(super) struct LineFacts {
    /// It is UTF-8. Where it is not set, it may be so all the same.
    pub(super) is_utf8: bool,
    /// It has a backslash that may hide a literal.
    pub(super) backslash: bool,
}

impl<'l> LineLooks<'l> {
    /// `has_slash` says whether `\/` can hide a literal.
    pub(super) fn new(chunk: &[u8], lines: LinesOf<'l>, has_slash: bool) -> Self {
        let (is_utf8, hiding) = match lines {
            LinesOf::Known(KnownLines { escaped: Some(escaped), is_ascii, .. }) => {
                (*is_ascii || is_utf8(chunk), Some(*escaped).filter(|_| !has_slash))
            }
            _ => (false, None),
        };
        Self { lines, is_utf8, hiding }
    }

    /// The line with this number; they are asked about in order.
    pub(super) fn of(&mut self, number: usize, line: &[u8]) -> LineFacts {
        let is_utf8 = self.is_utf8;
        match &mut self.hiding {
            Some(hiding) => {
                let first = hiding.split_first().filter(|(first, _)| **first as usize == number);
                if let Some((_, rest)) = first {
                    *hiding = rest;
                }
                LineFacts { is_utf8, backslash: first.is_some() }
            }
            None if is_utf8 => {
                LineFacts { is_utf8, backslash: memchr::memchr(b'\\', line).is_some() }
            }
            None => {
                let ByteTraits { ascii, backslash } = ByteTraits::of(line);
                LineFacts { is_utf8: ascii, backslash }
            }
        }
    }
}
