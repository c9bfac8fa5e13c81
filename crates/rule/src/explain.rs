//! Why an event matched or not, and what it would be known by.
//!
//! In: one event's text. Out: one JSON object: for each rule whether it matched, the clauses that
//! decided, the terms with their keys, the fields that are missing. It asks no state: whoever
//! holds it can say what it knows of the keys.

use crate::alert::rfc3339;
use crate::engine::{Engine, Opened};
use crate::fields::EventDoc;
use crate::identity::push_hex;
use crate::term::{self, Terms};
use firstseen_event::{EventError, Fields, Scratch};
use serde_json::{Value, json};

impl Engine {
    /// `{"rules": [{"rule_id", "rule", "matched", "decided_by": [{"clause", "field", "true",
    /// "found": [], "missing"}], "clauses": [true, ..], "time", "identity", "terms": [[..]],
    /// "keys": [], "missing": [], "excepted"?, "excepted_because"?, "excepted_until"?}]}`, or
    /// `{"error": {"code", "reason"}}`, or `{"no_events": ".."}`.
    #[must_use]
    pub fn explain(&self, event: &[u8]) -> String {
        let mut out = Value::Null;
        match std::str::from_utf8(event) {
            Err(fault) => {
                let reason = format!("not UTF-8 (at byte {})", fault.valid_up_to());
                out = json!({ "error": { "code": "bad_utf8", "reason": reason } });
            }
            Ok(text) => self.open(text, &mut Scratch::default(), 0, &mut |opened| {
                out = match opened {
                    Opened::Event(fields) => json!({ "rules": self.explain_rules(&fields) }),
                    Opened::Nothing(what) => json!({ "no_events": what }),
                    Opened::Bad(error) => error_json(&error),
                };
            }),
        }
        out.to_string()
    }

    fn explain_rules(&self, fields: &Fields<'_>) -> Vec<Value> {
        let rules = self.plan.rules.iter().zip(&self.ready);
        rules
            .map(|(rule, ready)| {
                let doc = EventDoc { fields, slots: &ready.slots };
                let explained = rule.query.explain(&doc);
                let clauses: Vec<Value> = explained
                    .decided_by
                    .iter()
                    .map(|c| {
                        json!({ "clause": c.text, "field": c.field, "true": c.truth,
                                "found": c.found, "missing": c.missing })
                    })
                    .collect();
                let mut out = json!({ "rule": rule.name, "rule_id": rule.id,
                    "matched": explained.matched, "decided_by": clauses,
                    "clauses": rule.query.truths(&doc),
                    "new_terms_fields": rule.new_terms });
                let mut set = |name: &str, value: Value| {
                    if let Some(map) = out.as_object_mut() {
                        map.insert(name.to_owned(), value);
                    }
                };
                match ready.time_ms(rule, fields) {
                    Ok(ms) => {
                        set("time", json!(rfc3339(ms)));
                        let mut hex = String::new();
                        push_hex(&mut hex, &ready.identity(fields, ms));
                        set("identity", json!(hex));
                    }
                    Err(error) => set("time_error", json!(error.reason)),
                }
                let time_ms = ready.time_ms(rule, fields).ok();
                if let Some(exception) = self.excepted(rule, ready, fields, time_ms) {
                    set("excepted", json!(exception.name));
                    if let Some(reason) = &exception.reason {
                        set("excepted_because", json!(reason));
                    }
                    if let Some(end) = exception.expires_ms {
                        set("excepted_until", json!(rfc3339(end)));
                    }
                }
                let (mut values, mut keys) = (Vec::new(), Vec::new());
                let mut missing = Vec::new();
                match term::of_event(fields, &ready.terms) {
                    Terms::Some(terms) => {
                        for term in terms {
                            keys.push(term.key(&ready.prefix));
                            values.push(serde_json::from_str(&term.json).unwrap_or(Value::Null));
                        }
                    }
                    // All of them, not only the first that `keys` names.
                    Terms::Missing(_) => {
                        for (name, slot) in rule.new_terms.iter().zip(&ready.terms) {
                            if !fields.has(slot.ask) {
                                missing.push(name.clone());
                            }
                        }
                    }
                    Terms::TooMany(count) => set("too_many_terms", json!(count)),
                    Terms::TooLong(bytes) => set("too_long_terms", json!(bytes)),
                }
                set("terms", Value::Array(values));
                set("keys", json!(keys));
                set("missing", json!(missing));
                out
            })
            .collect()
    }
}

fn error_json(error: &EventError) -> Value {
    let reason = format!("{} (at byte {})", error.reason, error.at);
    json!({ "error": { "code": error.code, "reason": reason } })
}
