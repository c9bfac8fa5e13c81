//! Whether a text is an alert of a rule, read as a whole.
//!
//! In: a text that a guest gave, and the id of its rule. Out: whether it is one line that is a JSON object and names this
//! rule, wherever it names one. It keeps nothing of it.

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The member of an alert that names its rule.
const RULE_ID: &str = "kibana.alert.rule.rule_id";

/// Whether the text is an alert of the rule with this id.
pub(crate) fn is_alert_of(id: &str, text: &str) -> bool {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(OfRule(id)).and_then(|is_of_rule| {
        json.end()?;
        Ok(is_of_rule)
    });
    !text.contains('\n') && read.unwrap_or(false)
}

/// Reads an object; whether it names the rule of this id, and no other.
struct OfRule<'i>(&'i str);

impl<'de> Visitor<'de> for OfRule<'_> {
    type Value = bool;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an alert")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        let (mut is_named, mut is_other) = (false, false);
        while let Some(name) = members.next_key::<MemberName<'de>>()? {
            if name.0 != RULE_ID {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            // Who reads the alert may take the first of several, or the last.
            let id = members.next_value::<serde_json::Value>()?;
            is_named = true;
            is_other |= id != self.0;
        }
        Ok(is_named && !is_other)
    }
}

/// A member's name, borrowed where it is written without escapes.
#[derive(serde::Deserialize)]
struct MemberName<'n>(#[serde(borrow)] Cow<'n, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_an_object_that_names_its_rule() {
        let deep = |depth: usize| {
            let inside = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
            format!(r#"{{"kibana.alert.rule.rule_id":"r","a":{inside}}}"#)
        };
        for (text, is_alert) in [
            (r#"{"kibana.alert.rule.rule_id":"r"}"#, true),
            (r#" {"a":[{}], "kibana.alert.rule.rule_id" : "r", "b":{"c":null}} "#, true),
            // However it is written.
            (r#"{"kibana.alert.rule.rule_i\u0064":"\u0072"}"#, true),
            (r#"{"kibana.alert.rule.rule_id":"r","kibana.alert.rule.rule_id":"r"}"#, true),
            (r#"{"kibana.alert.rule.rule_id":"r","kibana.alert.rule.rule_id":"s"}"#, false),
            (r#"{"kibana.alert.rule.rule_id":"s","kibana.alert.rule.rule_id":"r"}"#, false),
            (r#"{"kibana.alert.rule.rule_id":"s"}"#, false),
            (r#"{"kibana.alert.rule.rule_id":["r"]}"#, false),
            (r#"{"kibana.alert.rule.name":"r"}"#, false),
            (r#"{"a":{"kibana.alert.rule.rule_id":"r"}}"#, false),
            (r#"[{"kibana.alert.rule.rule_id":"r"}]"#, false),
            (r#""kibana.alert.rule.rule_id""#, false),
            ("{}", false),
            ("", false),
            (r#"{"kibana.alert.rule.rule_id":"r"} {}"#, false),
            (r#"{"kibana.alert.rule.rule_id":"r"},"#, false),
            (r#"{"kibana.alert.rule.rule_id":"r""#, false),
            (r#"{"kibana.alert.rule.rule_id":"r","a":}"#, false),
            (r#"{"kibana.alert.rule.rule_id":"r","a":[}]}"#, false),
            ("{\"kibana.alert.rule.rule_id\":\"r\"\n}", false),
            ("{\"kibana.alert.rule.rule_id\":\"r\"}\n", false),
            // As deep as an event may be, and deeper.
            (&deep(127), true),
            (&deep(300), true),
        ] {
            assert_eq!(is_alert_of("r", text), is_alert, "{text}");
        }
    }
}
