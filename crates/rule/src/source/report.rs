//! Faults that two kinds of file share: of the TOML itself, and of query text inside it.
//!
//! In: an error of the TOML parser or of crate kql. Out: a diagnostic at its position in the file.

use super::diagnostic::{Diagnostics, short};
use super::position;
use firstseen_kql::SyntaxError;
use std::ops::Range;

/// Reports the errors of the TOML parser.
pub(super) fn toml_errors(text: &str, errors: &[toml::de::Error], faults: &mut Diagnostics) {
    let mut reported = 0..0;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let Some((key, value)) = without_quotes(text, span.start) else {
            faults.error("toml_syntax", &span, format!("invalid TOML: {}", error.message()));
            continue;
        };
        // The parser may stumble over one value several times.
        if reported != value {
            let written = text.get(value.clone()).unwrap_or_default();
            let message = "invalid TOML: a string must be in quotes";
            let help = format!("write `{} = \"{}\"`", short(key), short(written));
            faults.error("toml_syntax", &value, message).help(help);
            reported = value;
        }
    }
}

/// The key in the line around byte `at`, and where its value is, if that is a string without
/// quotes: the parser takes it for a number or a keyword, and its message misleads.
fn without_quotes(text: &str, at: usize) -> Option<(&str, Range<usize>)> {
    let (before, after) = text.split_at_checked(at)?;
    let start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
    let end = after.find('\n').map_or(text.len(), |newline| newline.saturating_add(at));
    let (key, value) = text.get(start..end)?.split_once('=')?;
    let value = value.trim_start();
    let from = end.saturating_sub(value.len());
    let value = value.split('#').next()?.trim_end();
    let bare = |c: char| c.is_ascii_alphanumeric() || " -_./:".contains(c);
    let keyword =
        ["true", "false", "inf", "nan"].iter().any(|word| value.eq_ignore_ascii_case(word));
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
    // A number or a date with a mistake in it begins and ends with a digit.
    let string = letter(value.chars().next())
        || letter(value.chars().next_back()) && !value.starts_with("0x");
    let found = string && !keyword && value.chars().all(bare) && !key.trim().is_empty();
    found.then(|| (key.trim(), from..from.saturating_add(value.len())))
}

/// Reports an error in a query's text, at its position in the file.
pub(super) fn query_error(
    text: &str,
    span: &Range<usize>,
    query: &str,
    error: &SyntaxError,
    faults: &mut Diagnostics,
) {
    let other = firstseen_kql::foreign(query, Some(error));
    let error = other.as_ref().unwrap_or(error);
    let label = format!("expected {}", error.expected);
    match position::place(text, span, query, error.at) {
        Some(at) => {
            let rest = text.get(at..).unwrap_or("");
            let width = rest.chars().next().map_or(0, char::len_utf8);
            faults.error(error.code, &(at..at + width), error.message.clone()).label(label);
        }
        None => {
            let (line, column) = (error.line, error.column);
            let message = format!("{} (line {line}, column {column} of the query)", error.message);
            faults.error(error.code, &(span.start..span.start), message).label(label);
        }
    }
}
