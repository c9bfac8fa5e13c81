//! An error in query text, shown at its position.
//!
//! In: the text, a byte offset, what was found and expected. Out: an error whose `Display` prints
//! the line with a caret under the position. It never prints more of a line than fits a terminal.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt;

/// The widest line that is printed from a query.
const WIDTH: usize = 76;
/// The most characters of a value that a message repeats.
const MAX_SHOWN: usize = 40;
/// The indentation of the query's line.
const INDENT: &str = "  ";

/// Query text that is not KQL, or uses an unsupported feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// A stable name for the kind of fault, such as `unexpected` or `free_text`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What would be valid there.
    pub expected: String,
    /// Where, as a byte offset into the text.
    pub at: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    excerpt: String,
    caret: usize,
}

/// An error on its way up through the grammar, boxed to keep each level's stack frame small.
pub(crate) type BoxedSyntaxError = Box<SyntaxError>;

impl SyntaxError {
    pub(crate) fn new(
        text: &str,
        at: usize,
        code: &'static str,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_text = text.get(line_start..).unwrap_or("").lines().next().unwrap_or("");
        let column = before.get(line_start..).unwrap_or("").chars().count();
        let (excerpt, caret) = excerpt(line_text, column);
        Self {
            code,
            message: message.into(),
            expected: expected.into(),
            at,
            line: before.matches('\n').count() + 1,
            column: column + 1,
            excerpt,
            caret,
        }
    }
}

/// A value for a message: in backquotes, on one line, and not long.
pub(crate) fn shown(value: &str) -> String {
    let short: String = value.chars().take(MAX_SHOWN).map(tame).collect();
    let mark = if value.chars().nth(MAX_SHOWN).is_some() { "…" } else { "" };
    format!("`{short}{mark}`")
}

/// A character as it is printed: those that would move the caret (tabs, controls) are spaces.
fn tame(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// The part of a line around a column, and the column within it.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    let room = WIDTH - INDENT.len();
    let length = line.chars().count();
    if length.max(column + 1) <= room {
        return (line.chars().map(tame).collect(), column);
    }
    // If both sides are cut, the position is in the middle.
    let start = column.saturating_sub(room / 2).min((length + 1).saturating_sub(room));
    let cut_left = start > 0;
    let cut_right = start + room < length;
    let mut shown = String::new();
    for (index, c) in line.chars().skip(start).take(room).enumerate() {
        let cut = (cut_left && index == 0) || (cut_right && index + 1 == room);
        shown.push(if cut { '…' } else { tame(c) });
    }
    (shown, column - start)
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} (line {}, column {})", self.message, self.line, self.column)?;
        writeln!(f, "{INDENT}{}", self.excerpt)?;
        writeln!(f, "{INDENT}{:caret$}^", "", caret = self.caret)?;
        write!(f, "expected {}", self.expected)
    }
}

impl core::error::Error for SyntaxError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_messages_are_short_and_on_one_line() {
        assert_eq!(shown("a\n\tb"), "`a  b`");
        assert_eq!(shown(&"é".repeat(40)), format!("`{}`", "é".repeat(40)));
        assert_eq!(shown(&"é".repeat(41)), format!("`{}…`", "é".repeat(40)));
    }

    fn printed(text: &str, at: usize) -> String {
        SyntaxError::new(text, at, "test", "wrong", "right").to_string()
    }

    #[test]
    fn points_at_the_position() {
        assert_eq!(
            printed("a:b\n  and\tc d", 9),
            "wrong (line 2, column 6)\n    and c d\n       ^\nexpected right"
        );
        assert_eq!(printed("", 0), "wrong (line 1, column 1)\n  \n  ^\nexpected right");
    }

    #[test]
    fn cuts_long_lines_around_the_position() {
        let text = format!("{}!{}", "ä".repeat(300), "b".repeat(300));
        for at in [0, 40, 300, 600, 602, 700, text.len()] {
            let error = printed(&text, at);
            let lines: Vec<&str> = error.lines().collect();
            assert!(lines[1].chars().count() <= WIDTH, "{error}");
            assert!(lines[2].chars().count() <= WIDTH, "{error}");
            let caret = lines[2].chars().position(|c| c == '^').unwrap();
            let under = lines[1].chars().nth(caret);
            let meant = text[at..].chars().next();
            // The mark of a cut is at an end of the excerpt, never above the caret.
            assert_eq!(under, meant, "{error}");
        }
    }
}
