//! Exceptions out of files: `[[rule.exceptions]]` of a rule, and whole files of them.
//!
//! In: the tables of a TOML, or the text of a file (TOML or JSON). Out: exceptions, checked, each
//! with the document that it was made of, or all faults with their positions.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::report;
use super::table::{Table, wrong_type};
use crate::exception::{Exception, ExceptionDocument, ExceptionError, ExceptionOrigin};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// An exception as it is written, and as it is evaluated.
pub type WrittenException = (ExceptionDocument, Exception);

/// The code of every fault of an exception except those in its KQL.
const CODE: &str = "bad_exception";

/// Reads a file of exceptions: `[[exceptions]]` in TOML, or `{"exceptions": [..]}` in JSON. The
/// first character tells which of the two. A text without the key `exceptions` is a fault: an editor
/// that has just opened the file to write it, or a disk that was full, leaves one behind.
/// `exceptions = []` are none.
///
/// # Errors
/// All faults in order of position; if the text is neither valid TOML nor valid JSON, only that.
pub fn exceptions(text: &str) -> Result<Vec<WrittenException>, Vec<Diagnostic>> {
    let mut faults = Diagnostics::default();
    let found = if text.trim_start().starts_with('{') {
        json(text, &mut faults)
    } else {
        toml(text, &mut faults)
    };
    match faults.finish() {
        (_, false) => Ok(found),
        (faults, true) => Err(faults),
    }
}

fn toml(text: &str, faults: &mut Diagnostics) -> Vec<WrittenException> {
    let (document, errors) = DeTable::parse_recoverable(text);
    report::toml_errors(text, &errors, faults);
    if !errors.is_empty() {
        return Vec::new();
    }
    let mut root = Table::new(document.get_ref(), String::new(), 0..0);
    let list = root.get("exceptions");
    for entry in root.entries().filter(|entry| entry.key != "exceptions") {
        let message = format!("unknown key `{}`", entry.key);
        faults.error("unknown_key", &entry.span, message).label("use [[exceptions]]");
    }
    let Some(list) = list else {
        faults
            .error("missing_key", &(0..0), "a file without `exceptions`")
            .help("write `exceptions = []` if there are none");
        return Vec::new();
    };
    read(text, list, ExceptionOrigin::File, faults)
}

/// Reads a list of exceptions in a TOML text.
pub(super) fn read(
    text: &str,
    list: &Spanned<DeValue<'_>>,
    place: ExceptionOrigin,
    faults: &mut Diagnostics,
) -> Vec<WrittenException> {
    let Some(tables) = list.get_ref().as_array() else {
        let name = if place == ExceptionOrigin::Rule { "rule.exceptions" } else { "exceptions" };
        wrong_type(list, name, &format!("a list of tables, `[[{name}]]`"), faults);
        return Vec::new();
    };
    tables.iter().filter_map(|one| read_one(text, one, place, faults)).collect()
}

fn read_one(
    text: &str,
    one: &Spanned<DeValue<'_>>,
    place: ExceptionOrigin,
    faults: &mut Diagnostics,
) -> Option<WrittenException> {
    let document = match ExceptionDocument::deserialize(ValueDeserializer::from(one.clone())) {
        Ok(document) => document,
        Err(error) => {
            // Without a position of its own it is about the whole exception.
            let span = error.span().unwrap_or(one.span());
            report_shape(error.message(), &span, faults);
            return None;
        }
    };
    match document.clone().compile(place) {
        Ok(exception) => Some((document, exception)),
        Err(fault) => {
            report_fault(text, one, &document, &fault, faults);
            None
        }
    }
}

/// Reports a fault at the member that it is about.
fn report_fault(
    text: &str,
    one: &Spanned<DeValue<'_>>,
    document: &ExceptionDocument,
    fault: &ExceptionError,
    faults: &mut Diagnostics,
) {
    let table = one.get_ref().as_table();
    let member = |name: &str| table.and_then(|table| table.get(name));
    match fault {
        ExceptionError::Query(error) => {
            let span = member("query").map_or(one.span(), Spanned::span);
            let query = document.query.as_deref().unwrap_or_default();
            report::query_error(text, &span, query, error, faults);
        }
        ExceptionError::Member { member: name, entry: at, reason } => {
            let value = member(name);
            let entry = at.and_then(|at| value?.get_ref().as_array()?.get(at));
            let span = entry.or(value).map_or(one.span(), Spanned::span);
            report_member(&document.name, name, *at, reason, &span, faults);
        }
    }
}

fn report_member(
    exception: &str,
    member: &str,
    entry: Option<usize>,
    reason: &str,
    span: &Range<usize>,
    faults: &mut Diagnostics,
) {
    let entry = entry.map_or_else(String::new, |at| format!("[{at}]"));
    let message = format!("invalid `{member}{entry}` in the exception `{exception}`");
    faults.error(CODE, span, message).label(reason);
}

/// Reports serde's error for a table or object that does not have the shape of an exception.
fn report_shape(error: &str, span: &Range<usize>, faults: &mut Diagnostics) {
    let (what, expected) = error.split_once(", expected ").unwrap_or((error, ""));
    let fault = faults.error(CODE, span, "invalid exception").label(what);
    if !expected.is_empty() {
        fault.help(format!("expected {}", expected.replace('`', "")));
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<'t> {
    // As text, so that its position is known.
    #[serde(borrow)]
    exceptions: Vec<&'t RawValue>,
}

fn json(text: &str, faults: &mut Diagnostics) -> Vec<WrittenException> {
    let file: File<'_> = match serde_json::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            report_json(text, 0, &error, faults);
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for one in file.exceptions {
        let one = one.get();
        let at = one.as_ptr().addr().saturating_sub(text.as_ptr().addr());
        match serde_json::from_str::<ExceptionDocument>(one) {
            Ok(document) => match document.clone().compile(ExceptionOrigin::File) {
                Ok(exception) => found.push((document, exception)),
                Err(fault) => {
                    let span = at..at.saturating_add(one.len());
                    let (member, entry, reason) = match fault {
                        ExceptionError::Query(error) => (
                            "query",
                            None,
                            format!("{}; expected {}", error.message, error.expected),
                        ),
                        ExceptionError::Member { member, entry, reason } => (member, entry, reason),
                    };
                    report_member(&document.name, member, entry, &reason, &span, faults);
                }
            },
            Err(error) => report_json(one, at, &error, faults),
        }
    }
    found
}

/// Reports an error in JSON that begins at byte `start` of the file.
fn report_json(text: &str, start: usize, error: &serde_json::Error, faults: &mut Diagnostics) {
    let line = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len);
    let mut at = line.sum::<usize>().saturating_add(error.column().saturating_sub(1));
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    let at = start.saturating_add(at);
    let span: Range<usize> = at..at;
    let whole = error.to_string();
    // The position is shown beside the message, and serde's counts from the exception's start.
    let reason = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(reason, _)| reason);
    if error.is_data() {
        report_shape(reason, &span, faults);
    } else {
        faults.error("json_syntax", &span, format!("invalid JSON: {reason}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code, line, column, message and label of each fault.
    fn faults(text: &str) -> Vec<(&'static str, usize, usize, String)> {
        let faults = exceptions(text).expect_err(text);
        let place = |d: Diagnostic| {
            let (line, column) = d.position(text).expect("a place");
            (d.code, line, column, format!("{} {}", d.message, d.label))
        };
        faults.into_iter().map(place).collect()
    }

    const TOML: &str = "
[[exceptions]]
name = 'ci'
reason = 'builds'
expires = 2026-12-31
query = 'user.name: ci-*'

[[exceptions]]
name = 'vendor'
reason = 'contract'
rule_id = 'r1'

[exceptions.fields]
'user.name' = ['a', 'b']

[[exceptions]]
name = 'scanner'
reason = 'ours'

[[exceptions.entries]]
field = 'source.ip'
type = 'match'
value = '10.0.0.0/8'
";

    #[test]
    fn toml_and_json_give_the_same() {
        let found = exceptions(TOML).unwrap();
        let names: Vec<&str> = found.iter().map(|(_, e)| e.name.as_str()).collect();
        assert_eq!(names, ["ci", "vendor", "scanner"]);
        let documents: Vec<&ExceptionDocument> =
            found.iter().map(|(document, _)| document).collect();
        let json = serde_json::json!({ "exceptions": documents });
        for text in [json.to_string(), format!("\n {json:#}\n")] {
            assert_eq!(exceptions(&text).unwrap(), found);
        }
        assert_eq!(exceptions("# none now\nexceptions = []\n").unwrap(), []);
        assert_eq!(exceptions("{\"exceptions\": []}").unwrap(), []);
    }

    #[test]
    fn the_examples_of_the_page_are_exceptions() {
        let page = include_str!("../../../../docs/exceptions.md");
        let mut read = Vec::new();
        for kind in ["```toml\n", "```json\n"] {
            for block in page.split(kind).skip(1) {
                let block = block.split("```").next().unwrap();
                read.extend(exceptions(block).unwrap_or_else(|e| panic!("{block}{e:?}")));
            }
        }
        assert_eq!(read.len(), 4);
    }

    #[test]
    fn every_fault_of_a_toml_has_its_position() {
        let text = "
[[exceptions]]
name = 'a'
reason = 'r'
query = 'user.name: (b'

[[exceptions]]
name = 'b'
reason = 'r'
why = 'c'
query = 'a: b'

[[exceptions]]
name = 'c'
reason = 'r'
entries = [{field = 'x', type = 'exists'}, {field = 'y', type = 'is'}]

[[exceptions]]
name = 'd'
query = 'a: b'

[exception]
";
        let places: Vec<_> = faults(text).into_iter().map(|f| (f.1, f.2)).collect();
        assert_eq!(places, [(5, 21), (10, 1), (16, 44), (18, 1), (22, 2)]);
        let faults = faults(text);
        assert_eq!(faults[0].0, "unclosed");
        assert!(faults[1].3.contains("unknown field `why`"), "{faults:?}");
        assert!(
            faults[2].3.contains("invalid `entries[1]` in the exception `c` unknown type `is`"),
            "{faults:?}"
        );
        assert!(faults[3].3.contains("`reason` in the exception `d`"), "{faults:?}");
        assert_eq!(faults[4].0, "unknown_key");
    }

    #[test]
    fn an_invalid_list_of_exceptions_is_an_error() {
        for (text, code, line) in [
            ("x", "toml_syntax", 1),
            ("", "missing_key", 1),
            (" \n", "missing_key", 1),
            ("# Exceptions of the team\n", "missing_key", 1),
            ("{}", CODE, 1),
            ("\nexceptions = 1", "wrong_type", 2),
            ("\nexceptions = [1]", CODE, 2),
            ("{\n\"exceptions\": [}", "json_syntax", 2),
            ("{\n\"exceptions\": 1}", CODE, 2),
            ("{\n\"exceptions\": [],\n\"exception\": 1}", CODE, 3),
            ("{\"exceptions\": [\n{\"name\": \"é\",\n\"reason\": 1}]}", CODE, 3),
            ("{\"exceptions\": [\n\n{\"name\": \"x\", \"query\": \"a: b\"}]}", CODE, 3),
        ] {
            let faults = faults(text);
            assert_eq!((faults[0].0, faults[0].1), (code, line), "{text}: {faults:?}");
        }
    }

    #[test]
    fn a_rule_has_its_own_exceptions() {
        let rule = |exception: &str| {
            let text = format!(
                "[rule]
rule_id = 'r'
name = 'n'
type = 'new_terms'
language = 'kuery'
query = 'a: b'
severity = 'low'
risk_score = 1

[rule.new_terms]
field = 'new_terms_fields'
value = ['user.name']

[[rule.new_terms.history_window_start]]
field = 'history_window_start'
value = 'now-10d'

[[rule.exceptions]]
name = 'ci'
{exception}"
            );
            crate::source::read(&text, &Default::default())
        };
        let plan = rule("reason = 'builds'\nfields = { 'user.name' = 'ci' }").unwrap().plan;
        assert_eq!(plan.exceptions.len(), 1);
        assert_eq!(plan.exceptions[0].query, firstseen_kql::parse("user.name: ci").unwrap());
        // Neither the state nor what an event has to hold depends on it.
        let without = crate::RulePlan { exceptions: vec![], ..plan.clone() };
        assert_eq!(without.fingerprint(), plan.fingerprint());
        for fault in ["reason = 'b'\nrule_id = 'r'\nquery = 'a: b'", "query = 'a: b'"] {
            let faults = rule(fault).unwrap_err();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!(faults[0].code, CODE);
        }
    }
}
