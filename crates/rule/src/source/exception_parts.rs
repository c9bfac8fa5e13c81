//! The exceptions of a rule as they are written, for warnings about them.
//!
//! In: the list of tables in the TOML, and the exceptions that were made of it. Out: a tree of fields
//! and values with their places for each. It reports nothing: that was done by [`super::exceptions`].

use super::table::At;
use super::written::{PartKind, WrittenClause, WrittenPart};
use crate::exception::{Exception, ExceptionDocument, ExceptionEntry};
use firstseen_kql::{ValueForm, WrittenQuery};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The exceptions of a list that has no fault.
pub(super) fn parts(
    list: &Spanned<DeValue<'_>>,
    read: &[(ExceptionDocument, Exception)],
) -> Vec<WrittenPart> {
    let tables = list.get_ref().as_array().map(|list| list.iter()).into_iter().flatten();
    let each = tables.zip(read);
    each.filter_map(|(table, (document, exception))| {
        let kind = PartKind::Exception { ends: exception.expires_ms.is_some() };
        part(kind, table, document)
    })
    .collect()
}

fn part(
    kind: PartKind,
    one: &Spanned<DeValue<'_>>,
    document: &ExceptionDocument,
) -> Option<WrittenPart> {
    let table = one.get_ref().as_table()?;
    if let Some(query) = &document.query {
        let span = table.get("query")?.span();
        return WrittenPart::of_kql(kind, &At { value: query, span });
    }
    let mut written = Vec::new();
    let fields = table.get("fields").and_then(|fields| fields.get_ref().as_table());
    for (name, value) in fields.into_iter().flat_map(DeTable::iter) {
        let values = document.fields.as_ref()?.get(name.get_ref().as_ref())?;
        let field = At { value: name.get_ref().as_ref(), span: name.span() };
        written.push(listed("", &field, &values.0, value, ValueForm::Quoted));
    }
    if let (Some(entries), Some(list)) = (&document.entries, table.get("entries")) {
        written.extend(all_of("", entries, list));
    }
    Some(WrittenPart { kind, written: WrittenQuery::And(written), span: one.span(), kql: None })
}

/// Entries, all of which have to hold.
fn all_of(
    within: &str,
    entries: &[ExceptionEntry],
    list: &Spanned<DeValue<'_>>,
) -> Vec<WrittenQuery> {
    let tables = list.get_ref().as_array().map(|list| list.iter()).into_iter().flatten();
    let each = tables.zip(entries);
    each.filter_map(|(table, entry)| entry_of(within, entry, table.get_ref().as_table()?)).collect()
}

fn entry_of(within: &str, entry: &ExceptionEntry, table: &DeTable<'_>) -> Option<WrittenQuery> {
    let name = table.get("field")?;
    let field = At { value: entry.field.as_str(), span: name.span() };
    let nothing = Vec::new();
    let values = entry.value.as_ref().map_or(&nothing, |list| &list.0);
    let written = match entry.kind.as_str() {
        "nested" => {
            let all = all_of(&entry.field, entry.entries.as_ref()?, table.get("entries")?);
            WrittenQuery::And(all)
        }
        "exists" => {
            let query = firstseen_kql::exists(&entry.field);
            within_object(within, WrittenClause::of(query, &field.span, &field, ValueForm::Exists))
        }
        "wildcard" => listed(within, &field, values, table.get("value")?, ValueForm::Wildcard),
        _ => listed(within, &field, values, table.get("value")?, ValueForm::Quoted),
    };
    let negated = entry.operator.as_deref() == Some("excluded");
    Some(if negated { WrittenQuery::Not(Box::new(written)) } else { written })
}

/// One of the values.
fn listed(
    within: &str,
    field: &At<&str>,
    values: &[String],
    place: &Spanned<DeValue<'_>>,
    form: ValueForm,
) -> WrittenQuery {
    // Lists in lists were flattened: then each value has the place of all.
    let places = place.get_ref().as_array().filter(|list| list.len() == values.len());
    let span = |at: usize| -> Range<usize> {
        places.and_then(|list| list.get(at)).map_or(place.span(), Spanned::span)
    };
    let each = values.iter().enumerate().filter_map(|(at, value)| {
        let (query, form) = match form {
            ValueForm::Wildcard => {
                let form = match value.contains(['?', '\\']) {
                    true => ValueForm::OtherPattern,
                    false if value == "*" => ValueForm::Exists,
                    false if value.contains('*') => form,
                    false => ValueForm::Quoted,
                };
                (firstseen_kql::wildcards(field.value, std::slice::from_ref(value)), form)
            }
            _ => (firstseen_kql::one_of(within, field.value, vec![value.clone()]).ok()?, form),
        };
        let value = At { value: value.as_str(), span: span(at) };
        Some(within_object(within, WrittenClause::of(query, &field.span, &value, form)))
    });
    WrittenQuery::Or(each.collect())
}

/// With the path of the objects around its field.
fn within_object(path: &str, clause: WrittenClause) -> WrittenQuery {
    match clause.written {
        WrittenQuery::Value(mut leaf) if !path.is_empty() => {
            leaf.field = format!("{path}.{}", leaf.field);
            leaf.is_nested = true;
            WrittenQuery::Value(leaf)
        }
        written => written,
    }
}
