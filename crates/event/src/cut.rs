//! Texts taken apart, in little code: the standard library's searchers are made anew at each place
//! that uses one.
//!
//! In: a text, and an ASCII character or a text to look for. Out: whether it is there, and what is
//! around it.

use core::cmp::Ordering;

/// What is before the first such character, and what is behind it.
#[inline(never)]
pub(crate) fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let place = memchr::memchr(at, text.as_bytes())?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// What is before the first such character, or all of the text, and what is behind it.
#[inline(never)]
pub(crate) fn first_part(text: &str, at: u8) -> (&str, &str) {
    cut(text, at).unwrap_or((text, ""))
}

/// Calls `each` with the parts between such characters until it says that it found something.
#[inline(never)]
pub(crate) fn any_part<'t>(
    mut text: &'t str,
    at: u8,
    each: &mut dyn FnMut(&'t str) -> bool,
) -> bool {
    loop {
        let part = cut(text, at);
        if each(part.map_or(text, |(part, _)| part)) {
            return true;
        }
        match part {
            Some((_, rest)) => text = rest,
            None => return false,
        }
    }
}

/// What is before the first such text, and what is behind it.
#[inline(never)]
pub(crate) fn cut_around<'t>(text: &'t str, part: &str) -> Option<(&'t str, &'t str)> {
    let place = memchr::memmem::find(text.as_bytes(), part.as_bytes())?;
    Some((text.get(..place)?, text.get(place + part.len()..)?))
}

/// The lines of a table that begin with `name` and a tab. The lines are in the order of these names,
/// and no name has a tab or the end of a line in it.
#[inline(never)]
pub(crate) fn lines_of<'t>(table: &'t str, name: &str) -> &'t str {
    let bytes = table.as_bytes();
    let line_at = |start: usize| {
        let rest = bytes.get(start..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        let own = line.get(..memchr::memchr(b'\t', line).unwrap_or(length)).unwrap_or_default();
        (own.cmp(name.as_bytes()), start + length + 1)
    };
    let (mut start, mut end) = (0, bytes.len());
    while start < end {
        let middle = start + (end - start) / 2;
        let before = bytes.get(start..middle).unwrap_or_default();
        let of_line = memchr::memrchr(b'\n', before).map_or(start, |place| start + place + 1);
        match line_at(of_line) {
            (Ordering::Less, next) => start = next.min(end),
            _ => end = of_line,
        }
    }
    let mut end = start;
    while let (Ordering::Equal, next) = line_at(end)
        && end < bytes.len()
    {
        end = next;
    }
    table.get(start..end.min(bytes.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_table() {
        let table = "a\t1\nab\t2\nab\t3\nb\t4\nd\t5";
        for (name, lines) in [
            ("a", "a\t1\n"),
            ("ab", "ab\t2\nab\t3\n"),
            ("b", "b\t4\n"),
            ("d", "d\t5"),
            ("", ""),
            ("aa", ""),
            ("c", ""),
            ("e", ""),
            ("ab\t2", ""),
            ("a\t1\nab", ""),
        ] {
            assert_eq!(lines_of(table, name), lines, "{name}");
        }
        assert_eq!(lines_of("", ""), "");
        assert_eq!(lines_of("", "a"), "");
    }

    /// The look-up is by bisection.
    #[test]
    fn the_tables_are_in_order() {
        let tables = [
            include_str!("cloudtrail/categories.tsv"),
            include_str!("cloudtrail/related.tsv"),
            include_str!("cloudtrail/targets.tsv"),
        ];
        for table in tables {
            let names: Vec<&str> = table.lines().map(|line| first_part(line, b'\t').0).collect();
            assert!(names.is_sorted(), "{names:?}");
            for line in table.lines() {
                let (name, _) = first_part(line, b'\t');
                assert!(lines_of(table, name).lines().any(|found| found == line), "{line}");
            }
        }
    }

    #[test]
    fn parts_of_texts() {
        assert_eq!(cut("a.b.c", b'.'), Some(("a", "b.c")));
        assert_eq!(cut("é.", b'.'), Some(("é", "")));
        assert_eq!(cut("abc", b'.'), None);
        assert_eq!(first_part("abc", b'.'), ("abc", ""));
        assert_eq!(cut_around("a:role/b", ":role/"), Some(("a", "b")));
        assert_eq!(cut_around("a", ":role/"), None);
        let mut parts = Vec::new();
        assert!(!any_part("a  b", b' ', &mut |part| {
            parts.push(part);
            false
        }));
        assert_eq!(parts, ["a", "", "b"]);
        assert!(any_part("a b", b' ', &mut |part| part == "b"));
    }
}
