//! One rule of an artifact with the indexes of its fields among the field requests of all rules.
//!
//! In: a planned rule, settings, the requests so far. Out: the rule as the engine evaluates it, and
//! an event's time and identity as this rule reads them. It never calls a store.

use crate::alert::AlertTemplate;
use crate::fields::{FieldRequests, FieldSlot};
use crate::identity;
use crate::index_patterns::IndexPatterns;
use crate::learn::LearnPlan;
use crate::plan::RulePlan;
use crate::settings::{AlertRuleText, Settings};
use crate::term::{TermField, TermKind};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_event::{EventError, EventFields, FieldRequest, StatedIndex, Trust, TrustKind};
use firstseen_value::{Value, parse_time_ms};
use once_cell::race::OnceBox;

/// The longest name of an index that is shown, in bytes: no index has a longer one.
const MAX_NAME: usize = 255;

/// One rule with the indexes of its fields.
#[derive(Debug)]
pub(crate) struct PreparedRule {
    /// Of the query's fields.
    pub(crate) slots: Vec<FieldSlot>,
    /// Of the new-terms fields.
    pub(crate) terms: Vec<TermField>,
    /// Of each of the rule's own exceptions.
    pub(crate) exceptions: Vec<Vec<FieldSlot>>,
    /// The settings' exceptions that are for this rule, by index.
    pub(crate) added: Vec<usize>,
    /// The indices that it is about; none, where all are.
    indices: IndexPatterns,
    /// The request for the field that the time is read from, where that is not `@timestamp`.
    time: Option<usize>,
    /// How long a term is known.
    pub(crate) window_ms: i64,
    /// The same as it is written.
    pub(crate) window: String,
    /// How it learns, if it does.
    pub(crate) learn: Option<LearnPlan>,
    pub(crate) fingerprint: String,
    /// `TENANT:RULE_ID:FINGERPRINT:`.
    pub(crate) prefix: String,
    rule_text: AlertRuleText,
    /// Made with the first alert.
    template: OnceBox<Result<AlertTemplate, String>>,
}

impl PreparedRule {
    /// Prepares a rule; the fields that it needs are added to the requests.
    pub(crate) fn new(rule: &RulePlan, settings: &Settings, asks: &mut FieldRequests) -> Self {
        let slots = asks.slots(rule.query.fields());
        let terms = rule.new_terms.iter().map(|name| TermField {
            ask: asks.place(FieldRequest::Values(name.clone())),
            kind: TermKind::of(name),
        });
        let terms = terms.collect();
        let exceptions = rule.exceptions.iter().map(|e| asks.slots(e.query.fields())).collect();
        let all = settings.exceptions.iter().enumerate();
        let added = all.filter(|(_, e)| e.is_for(&rule.id)).map(|(place, _)| place).collect();
        let time = rule.event_time.as_ref();
        let time = time.map(|time| asks.place(FieldRequest::Values(time.field.clone())));
        let (window_ms, window) = match &settings.forget_after {
            Some(length) => (length.ms, &length.text),
            None => (rule.window_ms, &rule.window),
        };
        let fingerprint = rule.fingerprint_of(window_ms);
        let prefix = format!("{}:{}:{fingerprint}:", settings.tenant, rule.id);
        let for_ms = settings.learn_for_ms.unwrap_or(rule.learn_for_ms);
        let events = i64::from(settings.learn_events.unwrap_or(rule.learn_events));
        let learn = (for_ms > 0 || events > 0).then(|| {
            let by = settings.learn_by.as_ref().or(rule.learn_by.as_ref());
            let by = by.map(|name| TermField {
                ask: asks.place(FieldRequest::Values(name.clone())),
                kind: TermKind::of(name),
            });
            LearnPlan { for_ms, events, by }
        });
        let window = window.to_owned();
        let patterns = if settings.any_index { &[][..] } else { &rule.indices };
        let indices = IndexPatterns::new(patterns);
        Self {
            slots,
            terms,
            exceptions,
            added,
            indices,
            time,
            window_ms,
            window,
            learn,
            fingerprint,
            prefix,
            rule_text: settings.rule_text,
            template: OnceBox::new(),
        }
    }

    /// What the rule gives its alerts; `rule` is the one that this was made of.
    pub(crate) fn alert_template(&self, rule: &RulePlan) -> Result<&AlertTemplate, String> {
        let template =
            self.template.get_or_init(|| Box::new(AlertTemplate::new(rule, self.rule_text)));
        template.as_ref().map_err(Clone::clone)
    }

    /// The name of the index that the document names, where the rule is not about it. An index or a
    /// dataset that a host trusts by name is as good as one of the rule's.
    pub(crate) fn other_index(&self, fields: &EventFields<'_>, trust: &Trust) -> Option<String> {
        if self.indices.is_empty() {
            return None;
        }
        let is_trusted = |StatedIndex { name, is_stream }: &StatedIndex| match is_stream {
            true => trust.names(TrustKind::Dataset, name.split('-').nth(1).unwrap_or_default()),
            false => trust.names(TrustKind::Index, name),
        };
        let index = fields.stated_index().filter(|index| !self.indices.cover(index))?;
        if is_trusted(&index) {
            return None;
        }
        let mut name = index.name;
        name.truncate(name.floor_char_boundary(MAX_NAME));
        Some(name)
    }

    /// The event's time, as the rule reads it.
    pub(crate) fn time_ms(
        &self,
        rule: &RulePlan,
        fields: &EventFields<'_>,
    ) -> Result<i64, EventError> {
        let (Some(ask), Some(time)) = (self.time, &rule.event_time) else {
            return fields.time_ms();
        };
        let fault = |code, reason| EventError { code, reason, at: 0 };
        let mut texts = fields.values(ask).map(Value::into_text);
        match texts.find(|text| !text.trim().is_empty()) {
            Some(text) => parse_time_ms(&text).ok_or_else(|| {
                let text: String = text.chars().take(40).collect();
                let name = &time.field;
                fault("bad_time", format!("{name} is {text:?}: neither RFC 3339 nor milliseconds"))
            }),
            None if time.fallback => fields.time_ms(),
            None => Err(fault("no_time", format!("the event has no {}", time.field))),
        }
    }

    /// The event's name. It is the same whichever field a rule takes for the time, as long as the
    /// event has an `@timestamp`.
    pub(crate) fn identity(&self, fields: &EventFields<'_>, time_ms: i64) -> [u8; 16] {
        let time_ms = self.time.and_then(|_| fields.time_ms().ok()).unwrap_or(time_ms);
        let asks = self.slots.iter().map(FieldSlot::ask).chain(self.terms.iter().map(|t| t.ask));
        identity::of_event(fields, time_ms, asks)
    }
}
