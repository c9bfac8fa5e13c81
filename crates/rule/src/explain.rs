//! Why an event matched or not, and what it would be known by.
//!
//! In: one event's text. Out: one JSON object: for each rule whether it matched, the clauses that
//! decided, the terms with their keys, the missing fields. It reads no state: a caller that
//! holds it can say what it knows of the keys.

use crate::alert::rfc3339;
use crate::engine::Engine;
use crate::fields::EventDoc;
use crate::open::OpenedEvent;
use crate::plan::RulePlan;
use crate::prepared::PreparedRule;
use crate::term::{self, Terms};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_event::json::{Json, Object};
use firstseen_event::{EventFields, Scratch};
use firstseen_value::hex;

impl Engine {
    /// `{"rules": [{"rule_id", "rule", "matched", "decided_by": [{"clause", "field", "true",
    /// "found": [], "missing"}], "clauses": [true, ..], "time", "identity", "terms": [[..]],
    /// "keys": [], "missing": [], "excepted"?, "excepted_because"?, "excepted_until"?,
    /// "other_index"?}]}`, or
    /// `{"error": {"code", "reason"}}`, or `{"no_events": ".."}`.
    #[must_use]
    pub fn explain(&self, event: &[u8]) -> String {
        let mut out = Json::Null;
        match core::str::from_utf8(event) {
            Err(fault) => {
                let reason = format!("not UTF-8 (at byte {})", fault.valid_up_to());
                out = error("bad_utf8", reason);
            }
            Ok(text) => self.open(text, &mut Scratch::default(), &mut |opened| {
                out = match opened {
                    OpenedEvent::Event(fields) => {
                        Json::from([("rules", Json::List(self.explain_rules(&fields)))])
                    }
                    OpenedEvent::Nothing(what) => Json::from([("no_events", Json::from(what))]),
                    OpenedEvent::Bad(fault) => {
                        let reason = format!("{} (at byte {})", fault.reason, fault.at);
                        error(fault.code, reason)
                    }
                };
            }),
        }
        let mut text = String::new();
        out.write(&mut text);
        text
    }

    fn explain_rules(&self, fields: &EventFields<'_>) -> Vec<Json> {
        let rules = self.plan.rules.iter().zip(&self.prepared);
        rules.map(|(rule, prepared)| self.explain_rule(rule, prepared, fields)).collect()
    }

    fn explain_rule(
        &self,
        rule: &RulePlan,
        prepared: &PreparedRule,
        fields: &EventFields<'_>,
    ) -> Json {
        let doc = EventDoc { fields, slots: &prepared.slots };
        let explained = rule.query.explain(&doc);
        let clauses = explained.decided_by.into_iter().map(|c| {
            Json::from([
                ("clause", Json::from(c.text)),
                ("field", Json::from(c.field)),
                ("true", Json::from(c.truth)),
                ("found", Json::from(c.found)),
                ("missing", Json::from(c.missing)),
            ])
        });
        let mut out = Object::new();
        let mut set = |name: &str, value: Json| {
            out.insert(name.to_owned(), value);
        };
        set("rule", Json::from(&*rule.name));
        set("rule_id", Json::from(&*rule.id));
        set("matched", Json::from(explained.matched));
        set("decided_by", Json::List(clauses.collect()));
        set("clauses", Json::from(rule.query.truths(&doc)));
        set("new_terms_fields", Json::from(rule.new_terms.clone()));
        let time = prepared.time_ms(rule, fields);
        match &time {
            Ok(ms) => {
                set("time", Json::from(rfc3339(*ms)));
                set("identity", Json::from(hex(&prepared.identity(fields, *ms))));
            }
            Err(error) => set("time_error", Json::from(&*error.reason)),
        }
        if let Some(name) = prepared.other_index(fields, &self.settings.trust) {
            set("other_index", Json::from(name));
        }
        if let Some(exception) = self.excepted(rule, prepared, fields, time.ok()) {
            set("excepted", Json::from(&*exception.name));
            if let Some(reason) = &exception.reason {
                set("excepted_because", Json::from(&**reason));
            }
            if let Some(end) = exception.expires_ms {
                set("excepted_until", Json::from(rfc3339(end)));
            }
        }
        let (mut values, mut keys, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        match term::of_event(fields, &prepared.terms, self.max_term_bytes) {
            Terms::Some(terms, more) => {
                if more > 0 {
                    set("too_many_terms", Json::from(terms.len().saturating_add(more)));
                }
                for term in terms {
                    keys.push(term.key(&prepared.prefix));
                    values.push(Json::read(&term.json).unwrap_or_default());
                }
            }
            // All of them, not only the first that `keys` names.
            Terms::Missing(_) => {
                for (name, slot) in rule.new_terms.iter().zip(&prepared.terms) {
                    if !fields.has(slot.ask) {
                        missing.push(name.clone());
                    }
                }
            }
            Terms::TooLong(bytes) => set("too_long_terms", Json::from(bytes)),
        }
        set("terms", Json::List(values));
        set("keys", Json::from(keys));
        set("missing", Json::from(missing));
        Json::Object(out)
    }
}

fn error(code: &str, reason: String) -> Json {
    let error = [("code", Json::from(code)), ("reason", Json::from(reason))];
    Json::from([("error", Json::from(error))])
}
