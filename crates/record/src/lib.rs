//! Alerts and errors added to a pipeline's record, for pipelines whose records are JSON objects.
//!
//! In: a record's text (untrusted), alerts, an error. Out: the record with `firstseen_alerts` (a
//! list of alert documents) and `firstseen_error` (`{"code", "reason"}`) added where there is an alert
//! or an error. The rest of the text is unchanged, byte for byte. The output is always a JSON object.
//! It never evaluates a rule.
//!
//! Both names may be there already, from the filter of another rule. Then alerts are added to the
//! list, the first error stays, and neither is part of the event that this rule judges.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::string_slice
    )
)]

use firstseen_event::{EventError, EventReader, Scratch};
use firstseen_rule::evaluate::error_json;
use firstseen_value::{push_quoted, read_escape};
use std::borrow::Cow;

/// The member that holds alerts.
pub const ALERTS: &str = "firstseen_alerts";
/// The member that holds why something was not judged.
pub const ERROR: &str = "firstseen_error";
/// The member that a text which is no record is put into; as Fluent Bit has it.
const RAW: &str = "log";

/// Checks that texts are JSON objects.
#[derive(Debug)]
pub struct RecordChecker {
    reader: EventReader,
    scratch: Scratch,
}

impl Default for RecordChecker {
    fn default() -> Self {
        // It asks for nothing, so it reads everything and keeps nothing.
        Self { reader: EventReader::for_objects(Vec::new()), scratch: Scratch::default() }
    }
}

impl RecordChecker {
    /// Whether the text is one JSON object.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn check(&mut self, text: &str) -> Result<(), EventError> {
        self.reader.read(text, &mut self.scratch).map(|_| ())
    }
}

/// A record that is a JSON object, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct JsonRecord<'t> {
    /// The record without the two members: what a rule judges.
    event: Cow<'t, str>,
    alerts: Option<&'t str>,
    error: Option<&'t str>,
}

impl<'t> JsonRecord<'t> {
    /// Whether a text may hold one of the two members: without them it need not be taken apart.
    #[must_use]
    pub fn may_hold_ours(text: &str) -> bool {
        let text = text.as_bytes();
        // Both names begin so; hardly a pipeline escapes letters, and whoever sends an event may.
        // By its backslash, which most texts do not have.
        let is_letter = |at: usize| match text.get(at + 1..at + 6) {
            Some([b'u', b'0', b'0', b'5'..=b'7', low]) => low.is_ascii_hexdigit(),
            _ => false,
        };
        memchr::memmem::find(text, b"\"firstseen_").is_some()
            || memchr::memchr_iter(b'\\', text).any(is_letter)
    }

    /// The record of a text that holds none of the two members, as [`JsonRecord::may_hold_ours`] said.
    #[must_use]
    pub const fn without_ours(text: &'t str) -> Self {
        Self { event: Cow::Borrowed(text), alerts: None, error: None }
    }

    /// Takes a text apart that [`RecordChecker::check`] found to be an object.
    #[must_use]
    pub fn of(text: &'t str) -> Self {
        let mut record = Self::without_ours(text);
        if !Self::may_hold_ours(text) {
            return record;
        }
        let mut kept = String::from("{");
        for (name, value) in members(text) {
            match name {
                _ if is_name(name, ALERTS) => record.alerts = Some(value),
                _ if is_name(name, ERROR) => record.error = Some(value),
                _ => {
                    if kept.len() > 1 {
                        kept.push(',');
                    }
                    kept.push('"');
                    kept.push_str(name);
                    kept.push_str("\":");
                    kept.push_str(value);
                }
            }
        }
        if record.alerts.is_some() || record.error.is_some() {
            kept.push('}');
            record.event = Cow::Owned(kept);
        }
        record
    }

    /// The event that it is.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Whether it already had alerts or an error.
    #[must_use]
    pub const fn is_marked(&self) -> bool {
        self.alerts.is_some() || self.error.is_some()
    }

    /// The record with these alerts and this error, `code: reason`.
    #[must_use]
    pub fn with<'a>(&self, alerts: impl Iterator<Item = &'a str>, error: Option<&str>) -> String {
        let event = self.event.trim_ascii_end();
        let mut out = String::with_capacity(event.len().saturating_add(64));
        out.push_str(event.strip_suffix('}').unwrap_or(event));
        let mut list = match self.alerts {
            None => String::new(),
            // Somebody else's value becomes the first of the list.
            Some(value) => match value.strip_prefix('[').and_then(|v| v.strip_suffix(']')) {
                Some(items) => items.trim_ascii().to_owned(),
                None => value.to_owned(),
            },
        };
        for alert in alerts {
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(alert);
        }
        if !list.is_empty() || self.alerts.is_some() {
            member(&mut out, ALERTS);
            out.push('[');
            out.push_str(&list);
            out.push(']');
        }
        match (self.error, error) {
            (Some(value), _) => {
                member(&mut out, ERROR);
                out.push_str(value);
            }
            (None, Some(error)) => {
                member(&mut out, ERROR);
                out.push_str(&error_json(error));
            }
            (None, None) => {}
        }
        out.push('}');
        out
    }
}

/// The event in the record's member `log`, if that is an object: no event is looked for there, because
/// `log` holds a line.
#[must_use]
pub fn log_object(text: &str) -> Option<&str> {
    memchr::memmem::find(text.as_bytes(), b"\"log\"")?;
    let (_, value) = members(text).into_iter().rfind(|(name, _)| *name == RAW)?;
    value.starts_with('{').then_some(value)
}

/// A record for a text that is none: the text as a string, and why it is none.
#[must_use]
pub fn wrapped(text: &str, error: &str) -> String {
    let mut out = String::from("{");
    member(&mut out, RAW);
    push_quoted(&mut out, text);
    member(&mut out, ERROR);
    out.push_str(&error_json(error));
    out.push('}');
    out
}

/// A document with what lies deeper than so many levels as JSON text in strings, for pipelines that
/// cannot carry as many levels as an alert may have.
#[must_use]
pub fn deep_as_text(text: &str, levels: usize) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut depth, mut from, mut copied) = (0usize, 0usize, 0usize);
    for (at, byte) in Walk::new(text) {
        match byte {
            b'{' | b'[' => {
                if depth == levels {
                    from = at;
                }
                depth = depth.saturating_add(1);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == levels {
                    out.push_str(text.get(copied..from).unwrap_or_default());
                    copied = at.saturating_add(1);
                    push_quoted(&mut out, text.get(from..copied).unwrap_or_default());
                }
            }
            _ => {}
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// Adds a member's name to an object that is still open.
fn member(out: &mut String, name: &str) {
    if !out.trim_ascii_end().ends_with('{') {
        out.push(',');
    }
    push_quoted(out, name);
    out.push(':');
}

/// Whether a name as it is spelled, between its quotes, means this one.
fn is_name(spelled: &str, name: &str) -> bool {
    let (mut rest, mut expected) = (spelled.as_bytes(), name.chars());
    while let [first, behind @ ..] = rest {
        let (character, behind) = match first {
            b'\\' => match read_escape(rest) {
                Ok((character, length)) => (character, rest.get(length..).unwrap_or_default()),
                Err(_) => return false,
            },
            first => (char::from(*first), behind),
        };
        if expected.next() != Some(character) {
            return false;
        }
        rest = behind;
    }
    expected.next().is_none()
}

/// The members of an object whose text is good: names as they are spelled, and values.
fn members(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let (mut depth, mut from, mut name) = (0usize, 0usize, "");
    for (at, byte) in Walk::new(text) {
        let closes = matches!(byte, b'}' | b']');
        if closes {
            depth = depth.saturating_sub(1);
        }
        match (byte, depth) {
            (b':', 1) => {
                let key = text.get(from..at).unwrap_or_default().trim_ascii();
                name = key.get(1..key.len().saturating_sub(1)).unwrap_or_default();
                from = at.saturating_add(1);
            }
            (b',', 1) | (b'}', 0) => {
                let value = text.get(from..at).unwrap_or_default().trim_ascii();
                // `{}` has a closing brace and no member.
                if !value.is_empty() {
                    found.push((name, value));
                }
                from = at.saturating_add(1);
            }
            (b'{', 0) => from = at.saturating_add(1),
            _ => {}
        }
        if matches!(byte, b'{' | b'[') {
            depth = depth.saturating_add(1);
        }
    }
    found
}

/// The bytes of a JSON text outside its strings, with their offsets.
struct Walk<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Walk<'t> {
    const fn new(text: &'t str) -> Self {
        Self { bytes: text.as_bytes(), at: 0 }
    }
}

impl Iterator for Walk<'_> {
    type Item = (usize, u8);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let at = self.at;
            let byte = *self.bytes.get(at)?;
            self.at = at.saturating_add(1);
            if byte != b'"' {
                return Some((at, byte));
            }
            // To behind the closing quote.
            loop {
                let rest = self.bytes.get(self.at..)?;
                let stop = self.at.saturating_add(memchr::memchr2(b'"', b'\\', rest)?);
                if self.bytes.get(stop) == Some(&b'"') {
                    self.at = stop.saturating_add(1);
                    break;
                }
                self.at = stop.saturating_add(2);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn with(text: &str, alerts: &[&str], error: Option<&str>) -> String {
        JsonRecord::of(text).with(alerts.iter().copied(), error)
    }

    #[test]
    fn alerts_and_an_error_come_behind_what_was_there() {
        for (text, alerts, error, expected) in [
            ("{}", &[][..], None, "{}"),
            ("{}", &["{\"x\":1}"], None, r#"{"firstseen_alerts":[{"x":1}]}"#),
            (
                r#"{"a":"}\\\"","b":[1]}"#,
                &["1", "2"],
                Some("code: why: \"it\""),
                r#"{"a":"}\\\"","b":[1],"firstseen_alerts":[1,2],"firstseen_error":{"code":"code","reason":"why: \"it\""}}"#,
            ),
            (
                "{ \"a\" : 1 } \n",
                &[],
                Some("x: y"),
                r#"{ "a" : 1 ,"firstseen_error":{"code":"x","reason":"y"}}"#,
            ),
        ] {
            assert_eq!(with(text, alerts, error), expected);
        }
    }

    #[test]
    fn what_another_rule_added_is_kept_and_is_no_part_of_the_event() {
        let text = r#"{"a":1,"firstseen_alerts":[{"r":1}],"firstseen_error":{"code":"1"},"b":{"firstseen_error":2}}"#;
        let record = JsonRecord::of(text);
        assert_eq!(record.event(), r#"{"a":1,"b":{"firstseen_error":2}}"#);
        assert!(record.is_marked());
        assert_eq!(
            with(text, &["{\"r\":2}"], Some("2: two")),
            r#"{"a":1,"b":{"firstseen_error":2},"firstseen_alerts":[{"r":1},{"r":2}],"firstseen_error":{"code":"1"}}"#
        );
        for (before, after) in [("[]", "[7]"), ("\"own\"", "[\"own\",7]"), ("null", "[null,7]")] {
            let text = format!("{{\"firstseen_alerts\":{before}}}");
            assert_eq!(with(&text, &["7"], None), format!("{{\"firstseen_alerts\":{after}}}"));
        }
        assert!(!JsonRecord::of(r#"{"a":"\"firstseen_alerts\":[]"}"#).is_marked());
    }

    #[test]
    fn a_name_that_is_spelled_otherwise_is_the_same() {
        for name in [
            r"firstseen\u005falerts",
            r"firstseen\u005Falerts",
            r"\u0066irstseen_alerts",
            r"\u0066\u0069rstseen_\u0061lerts",
        ] {
            let text = format!(r#"{{"{name}":[1],"a":"\u0026"}}"#);
            assert_eq!(with(&text, &["2"], None), r#"{"a":"\u0026","firstseen_alerts":[1,2]}"#);
        }
        let error = r#"{"firstseen\u005ferror":{"code":"1"}}"#;
        assert_eq!(with(error, &[], Some("2: two")), r#"{"firstseen_error":{"code":"1"}}"#);
        for other in [r"firstseen_alert", r"firstseen\u005falertsx", r"firstseen\u005galerts"] {
            let text = format!(r#"{{"{other}":[1]}}"#);
            assert!(!JsonRecord::of(&text).is_marked(), "{text}");
            assert_eq!(JsonRecord::of(&text).event(), text);
        }
    }

    #[test]
    fn a_text_that_is_no_record_becomes_one() {
        let out: Value = serde_json::from_str(&wrapped("\0\"x\u{7f}", "bad_json: no")).unwrap();
        assert_eq!(
            out,
            json!({"log": "\0\"x\u{7f}", "firstseen_error": {"code": "bad_json", "reason": "no"}})
        );
    }

    #[test]
    fn an_object_in_log_is_found_at_the_top_alone() {
        for (text, object) in [
            (r#"{"log":{"a":1}}"#, Some(r#"{"a":1}"#)),
            (r#"{"s":1, "log" : { "a" : {} } }"#, Some(r#"{ "a" : {} }"#)),
            (r#"{"log":"{}"}"#, None),
            (r#"{"a":{"log":{}}}"#, None),
            (r#"{"a":"\"log\":{}"}"#, None),
        ] {
            assert_eq!(log_object(text), object, "{text}");
        }
    }

    #[test]
    fn what_is_too_deep_becomes_a_text() {
        let text = r#"{"a":[{"b":"}]"},2],"c":{"d":[]},"e":{},"f":"\"[{"}"#;
        assert_eq!(deep_as_text(text, 3), text);
        assert_eq!(
            deep_as_text(text, 2),
            r#"{"a":["{\"b\":\"}]\"}",2],"c":{"d":"[]"},"e":{},"f":"\"[{"}"#
        );
        assert_eq!(deep_as_text("[{}]", 1), r#"["{}"]"#);
    }

    #[test]
    fn only_an_object_is_a_record() {
        let mut checker = RecordChecker::default();
        assert!(checker.check(r#"{"a":[{"Records":[1]}]}"#).is_ok());
        for text in ["", "[]", "1", "{", "{}{}", "{\"a\":nan}", "{\"a\":inf}", "{\"a\":\"\0\"}"] {
            assert!(checker.check(text).is_err(), "{text}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\\\\\"{}\\[\\],:a\u{e4}\n]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let name = prop_oneof![
                Just(ALERTS.to_owned()),
                Just(ERROR.to_owned()),
                "[\\\\\"{}\\[\\],:a]{0,6}",
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(name, inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Against serde_json's trees: nothing else changes, and the two members say all.
        #[test]
        fn only_the_two_members_change(
            record in value().prop_filter("an object", Value::is_object),
            alerts in prop::collection::vec(value().prop_map(|v| v.to_string()), 0..3),
            error in prop::option::of("[a-z\"]{1,5}: [a-z\"\u{e4}]{0,9}"),
            pretty in any::<bool>(),
        ) {
            let text = if pretty { serde_json::to_string_pretty(&record) } else { serde_json::to_string(&record) };
            let text = text.unwrap();
            let alerts: Vec<&str> = alerts.iter().map(String::as_str).collect();
            let out = with(&text, &alerts, error.as_deref());
            let mut out: Value = serde_json::from_str(&out).unwrap();
            let out = out.as_object_mut().unwrap();
            let mut record = record;
            let record = record.as_object_mut().unwrap();
            let (alerts_before, error_before) = (record.remove(ALERTS), record.remove(ERROR));
            let mut expected = match alerts_before.clone() {
                Some(Value::Array(items)) => items,
                Some(other) => vec![other],
                None => Vec::new(),
            };
            expected.extend(alerts.iter().map(|text| serde_json::from_str(text).unwrap()));
            let listed = out.remove(ALERTS);
            match expected.is_empty() && alerts_before.is_none() {
                true => prop_assert_eq!(listed, None),
                false => prop_assert_eq!(listed, Some(Value::Array(expected))),
            }
            let found = out.remove(ERROR);
            match (error_before, &error) {
                (Some(before), _) => prop_assert_eq!(found, Some(before)),
                (None, Some(error)) => {
                    let (code, reason) = error.split_once(": ").unwrap();
                    prop_assert_eq!(found, Some(json!({"code": code, "reason": reason})));
                }
                (None, None) => prop_assert_eq!(found, None),
            }
            prop_assert_eq!(&*out, &*record);
            let event: Value = serde_json::from_str(JsonRecord::of(&text).event()).unwrap();
            prop_assert_eq!(event.as_object().unwrap(), &*record);
        }
    }
}
