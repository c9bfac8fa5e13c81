//! Texts taken apart, in little code: the standard library's searchers are made anew at each place
//! that uses one.
//!
//! In: a text, and an ASCII character or a text to look for. Out: whether it is there, and what is
//! around it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use once_cell::race::OnceBox;

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

/// What is before the first such text, and what is behind it. For short texts: a searcher is not made.
#[inline(never)]
pub(crate) fn cut_around<'t>(text: &'t str, part: &str) -> Option<(&'t str, &'t str)> {
    let (bytes, first) = (text.as_bytes(), *part.as_bytes().first()?);
    let mut from = 0;
    loop {
        let place = from + memchr::memchr(first, bytes.get(from..)?)?;
        if bytes.get(place..)?.starts_with(part.as_bytes()) {
            return Some((text.get(..place)?, text.get(place + part.len()..)?));
        }
        from = place + 1;
    }
}

/// A table of lines in the order of what is before the first tab in each.
pub(crate) struct LineTable {
    text: &'static str,
    /// Where each line begins, and how long its name is; made once.
    lines: OnceBox<Vec<(u32, u32)>>,
}

impl LineTable {
    /// A table in which no name has a tab or the end of a line in it.
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, lines: OnceBox::new() }
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &'static str {
        self.text
    }

    /// The lines of a name.
    #[inline(never)]
    pub(crate) fn lines_of(&self, name: &str) -> &'static str {
        let lines = self.lines.get_or_init(|| {
            let (mut lines, mut start) = (Vec::new(), 0);
            any_part(self.text, b'\n', &mut |line| {
                lines.push((start, first_part(line, b'\t').0.len() as u32));
                start += line.len() as u32 + 1;
                false
            });
            Box::new(lines)
        });
        let name_of = |&(start, length): &(u32, u32)| {
            self.text.get(start as usize..(start + length) as usize).unwrap_or_default()
        };
        let from = lines.partition_point(|line| name_of(line) < name);
        let rest = lines.get(from..).unwrap_or_default();
        let count =
            rest.iter().take_while(|line| name_of(line) == name && !name.is_empty()).count();
        let place =
            |line: Option<&(u32, u32)>| line.map_or(self.text.len(), |line| line.0 as usize);
        self.text.get(place(rest.first())..place(rest.get(count))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_table() {
        let table = LineTable::new("a\t1\nab\t2\nab\t3\nb\t4\nd\t5");
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
            assert_eq!(table.lines_of(name), lines, "{name}");
        }
        assert_eq!(LineTable::new("").lines_of(""), "");
        assert_eq!(LineTable::new("").lines_of("a"), "");
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
            let of_name = LineTable::new(table);
            for line in table.lines() {
                let (name, _) = first_part(line, b'\t');
                assert!(of_name.lines_of(name).lines().any(|found| found == line), "{line}");
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
