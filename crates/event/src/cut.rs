//! Texts taken apart, in little code: the standard library's searchers are made anew at each place
//! that uses one.
//!
//! In: a text, and an ASCII character or a text to look for. Out: whether it is there, and what is
//! around it.

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

#[cfg(test)]
mod tests {
    use super::*;

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
