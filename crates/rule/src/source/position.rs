//! From a position in a string's value back to the position in the TOML text.
//!
//! In: the TOML, the span of a string in it, the value that the parser made of it, a byte of that
//! value. Out: the byte of the TOML, or nothing if the value does not belong to the span. It decodes
//! no escapes: it only knows how long they are. A value that stands alone is its own text.

use std::ops::Range;

/// The byte of the TOML where byte `at` of the string's value is written.
pub(super) fn place(toml: &str, span: &Range<usize>, value: &str, at: usize) -> Option<usize> {
    let written = toml.get(span.clone())?;
    if written == value {
        // A text of its own, without quotes around it.
        return value.is_char_boundary(at).then_some(span.start + at);
    }
    let (quote, escapes) = ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|quote| written.starts_with(quote))
        .map(|quote| (quote, quote.starts_with('"')))?;
    let inner = written.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut rest = inner;
    if quote.len() == 3 {
        // A newline right after the opening is not part of the value.
        rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
    }
    let mut left = value.get(at..)?;
    let mut ahead = value.get(..at)?.chars();
    loop {
        if escapes && let Some(after) = after_line_ending(rest) {
            rest = after;
            continue;
        }
        let Some(wanted) = ahead.next() else { break };
        rest = step(rest, wanted, escapes)?;
    }
    let found = span.start + quote.len() + (inner.len() - rest.len());
    // The rest has to match too; otherwise the value does not belong to this span.
    while let Some(wanted) = left.chars().next() {
        left = left.get(wanted.len_utf8()..)?;
        while let (true, Some(after)) = (escapes, after_line_ending(rest)) {
            rest = after;
        }
        rest = step(rest, wanted, escapes)?;
    }
    Some(found)
}

/// What follows one character of the value.
fn step(written: &str, wanted: char, escapes: bool) -> Option<&str> {
    if escapes && written.starts_with('\\') {
        let length = match written.as_bytes().get(1)? {
            b'x' => 4,
            b'u' => 6,
            b'U' => 10,
            _ => 2,
        };
        return written.get(length..);
    }
    // Newlines are one character, whichever way they are written.
    let written =
        if wanted == '\n' { written.strip_prefix('\r').unwrap_or(written) } else { written };
    written.strip_prefix(wanted)
}

/// What follows a backslash at the end of a line, with the white space that it swallows.
fn after_line_ending(written: &str) -> Option<&str> {
    let rest = written.strip_prefix('\\')?;
    let line = rest.trim_start_matches([' ', '\t', '\r']);
    line.starts_with('\n').then(|| line.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::DeTable;

    /// Whether the position of the value's `#` leads to a `#` in the TOML.
    fn finds(toml: &str) -> bool {
        let table = DeTable::parse(toml).unwrap();
        let value = table.get_ref().get("q").unwrap();
        let text = value.get_ref().as_str().unwrap();
        let at = place(toml, &value.span(), text, text.find('#').unwrap());
        at.and_then(|at| toml.get(at..)).is_some_and(|rest| rest.starts_with('#'))
    }

    #[test]
    fn every_kind_of_string_is_traced_back() {
        for toml in [
            "q = 'ab#c'",
            "q = \"#\"",
            "q = \"a\\tb\\u00e9\\U0001F600\\\"é#\"",
            "q = '''\nab\n  c#d\n'''",
            "q = '''\r\nab\r\n  c#d\r\n'''",
            "q = \"\"\"\nab \\\n   \n  c\\\\#d\"\"\"",
            "q = \"\"\"a\\   \r\n\r\n  #\\\n\"\"\"",
            "x = 'é'\nq = '''a''#'''",
            "q = \"\\x41\\e#\"",
        ] {
            assert!(finds(toml), "{toml:?}");
        }
    }

    #[test]
    fn the_end_of_a_value_is_the_end_of_the_string() {
        let toml = "q = 'ab'";
        assert_eq!(place(toml, &(4..8), "ab", 2), Some(7));
    }

    #[test]
    fn a_value_of_another_span_has_no_position() {
        let toml = "q = 'ab'";
        for (span, value, at) in
            [(4..8, "ax", 0), (4..8, "ab", 3), (0..8, "ab", 0), (4..99, "ab", 0)]
        {
            assert_eq!(place(toml, &span, value, at), None);
        }
        assert_eq!(place("q = 'é'", &(4..8), "é", 1), None);
    }
}
