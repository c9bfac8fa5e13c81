//! The part of Elasticsearch's query language that rules' filters use.
//!
//! In: a table of the TOML that holds one clause. Out: a query, and how it is written. What it does not know is a
//! diagnostic at its position, never left out: half a filter would alert on what the author excluded.
//!
//! ```text
//! { wildcard = { "process.name" = { value = "a*" } } }
//!   kind         field            options
//! ```

use super::diagnostic::{Diagnostics, short};
use super::table::{At, Table, TableEntry, UnknownKey, nearest, wrong_type};
use super::written::WrittenClause;
use firstseen_kql::{Comparison, FieldType, SyntaxError, ValueForm, field_type};
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// How deep `bool` may nest in `bool`: far more than people write, and a small stack.
const MAX_DEPTH: u8 = 16;

/// The supported clauses.
const KINDS: &[&str] = &[
    "bool",
    "exists",
    "match",
    "match_all",
    "match_phrase",
    "prefix",
    "range",
    "term",
    "terms",
    "wildcard",
];

/// Keys that tell a clause's options from the rest of a field's name written without quotes.
const OPTIONS: &[&str] =
    &["boost", "case_insensitive", "gt", "gte", "lt", "lte", "query", "type", "value", "wildcard"];

/// The one clause of a table.
pub(super) fn query(
    table: &Table<'_>,
    depth: u8,
    faults: &mut Diagnostics,
) -> Option<WrittenClause> {
    let mut entries = table.entries();
    let (Some(one), None) = (entries.next(), entries.next()) else {
        let message = format!("`{}` must hold exactly one clause", table.path());
        let fault = faults.error("bad_filter", &table.span, message);
        fault.help("join several clauses with `bool`");
        return None;
    };
    clause(&one, &table.name(one.key), depth, faults)
}

/// One clause; `name` is its own from the top.
pub(super) fn clause(
    entry: &TableEntry<'_>,
    name: &str,
    depth: u8,
    faults: &mut Diagnostics,
) -> Option<WrittenClause> {
    if !KINDS.contains(&entry.key) {
        let message = format!("unsupported filter `{}`", short(entry.key));
        let fault = faults.error("bad_filter", &entry.span, message);
        match nearest(entry.key, KINDS.iter().copied()) {
            Some(meant) => fault.help(format!("did you mean `{meant}`?")),
            None => fault.help(format!("supported: {}", KINDS.join(", "))),
        };
        return None;
    }
    let Some(table) = entry.value.get_ref().as_table() else {
        wrong_type(entry.value, name, "a table", faults);
        return None;
    };
    let mut table = Table::new(table, name.to_owned(), entry.span.clone());
    match entry.key {
        "bool" if depth >= MAX_DEPTH => {
            let message = format!("`bool` is nested in more than {MAX_DEPTH} others");
            faults.error("too_deep", &entry.span, message);
            None
        }
        "bool" => bool(table, depth.saturating_add(1), faults),
        "exists" => {
            let field = table.required("field", faults);
            table.pass(&["boost"]);
            table.finish(UnknownKey::Fatal, faults);
            let field = field?;
            let query = firstseen_kql::exists(field.value);
            Some(WrittenClause::of(query, &field.span, &field, ValueForm::Exists))
        }
        "match_all" => {
            table.pass(&["boost"]);
            table.finish(UnknownKey::Fatal, faults);
            Some(WrittenClause::everything())
        }
        kind => of_field(kind, table, faults),
    }
}

/// `must`, `filter`, `should`, `must_not`, each a clause or a list of clauses.
fn bool(mut t: Table<'_>, depth: u8, faults: &mut Diagnostics) -> Option<WrittenClause> {
    let mut all = part(&mut t, "must", depth, faults);
    all.extend(part(&mut t, "filter", depth, faults));
    let should = part(&mut t, "should", depth, faults);
    let not = part(&mut t, "must_not", depth, faults);
    // Upstream one `should` has to hold only where nothing else has to.
    let mut least = i64::from(all.is_empty() && !should.is_empty());
    if let Some(value) = t.get("minimum_should_match") {
        let text = scalar(value, "minimum_should_match", faults)?;
        match text.value.parse() {
            Ok(number @ (0 | 1)) => least = number,
            _ => {
                let message = "`minimum_should_match` must be 0 or 1";
                faults.error("bad_filter", &text.span, message);
            }
        }
    }
    t.pass(&["boost"]);
    t.finish(UnknownKey::Fatal, faults);
    let whole = |parts: Vec<Option<WrittenClause>>| parts.into_iter().collect::<Option<Vec<_>>>();
    let (all, should, not) = (whole(all)?, whole(should)?, whole(not)?);
    let mut out = WrittenClause::everything();
    for clause in all {
        out = out.and(clause, false);
    }
    if least == 1 {
        out = out.and(WrittenClause::any(should), false);
    }
    for clause in not {
        out = out.and(clause, true);
    }
    Some(out)
}

/// The clauses of one part; invalid ones are `None`.
fn part(
    t: &mut Table<'_>,
    key: &'static str,
    depth: u8,
    faults: &mut Diagnostics,
) -> Vec<Option<WrittenClause>> {
    let is_list = t.get(key).is_some_and(|value| value.get_ref().is_array());
    let tables = if is_list { t.tables(key, faults) } else { Vec::from_iter(t.table(key, faults)) };
    tables.iter().map(|table| query(table, depth, faults)).collect()
}

/// `KIND = { FIELD = VALUE or OPTIONS }`.
fn of_field(kind: &str, t: Table<'_>, faults: &mut Diagnostics) -> Option<WrittenClause> {
    let (mut entry, mut table, mut field) = (one(&t, faults)?, t, String::new());
    loop {
        field.push_str(entry.key);
        let Some(inner) = entry.value.get_ref().as_table() else { break };
        if inner.iter().any(|(key, _)| OPTIONS.contains(&key.get_ref().as_ref())) {
            break;
        }
        // `wildcard.process.name` without quotes: TOML makes a table of each part.
        field.push('.');
        table = Table::new(inner, table.name(entry.key), entry.span.clone());
        entry = one(&table, faults)?;
    }
    let field = At { value: field, span: entry.span.clone() };
    let name = table.name(entry.key);
    let options = entry.value.get_ref().as_table();
    let options = options.map(|inner| Table::new(inner, name.clone(), entry.span.clone()));
    match (kind, options) {
        ("terms", _) => {
            let Some(list) = entry.value.get_ref().as_array() else {
                wrong_type(entry.value, &name, "a list of values", faults);
                return None;
            };
            let values: Option<Vec<_>> =
                list.iter().map(|value| scalar(value, &name, faults)).collect();
            one_of(&field, values?, faults)
        }
        ("range", Some(options)) => range(&field, options, faults),
        ("range", None) => {
            wrong_type(entry.value, &name, "a table with gt, gte, lt, lte", faults);
            None
        }
        (kind, Some(options)) => with_options(kind, &field, options, faults),
        (kind, None) => {
            let value = scalar(entry.value, &name, faults)?;
            compare(kind, &field, value, false, faults)
        }
    }
}

/// The one field that a clause names.
fn one<'t>(t: &Table<'t>, faults: &mut Diagnostics) -> Option<TableEntry<'t>> {
    let mut entries = t.entries();
    if let (Some(one), None) = (entries.next(), entries.next()) {
        return Some(one);
    }
    faults.error("bad_filter", &t.span, format!("`{}` must name exactly one field", t.path()));
    None
}

fn with_options(
    kind: &str,
    field: &At<String>,
    mut t: Table<'_>,
    faults: &mut Diagnostics,
) -> Option<WrittenClause> {
    let mut kind = kind;
    let key = match kind {
        "match" | "match_phrase" => "query",
        "wildcard" if t.key("wildcard").is_some() => "wildcard",
        _ => "value",
    };
    let there = t.present(key, faults);
    let value = there.then(|| t.get(key)).flatten();
    let value = value.and_then(|value| scalar(value, &t.name(key), faults));
    let mut any_case = false;
    match kind {
        "match" => {
            // As Kibana wrote a phrase before it had `match_phrase`.
            let typed = t.text("type", faults);
            if typed.as_ref().is_some_and(|typed| typed.value == "phrase") {
                kind = "match_phrase";
            } else if let Some(typed) = typed {
                let message = format!("unsupported type `{}` of a `match`", short(typed.value));
                faults.error("bad_filter", &typed.span, message);
            }
        }
        "match_phrase" => {}
        _ => any_case = t.flag("case_insensitive", faults).is_some_and(|flag| flag.value),
    }
    t.pass(&["boost"]);
    if matches!(kind, "wildcard" | "prefix") {
        // How upstream works it out, not what it finds.
        t.pass(&["rewrite"]);
    }
    t.finish(UnknownKey::Fatal, faults);
    compare(kind, field, value?, any_case, faults)
}

/// One value against a field.
fn compare(
    kind: &str,
    field: &At<String>,
    value: At<String>,
    any_case: bool,
    faults: &mut Diagnostics,
) -> Option<WrittenClause> {
    match kind {
        "wildcard" => Some(pattern(field, &value.value, any_case, &value.span)),
        "prefix" => {
            let begin = format!("{}*", literal(&value.value));
            Some(pattern(field, &begin, any_case, &value.span))
        }
        "term" if any_case => Some(pattern(field, &literal(&value.value), true, &value.span)),
        "match" if field_type(&field.value) == FieldType::Text => {
            // Any of the words; a phrase is all of them in their order.
            let words = value.value.split_whitespace().map(str::to_owned).collect();
            one_of_texts(field, words, &value, faults)
        }
        _ => one_of(field, vec![value], faults),
    }
}

/// A pattern against a field.
fn pattern(
    field: &At<String>,
    pattern: &str,
    any_case: bool,
    span: &Range<usize>,
) -> WrittenClause {
    let is_plain = !any_case && !pattern.contains(['?', '\\']);
    let form = match is_plain {
        true if pattern == "*" => ValueForm::Exists,
        true if pattern.contains('*') => ValueForm::Wildcard,
        true => ValueForm::Quoted,
        false => ValueForm::OtherPattern,
    };
    let query = firstseen_kql::wildcard(&field.value, pattern, any_case);
    WrittenClause::of(query, &field.span, &At { value: pattern, span: span.clone() }, form)
}

/// A value as a pattern that fits only itself.
fn literal(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '*' | '?' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn one_of(
    field: &At<String>,
    values: Vec<At<String>>,
    faults: &mut Diagnostics,
) -> Option<WrittenClause> {
    // One by one first, so that each has its position.
    let mut each = Vec::with_capacity(values.len());
    for value in &values {
        each.push(one_of_texts(field, vec![value.value.clone()], value, faults)?);
    }
    let texts = values.into_iter().map(|value| value.value).collect();
    let query = firstseen_kql::one_of("", &field.value, texts).ok()?;
    Some(WrittenClause { query, ..WrittenClause::any(each) })
}

fn one_of_texts(
    field: &At<String>,
    texts: Vec<String>,
    place: &At<String>,
    faults: &mut Diagnostics,
) -> Option<WrittenClause> {
    let query = firstseen_kql::one_of("", &field.value, texts);
    let query = query.map_err(|error| note(&error, place, faults)).ok()?;
    let value = At { value: place.value.as_str(), span: place.span.clone() };
    Some(WrittenClause::of(query, &field.span, &value, ValueForm::Quoted))
}

fn range(field: &At<String>, mut t: Table<'_>, faults: &mut Diagnostics) -> Option<WrittenClause> {
    const BOUNDS: [(&str, Comparison); 4] = [
        ("gt", Comparison::Greater),
        ("gte", Comparison::AtLeast),
        ("lt", Comparison::Less),
        ("lte", Comparison::AtMost),
    ];
    let mut out: Option<WrittenClause> = None;
    let mut whole = true;
    for (key, comparison) in BOUNDS {
        let Some(value) = t.get(key) else { continue };
        let bound = scalar(value, &t.name(key), faults).and_then(|value| {
            let bound = firstseen_kql::range(&field.value, comparison, &value.value);
            let bound = bound.map_err(|error| note(&error, &value, faults)).ok()?;
            let value = At { value: value.value.as_str(), span: value.span.clone() };
            Some(WrittenClause::of(bound, &field.span, &value, ValueForm::Bound))
        });
        whole &= bound.is_some();
        out = match (out, bound) {
            (Some(before), Some(bound)) => Some(before.and(bound, false)),
            (before, bound) => bound.or(before),
        };
    }
    t.pass(&["boost"]);
    if let Some(format) = t.text("format", faults)
        && !matches!(format.value, "strict_date_optional_time" | "date_optional_time")
    {
        let message = format!("unsupported date format `{}`", short(format.value));
        faults.error("bad_filter", &format.span, message);
    }
    if out.is_none() && whole {
        let message = format!("`{}` has no bound", t.path());
        faults.error("bad_filter", &t.span, message).label("use gt, gte, lt or lte");
    }
    t.finish(UnknownKey::Fatal, faults);
    out.filter(|_| whole)
}

fn note(error: &SyntaxError, place: &At<String>, faults: &mut Diagnostics) {
    let fault = faults.error(error.code, &place.span, error.message.clone());
    fault.label(format!("expected {}", error.expected));
}

/// A value as text: numbers and dates as they are written.
fn scalar(
    value: &Spanned<DeValue<'_>>,
    name: &str,
    faults: &mut Diagnostics,
) -> Option<At<String>> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Integer(_) | DeValue::Array(_) | DeValue::Table(_) => {
            wrong_type(value, name, "a string, a number or a boolean", faults);
            return None;
        }
    };
    Some(At { value: text, span: value.span() })
}
