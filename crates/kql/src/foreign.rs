//! Text of other query languages, recognised so that one error can name it.
//!
//! In: the text of a query, and the error of the parser if there was one. Out: an error that says what
//! KQL writes instead, or nothing. It never looks at text that is KQL, but for the openings of
//! EQL and ES|QL, which KQL would take for a field's name with spaces in it.

use alloc::format;
use alloc::string::String;
use core::ops::Range;

use crate::error::SyntaxError;
use crate::lexer::{is_space, strip_keyword};

/// The code of text in another language.
const OTHER: &str = "other_language";

/// The first parts of names that are fields where they are compared with a field.
const ROOTS: &[&str] = &[
    "@timestamp",
    "agent",
    "aws",
    "client",
    "cloud",
    "container",
    "destination",
    "event",
    "file",
    "group",
    "host",
    "network",
    "process",
    "related",
    "rule",
    "server",
    "service",
    "source",
    "target",
    "url",
    "user",
    "user_agent",
];

/// Operators between a field and a value, longer ones first, and what KQL writes.
const OPERATORS: &[(&str, &str)] = &[
    ("!==", "not field: value"),
    ("===", "field: value"),
    ("==", "field: value"),
    ("!=", "not field: value"),
    ("<>", "not field: value"),
    ("!~", "not field: value"),
    ("=~", "field: value"),
    ("=", "field: value"),
];

/// The same as words; a `~` after them ignores case.
const WORDS: &[(&str, &str)] = &[
    ("contains", "field: *value*"),
    ("in", "field: (a or b)"),
    ("is", "field: *"),
    ("like", "field: a*"),
    ("matches", "field: a*"),
    ("regex", "field: a*"),
    ("rlike", "field: a*"),
];

/// The error for text of another language. `error` is what the parser found wrong; without one, only
/// the opening of the text is looked at.
#[must_use]
pub fn foreign(text: &str, error: Option<&SyntaxError>) -> Option<SyntaxError> {
    // The other faults have causes of their own.
    let error = error.filter(|error| matches!(error.code, "free_text" | "unexpected"));
    opening(text).or_else(|| around(text, error?))
}

/// Queries that begin as EQL or ES|QL do.
fn opening(text: &str) -> Option<SyntaxError> {
    let start = text.trim_start_matches(is_space);
    let at = text.len() - start.len();
    let (first, rest) = word(start)?;
    let (second, after) = word(rest).unwrap_or(("", rest));
    let spaced = |text: &str| text.starts_with(is_space);
    let fault =
        |message: String, expected| Some(SyntaxError::new(text, at, OTHER, message, expected));
    let plain = first.chars().all(|c| c.is_alphanumeric() || c == '_');
    let has = |c: char| outside_quotes(start).any(|(_, found)| found == c);
    if plain && first.eq_ignore_ascii_case("select") && spaced(rest) && has_word(rest, "from") {
        return fault(
            "this is SQL: `SELECT .. FROM` is not KQL".into(),
            "the conditions of its `WHERE` alone, such as `event.action: CreateStack`",
        );
    }
    if plain && second.eq_ignore_ascii_case("where") && spaced(after) {
        return fault(
            format!("this is EQL: `{first} where` is not KQL"),
            "conditions alone, such as `event.category: process and process.name: \"a.exe\"`",
        );
    }
    let sequence =
        ["sequence", "sample", "join"].iter().any(|word| first.eq_ignore_ascii_case(word));
    if sequence
        && (rest.trim_start_matches(is_space).starts_with('[')
            || second == "by"
            || second == "with")
    {
        return fault(
            format!("this is EQL: KQL has no `{first}`"),
            "conditions on one event, such as `event.action: CreateStack`",
        );
    }
    let command = first.eq_ignore_ascii_case("from") && spaced(rest) && (has('|') || !has(':'));
    let command = command || (first.eq_ignore_ascii_case("row") && has('|'));
    command.then(|| {
        let message = "this is ES|QL: KQL has no commands and no `|`";
        let expected = "the conditions alone, such as `event.action: CreateStack`";
        SyntaxError::new(text, at, OTHER, message, expected)
    })
}

/// `["a", "b"]`, whose end may be missing, as KQL writes it: `("a" or "b")`.
#[must_use]
pub fn alternatives(list: &str) -> String {
    let inner = list.strip_prefix('[').unwrap_or(list);
    let inner = inner.split(']').next().unwrap_or(inner);
    let mut out = String::from("(");
    for (index, value) in inner.split(',').enumerate() {
        out += if index == 0 { "" } else { " or " };
        out += value.trim();
    }
    out + ")"
}

/// Whether a text has this word before its first colon.
fn has_word(text: &str, wanted: &str) -> bool {
    let before = text.split(':').next().unwrap_or(text);
    before.split(is_space).any(|word| word.eq_ignore_ascii_case(wanted))
}

/// The clause in which reading failed.
fn around(text: &str, error: &SyntaxError) -> Option<SyntaxError> {
    let fault = |at: usize, code, message: String, expected: String| {
        Some(SyntaxError::new(text, at, code, message, expected))
    };
    let span = clause(text, error.at);
    let clause = text.get(span.clone())?;
    let next = text.get(span.end..).unwrap_or("");
    let found = text.get(error.at..).and_then(|rest| rest.chars().next());
    let colon = outside_quotes(clause).find(|(_, c)| *c == ':').map(|(at, _)| at);
    let commas = || {
        let message = "a list is not separated by commas: write `field: (a or b)`";
        fault(error.at, OTHER, message.into(), "` or ` between the values".into())
    };
    if let Some((at, symbol, keyword)) = joined(clause) {
        let message = format!("`{symbol}` is not KQL: write `{keyword}`");
        return fault(span.start + at, OTHER, message, format!("`{keyword}`"));
    }
    if let Some(colon) = colon.filter(|colon| span.start + colon < error.at) {
        let value = clause.get(colon + 1..).unwrap_or("").trim_start_matches(is_space);
        let at = span.end - value.len();
        return match value.chars().next() {
            Some('/') if found == Some('(') => {
                let message = "regular expressions are not KQL: write a wildcard, `field: a*`";
                fault(at, OTHER, message.into(), "a value, in which `*` is any text".into())
            }
            Some('[') => {
                let message = "a list in square brackets is JSON, not KQL: write `field: (a or b)`";
                fault(at, OTHER, message.into(), format!("`{}`", alternatives(value)))
            }
            Some('\'') => {
                let message = "KQL quotes with `\"`: single quotes are a part of the value";
                fault(at, OTHER, message.into(), "the value in double quotes".into())
            }
            _ if found == Some(',') => commas(),
            _ => None,
        };
    }
    if found == Some(',') {
        return commas();
    }
    let (at, symbol, instead, rest) = operator(clause).or_else(|| negated(clause, next))?;
    let field = clause.get(..at).unwrap_or("").trim_matches(is_space);
    let rest = rest.trim_start_matches(is_space);
    let value = operand(if rest.is_empty() { next.trim_start_matches(is_space) } else { rest });
    let at = span.start + at;
    if is_field(value) {
        let message = format!("two fields cannot be compared: `{field}` with `{value}`");
        return fault(at, "two_fields", message, "a field and a value".into());
    }
    let language = if symbol == "~" { "SQL's match, " } else { "" };
    let message = format!("`{symbol}` is {language}not KQL: write `{instead}`");
    let simple =
        instead.ends_with("field: value") && !field.contains(is_space) && !value.is_empty();
    let expected = match simple && !field.is_empty() {
        true => instead.replace("field", field).replace("value", value),
        false => instead.into(),
    };
    fault(at, OTHER, message, format!("`{expected}`"))
}

/// The span of the clause around a place: between brackets and keywords.
fn clause(text: &str, at: usize) -> Range<usize> {
    let (mut start, mut end) = (0, text.len());
    let mut word_start = true;
    for (here, c) in outside_quotes(text) {
        let rest = text.get(here..).unwrap_or("");
        let keyword = ["and", "or", "not"].into_iter().find(|keyword| {
            let tail = strip_keyword(rest, keyword);
            word_start && tail.is_some_and(|tail| tail.starts_with(is_space))
        });
        word_start = is_space(c) || matches!(c, '(' | '{');
        let length = match keyword {
            Some(keyword) => keyword.len(),
            None if matches!(c, '(' | ')' | '{' | '}') => 1,
            None => continue,
        };
        if here >= at {
            end = here;
            break;
        }
        start = here + length;
    }
    start.min(at)..end.max(at).min(text.len())
}

/// Symbols of other languages between clauses: place, symbol, KQL's keyword.
fn joined(clause: &str) -> Option<(usize, &'static str, &'static str)> {
    for (at, _) in outside_quotes(clause) {
        let rest = clause.get(at..).unwrap_or("");
        for (symbol, keyword) in [("&&", "and"), ("||", "or")] {
            if rest.starts_with(symbol) {
                return Some((at, symbol, keyword));
            }
        }
    }
    None
}

/// The first operator of another language: its place, itself, what KQL writes, what follows.
fn operator(clause: &str) -> Option<(usize, &str, &'static str, &str)> {
    let mut word_start = false;
    for (at, c) in outside_quotes(clause) {
        let rest = clause.get(at..).unwrap_or("");
        for (symbol, instead) in OPERATORS {
            if let Some(tail) = rest.strip_prefix(symbol) {
                return Some((at, symbol, instead, tail));
            }
        }
        if word_start && let Some(tail) = rest.strip_prefix('~') {
            return Some((at, "~", "field: *value*", tail));
        }
        if word_start {
            for (name, instead) in WORDS {
                let Some(tail) = strip_keyword(rest, name) else { continue };
                let tail = tail.strip_prefix('~').unwrap_or(tail);
                if tail.is_empty() || tail.starts_with(is_space) {
                    let symbol = rest.get(..rest.len() - tail.len()).unwrap_or(name);
                    return Some((at, symbol, instead, tail));
                }
            }
        }
        if matches!(c, '<' | '>') {
            // A range, which KQL has.
            return None;
        }
        word_start = is_space(c);
    }
    None
}

/// `field not in (..)`: KQL ends the clause at `not`.
fn negated<'t>(clause: &str, next: &'t str) -> Option<(usize, &'t str, &'static str, &'t str)> {
    let tail = strip_keyword(next, "not")?.trim_start_matches(is_space);
    let (word, after) = word(tail)?;
    let known = WORDS.iter().any(|(name, _)| word.trim_end_matches('~').eq_ignore_ascii_case(name));
    let symbol = next.get(..next.len() - after.len())?;
    (known && !clause.trim().is_empty()).then_some((
        clause.len(),
        symbol,
        "not field: (a or b)",
        after,
    ))
}

/// The first word, and what follows it.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(is_space);
    let end = text.find(|c: char| is_space(c) || "()[]{}:\"|".contains(c)).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(word, _)| !word.is_empty())
}

/// The value at the beginning of a text, with its quotes.
fn operand(text: &str) -> &str {
    let length = match text.strip_prefix('"') {
        Some(inner) => inner.find('"').map_or(text.len(), |end| end + 2),
        None => text.find(|c: char| is_space(c) || "()".contains(c)).unwrap_or(text.len()),
    };
    text.get(..length).unwrap_or("")
}

/// Whether an operand is a field's name.
fn is_field(operand: &str) -> bool {
    let mut parts = operand.split('.');
    let root = parts.next().is_some_and(|root| ROOTS.contains(&root));
    let inside = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    };
    // A host's name is no field's.
    let host = [".com", ".net", ".org"].iter().any(|end| operand.ends_with(end));
    root && !host && (operand.contains('.') || operand.starts_with('@')) && parts.all(inside)
}

/// The characters that are not in double quotes, with their places.
fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quoted = false;
    let mut escaped = false;
    text.char_indices().filter(move |(_, c)| {
        let was = quoted;
        if escaped {
            escaped = false;
        } else if *c == '\\' {
            escaped = true;
        } else if *c == '"' {
            quoted = !quoted;
        }
        !was && !quoted
    })
}

#[cfg(test)]
mod tests;
