//! Values that KQL takes as they are and that look as if another language had read them.
//!
//! In: a field with one value, as it is written. Out: a warning, or an error where the value is
//! another field. A value in double quotes is what its author means.

use super::{LintInput, calls, closed, forms, tables};
use crate::source::diagnostic::{Diagnostics, short};
use crate::source::written::{PartKind, WrittenPart};
use firstseen_kql::{ValueForm, WrittenValue};
use std::ops::Range;

/// What a regular expression has between its slashes, and a path has not.
const REGEX: &[&str] = &[".*", "[", "(", "^", "$", "+"];

/// Fields whose values are words, so that a slash in them means something else.
const WORDS: &[&str] = &[
    "event.action",
    "event.category",
    "event.code",
    "event.dataset",
    "event.kind",
    "event.module",
    "event.outcome",
    "event.provider",
    "event.type",
    "eventName",
    "eventSource",
];

/// Looks at one value. `all` are those of the part that it is in.
pub(super) fn check(
    input: &LintInput<'_>,
    part: &WrittenPart,
    leaf: &WrittenValue,
    all: &[&WrittenValue],
    is_cloudtrail: bool,
    faults: &mut Diagnostics,
) {
    let written = part.source(leaf);
    let place = part.place(input.text, &leaf.span);
    let is_word = part.kql.is_some() && matches!(leaf.form, ValueForm::Plain | ValueForm::Bound);
    if is_word && compares_fields(leaf, written) {
        let message = format!(
            "two fields cannot be compared: `{}` with `{}`",
            short(&leaf.field),
            short(written)
        );
        let fault = faults.error("two_fields", &place, message);
        fault.help("KQL compares a field with a value; put the value in quotes if it is one");
        return;
    }
    if let Some((message, help)) = foreign(leaf, written) {
        faults.warn("foreign_value", &place, message).help(help);
        return;
    }
    if let Some((message, help)) = quoted_wildcard(part, leaf) {
        faults.warn("quoted_wildcard", &place, message).help(help);
        return;
    }
    if let Some((message, help)) = closed::never(leaf, all, is_cloudtrail) {
        faults.warn("impossible_value", &place, message).help(help);
        return;
    }
    if is_cloudtrail {
        call(leaf, all, &place, faults);
    }
}

/// The name of a call that is known in another spelling.
fn call(leaf: &WrittenValue, all: &[&WrittenValue], span: &Range<usize>, faults: &mut Diagnostics) {
    if !forms::ACTIONS.contains(&leaf.field.as_str()) {
        return;
    }
    if leaf.form == ValueForm::Wildcard {
        let meant = calls::pattern_in_another_case(&leaf.value);
        let both =
            |meant: &str| all.iter().any(|one| one.field == leaf.field && one.value == meant);
        if let Some(meant) = meant.filter(|meant| !both(meant)) {
            let message = format!("no call of AWS is known that `{}` matches", short(&leaf.value));
            let help = format!("values are compared with their case: write `{}`", short(&meant));
            faults.warn("action_case", span, message).help(help);
        }
        return;
    }
    if !matches!(leaf.form, ValueForm::Plain | ValueForm::Quoted) {
        return;
    }
    if let Some(call) = calls::in_another_case(&leaf.value) {
        let message = format!("`{}` and the call `{call}` differ in case", short(&leaf.value));
        let fault = faults.warn("action_case", span, message);
        fault.help(format!("values are compared with their case: write `{call}`"));
    } else if let Some(call) = calls::misspelled(&leaf.value) {
        let message = format!("no call of AWS is known as `{}`", short(&leaf.value));
        faults.warn("action_spelling", span, message).help(format!("did you mean `{call}`?"));
    }
}

/// What to write instead of a value in quotes that was probably meant as a pattern.
fn quoted_wildcard(part: &WrittenPart, leaf: &WrittenValue) -> Option<(String, String)> {
    let value = &leaf.value;
    // A star alone may be what a policy says: anybody, any resource.
    let at_end = value.len() > 1 && (value.starts_with('*') || value.ends_with('*'));
    let is_word = WORDS.contains(&leaf.field.as_str());
    if leaf.form != ValueForm::Quoted || !(at_end || is_word && value.contains('*')) {
        return None;
    }
    if part.kql.is_none() {
        let message = "a `*` is a wildcard only in a `wildcard` clause: here it is a star";
        // An exception's entry of type match may say what it says.
        let is_filter = matches!(part.kind, PartKind::Filter { .. });
        return is_filter.then(|| (message.to_owned(), "use `wildcard`".to_owned()));
    }
    let is_simple = value.chars().all(|c| c.is_alphanumeric() || "*._-/".contains(c));
    let unquoted = if is_simple { value } else { "Create*" };
    let word = if is_simple { "write it" } else { "a wildcard is written" };
    let message = "a `*` in double quotes is a star, not a wildcard".to_owned();
    Some((message, format!("{word} without quotes, `{}`; there `\\*` is a star", short(unquoted))))
}

/// Whether the value is the name of a field.
fn compares_fields(leaf: &WrittenValue, written: &str) -> bool {
    let is_field =
        |name: &str| tables::ecs().fields.has_field(name) || tables::cloudtrail().has_field(name);
    written.contains('.') && !written.starts_with('"') && is_field(written) && is_field(&leaf.field)
}

/// What is foreign about a value, and what to write.
fn foreign(leaf: &WrittenValue, written: &str) -> Option<(String, String)> {
    if !matches!(leaf.form, ValueForm::Plain | ValueForm::Wildcard) {
        return None;
    }
    let inside = |mark: char| {
        let inner = written.strip_prefix(mark)?.strip_suffix(mark)?;
        (!inner.is_empty()).then_some(inner)
    };
    if let Some(inner) = inside('\'') {
        let message = "single quotes are a part of the value in KQL".to_owned();
        return Some((message, format!("write `\"{}\"`", short(inner))));
    }
    if let Some(inner) = inside('/')
        && (WORDS.contains(&leaf.field.as_str()) || REGEX.iter().any(|mark| inner.contains(mark)))
    {
        let message = "KQL has no regular expressions: the slashes are a part of the value";
        let help = "write a wildcard, as in `Create*`, or quote a value that has slashes";
        return Some((message.to_owned(), help.to_owned()));
    }
    if inside_brackets(written) {
        let message =
            "a list in square brackets is JSON: in KQL the brackets are a part of the value";
        let list = firstseen_kql::alternatives(written);
        return Some((message.to_owned(), format!("write `{}`", short(&list))));
    }
    if is_list(leaf) {
        let message = "the commas are a part of the value: this is one value, no list".to_owned();
        let each: Vec<&str> = leaf.value.split(',').map(str::trim).collect();
        return Some((message, format!("write `({})`", short(&each.join(" or ")))));
    }
    None
}

/// `[a, b]`. A value of one word in brackets may be what it says, `[redacted]`.
fn inside_brackets(written: &str) -> bool {
    written.starts_with('[') && written.ends_with(']') && written.contains(',')
}

/// Whether a value with commas was meant as a list: one of words, or one in parentheses.
fn is_list(leaf: &WrittenValue) -> bool {
    if WORDS.contains(&leaf.field.as_str()) {
        return leaf.value.contains(',');
    }
    // Without parentheses it may be a sentence.
    let is_name =
        |part: &str| !part.trim().is_empty() && !part.trim().contains(char::is_whitespace);
    let is_sentence = || !leaf.value.split(", ").all(is_name) || is_text(&leaf.field);
    leaf.value.contains(", ") && (leaf.in_list || !is_sentence())
}

/// Fields that hold what people and programs write.
fn is_text(field: &str) -> bool {
    let ends = ["message", "original", "command_line", "title", "reason", "description", ".text"];
    ends.iter().any(|end| field.ends_with(end))
}
