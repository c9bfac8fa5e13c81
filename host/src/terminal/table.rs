//! An alert as a row for a spreadsheet, CSV as of RFC 4180 with line feeds.
//!
//! In: an alert in the ECS form. Out: a row without its line break, below [`HEADER`]. A row is one
//! line: line breaks and what a terminal would act on are escaped. A spreadsheet takes a field that
//! begins with `=`, `+`, `-` or `@` for a formula, and the names in events are an attacker's: such a
//! field gets an apostrophe before it, which a spreadsheet does not show. NDJSON has the values as
//! they are.

use super::value::{field, lookup, text};
use crate::escape::escaped;
use csv::{QuoteStyle, Terminator, WriterBuilder};
use serde_json::Value;

/// The names of the columns.
pub const HEADER: &str = "time,severity,risk_score,rule,rule_id,new_terms,last_seen,window,\
    action,outcome,user,source,account,region,host,event_id,alert_id";

/// The fields of the columns, in the order of [`HEADER`]; the first of each that an alert has.
const COLUMNS: &[&[&str]] = &[
    &["kibana.alert.original_time", "@timestamp"],
    &["kibana.alert.severity"],
    &["kibana.alert.risk_score"],
    &["kibana.alert.rule.name"],
    &["kibana.alert.rule.rule_id"],
    &[NEW_TERMS],
    &["firstseen.previous_sighting"],
    &["firstseen.window"],
    &["event.action"],
    &["event.outcome"],
    &["user.name", "user.id"],
    &["source.ip", "source.address"],
    &["cloud.account.id"],
    &["cloud.region"],
    &["host.name"],
    &["event.id"],
    &["kibana.alert.uuid"],
];

const NEW_TERMS: &str = "kibana.alert.new_terms";

/// An alert's JSON as a row.
#[must_use]
pub fn render(json: &str, _colour: bool, _width: usize) -> String {
    match serde_json::from_str(json) {
        Ok(alert) => row(&alert),
        // Nested too deep to be read, for one; an alert is written all the same.
        Err(_) => written(&[harmless(escaped(json).into_owned())]),
    }
}

fn row(alert: &Value) -> String {
    let value = |paths: &&[&str]| {
        let found = paths.iter().find_map(|path| match *path {
            NEW_TERMS => new_terms(alert),
            path => field(alert, path),
        });
        harmless(found.unwrap_or_default())
    };
    written(&COLUMNS.iter().map(value).collect::<Vec<_>>())
}

/// `user.name=alice; source.ip=203.0.113.24`.
fn new_terms(alert: &Value) -> Option<String> {
    let list = |path| lookup(alert, path).and_then(Value::as_array).map(Vec::as_slice);
    let values = list(NEW_TERMS)?;
    let fields = list("kibana.alert.rule.new_terms_fields").unwrap_or_default();
    let one = |(at, value): (usize, &Value)| {
        let value = text(value).unwrap_or_default();
        match fields.get(at).and_then(text) {
            Some(field) => format!("{field}={value}"),
            None => value,
        }
    };
    Some(values.iter().enumerate().map(one).collect::<Vec<_>>().join("; "))
}

/// The field, so that no spreadsheet takes it for a formula.
fn harmless(text: String) -> String {
    // Some take the wide forms for the others, and some leave out the blanks before them.
    let formula = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    if text.trim_start().starts_with(formula) { format!("'{text}") } else { text }
}

fn written(fields: &[String]) -> String {
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::Any(b'\n'))
        .quote_style(QuoteStyle::Necessary)
        .from_writer(Vec::new());
    // Writing to a Vec cannot fail, and what was text before is text.
    let written = writer.write_record(fields).ok().and_then(|()| writer.into_inner().ok());
    let text = String::from_utf8(written.unwrap_or_default()).unwrap_or_default();
    text.trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The fields of a row by column, read again.
    fn read(row: &str) -> std::collections::BTreeMap<String, String> {
        let text = format!("{HEADER}\n{row}\n");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names = reader.headers().unwrap().clone();
        let records: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), 1, "{row}");
        names.iter().map(str::to_owned).zip(records[0].iter().map(str::to_owned)).collect()
    }

    #[test]
    fn each_column_has_its_field() {
        let alert = json!({
            "kibana.alert.original_time": "2026-11-03T09:14:07.250Z",
            "kibana.alert.severity": "medium",
            "kibana.alert.risk_score": 47,
            "kibana.alert.rule.name": "A \"rule\", and more",
            "kibana.alert.rule.new_terms_fields": ["user.name", "source.ip"],
            "kibana.alert.new_terms": ["alice", "203.0.113.7"],
            "firstseen": {"window": "10d", "previous_sighting": "2026-09-03T09:14:07.000Z"},
            "user": {"name": "alice"},
            "event": {"action": "CreateStack"},
        });
        let row = read(&row(&alert));
        assert_eq!(row.len(), COLUMNS.len());
        for (name, value) in [
            ("time", "2026-11-03T09:14:07.250Z"),
            ("risk_score", "47"),
            ("rule", "A \"rule\", and more"),
            ("new_terms", "user.name=alice; source.ip=203.0.113.7"),
            ("last_seen", "2026-09-03T09:14:07.000Z"),
            ("action", "CreateStack"),
            ("user", "alice"),
            ("region", ""),
        ] {
            assert_eq!(row[name], value, "{name}");
        }
        assert_eq!(HEADER.split(',').count(), COLUMNS.len());
    }

    #[test]
    fn no_field_is_a_formula_and_no_row_is_two_lines() {
        for (name, shown) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            (" =1", "' =1"),
            ("＝1", "'＝1"),
            ("\t=1", "\\t=1"),
            ("a\r\nb", "a\\r\\nb"),
            ("\"\n=1", "\"\\n=1"),
            ("a=1", "a=1"),
            ("\x1b[2J", "\\u{1b}[2J"),
        ] {
            let row = row(&json!({ "user": { "name": name } }));
            assert!(!row.contains(['\n', '\r', '\x1b']), "{row}");
            assert_eq!(read(&row)["user"], shown);
        }
        assert_eq!(render("=1\n", false, 80), "'=1\\n");
    }
}
