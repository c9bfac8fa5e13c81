//! The lines of a chunk, as an [`EventSink`](crate::EventSink) gets them.
//!
//! In: a chunk, and where it begins. Out: its lines, each with its place. It looks for newlines and
//! blanks alone.

use crate::sink::Place;

/// The events of a chunk that begins at `place`: its lines without the white space around them, but
/// those that are blank.
pub fn line_events(place: Place, chunk: &[u8]) -> impl Iterator<Item = (Place, &[u8])> {
    let lines = lines_at(place, chunk, line_ends(chunk));
    lines.map(|(at, line, _)| (at, line.trim_ascii())).filter(|(_, line)| !line.is_empty())
}

/// The lines of a chunk that begins at `place`: where each is, its text, and its end in the chunk.
#[inline]
pub fn lines_at(
    mut place: Place,
    chunk: &[u8],
    ends: impl Iterator<Item = usize>,
) -> impl Iterator<Item = (Place, &[u8], usize)> {
    let mut start = 0;
    ends.map(move |end| {
        let line = chunk.get(start..end).unwrap_or_default();
        let at = place;
        place.line += 1;
        place.offset += line.len() as u64;
        start = end;
        (at, line, end)
    })
}

/// The ends of a chunk's lines, each behind its newline.
#[inline]
pub fn line_ends(chunk: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let last = (!chunk.ends_with(b"\n") && !chunk.is_empty()).then_some(chunk.len());
    memchr::memchr_iter(b'\n', chunk).map(|newline| newline + 1).chain(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_places_and_blank_ones_are_left_out() {
        let place = Place { offset: 10, line: 3, record: None };
        let of = |chunk: &'static str| -> Vec<(u64, u64, &'static [u8])> {
            let events = line_events(place, chunk.as_bytes());
            events.map(|(at, line)| (at.offset, at.line, line)).collect()
        };
        let (a, b): (&[u8], &[u8]) = (b"{}", b"{1}");
        assert_eq!(of("{}\r\n\n  {1}\n"), [(10, 3, a), (15, 5, b)]);
        assert_eq!(of("{}\n{1}"), [(10, 3, a), (13, 4, b)]);
        assert_eq!(of(""), []);
    }
}
