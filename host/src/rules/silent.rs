//! Why a rule matched nothing, and why an exception took nothing out.
//!
//! In: a sample of the events that a rule might have matched, and what the rule says of each. Out: a
//! sentence: no event holds a word that it needs, no event has a field, or which clause fails. It says
//! of how many events it speaks.

use super::sample::EventSample;
use crate::numbers::{counted, number};
use firstseen_artifact::RuleMeta;
use firstseen_rule::probe::EventProbe;
use firstseen_session::Rules;
use serde::Deserialize;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Words of a clause that are named.
const SHOWN_WORDS: usize = 4;

/// How often a clause kept a rule from matching.
#[derive(Default)]
struct FailingClause {
    field: String,
    events: u64,
    /// Of them, events without the field.
    without: u64,
}

/// The clauses that kept a rule from matching, by their text.
type FailingClauses = BTreeMap<String, FailingClause>;

/// Of what a module explains of an event, what is needed here; without rules where it holds no event.
#[derive(Deserialize)]
struct ExplainedEvent<'a> {
    #[serde(borrow, default)]
    rules: Vec<ExplainedRule<'a>>,
}

/// Why a rule matched or not.
#[derive(Deserialize)]
struct ExplainedRule<'a> {
    #[serde(borrow, default)]
    decided_by: Vec<DecidingClause<'a>>,
}

/// A clause of a rule's query.
#[derive(Deserialize)]
struct DecidingClause<'a> {
    #[serde(borrow, default)]
    clause: Cow<'a, str>,
    #[serde(borrow, default)]
    field: Cow<'a, str>,
    #[serde(default)]
    missing: bool,
}

/// Why each of these rules of an artifact, given with its place there, matched none of the events that passed the
/// prefilter. Each event is explained once, whatever the number of rules.
#[must_use]
pub fn reasons(
    silent: &[(&RuleMeta, u16)],
    rules: &mut dyn Rules,
    passed: &EventSample,
) -> Vec<String> {
    if passed.count == 0 {
        return silent.iter().map(|(meta, _)| without_literals(meta)).collect();
    }
    let mut failing: Vec<FailingClauses> = silent.iter().map(|_| BTreeMap::new()).collect();
    for event in passed.kept() {
        let Ok(said) = rules.explain(event) else { continue };
        let Ok(said) = serde_json::from_slice::<ExplainedEvent<'_>>(&said) else { continue };
        for ((_, place), failing) in silent.iter().zip(&mut failing) {
            if let Some(rule) = said.rules.get(usize::from(*place)) {
                add_deciding(failing, rule);
            }
        }
    }
    failing.iter().map(|failing| reason(failing, passed)).collect()
}

/// Why no event passed the prefilter of a rule.
fn without_literals(meta: &RuleMeta) -> String {
    match meta.literals.as_slice() {
        [] => "no event was read".to_owned(),
        [words] => format!("no event holds {}", listed(words)),
        clauses => {
            let one_of = |words: &Vec<String>| match words.as_slice() {
                [word] => readable(word).into_owned(),
                words => format!("one of {}", listed(words)),
            };
            let clauses: Vec<_> = clauses.iter().map(one_of).collect();
            let all = if clauses.len() == 2 { "both" } else { "all of" };
            format!("no event holds {all} {}", clauses.join(" and "))
        }
    }
}

/// Adds the clauses that decided that an event does not match a rule.
fn add_deciding(failing: &mut FailingClauses, rule: &ExplainedRule<'_>) {
    for clause in &rule.decided_by {
        if !failing.contains_key(&*clause.clause) {
            let new = FailingClause { field: clause.field.to_string(), ..Default::default() };
            failing.insert(clause.clause.to_string(), new);
        }
        if let Some(entry) = failing.get_mut(&*clause.clause) {
            entry.events += 1;
            entry.without += u64::from(clause.missing);
        }
    }
}

fn reason(failing: &FailingClauses, passed: &EventSample) -> String {
    let always = failing.values().filter(|clause| clause.without == clause.events);
    let fields: Vec<&str> = always.map(|clause| clause.field.as_str()).collect();
    if let Some(absent) = absent(&fields, passed) {
        return absent;
    }
    let mut clauses: Vec<_> = failing.iter().collect();
    clauses.sort_by_key(|(_, clause)| Reverse(clause.events));
    let of = passed.kept().len() as u64;
    let parts = clauses
        .iter()
        .take(2)
        .map(|(text, clause)| format!("{text} fails in {}", number(clause.events)));
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() {
        return "the events that it might have matched could not be read".to_owned();
    }
    let which = if passed.is_whole() { "" } else { " looked at" };
    format!("{} of {}{which}", parts.join(", "), counted(of, "event", "events"))
}

/// That no event of a sample has one of these fields.
#[must_use]
pub fn absent(fields: &[&str], events: &EventSample) -> Option<String> {
    let mut probe = EventProbe::new(fields);
    let mut has = vec![false; fields.len()];
    for found in events.kept().filter_map(|event| probe.look(event)) {
        for (has, values) in has.iter_mut().zip(&found.values) {
            *has |= !values.is_empty();
        }
    }
    let mut absent: Vec<&str> =
        fields.iter().zip(has).filter(|(_, has)| !has).map(|(field, _)| *field).collect();
    absent.sort_unstable();
    absent.dedup();
    if absent.is_empty() || events.kept().len() == 0 {
        return None;
    }
    let fields = absent.join(" or ");
    Some(match (events.is_whole(), events.kept().len()) {
        (true, 1) => format!("the one event that it might concern has no {fields}"),
        (true, all) => {
            let all = number(all as u64);
            format!("none of the {all} events that it might concern has {fields}")
        }
        (false, some) => {
            let (some, of) = (counted(some as u64, "event", "events"), number(events.count));
            format!("none of {some} looked at, of {of}, has {fields}")
        }
    })
}

/// `a, b or c`.
fn listed(words: &[String]) -> String {
    let shown = words.iter().take(SHOWN_WORDS);
    let shown: Vec<Cow<'_, str>> = shown.map(|word| readable(word)).collect();
    let mut shown: Vec<&str> = shown.iter().map(|word| &**word).collect();
    let more = format!("{} more", number(words.len().saturating_sub(SHOWN_WORDS) as u64));
    if words.len() > SHOWN_WORDS {
        shown.push(&more);
    }
    match shown.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// A word as a reader finds its ends.
fn readable(word: &str) -> Cow<'_, str> {
    if word.trim() == word { Cow::Borrowed(word) } else { Cow::Owned(format!("{word:?}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_abi::RequestWriter;
    use firstseen_rule::source::{self, ReadOptions};
    use firstseen_rule::{Engine, Plan, Settings};
    use firstseen_session::{CallError, Decide};
    use serde_json::{Value, json};

    /// A rule as the engine explains it, without a module, and how often it was asked.
    struct Native(Engine, usize);

    impl Decide for Native {
        fn decide(&mut self, _: &RequestWriter) -> Result<Vec<u8>, CallError> {
            Err(CallError::Deadline)
        }

        fn owns(&self, _: &[u8]) -> bool {
            true
        }
    }

    impl Rules for Native {
        fn keys(&mut self, _: &[u8], _: &[(u32, u32)], _: i64) -> Result<Vec<u8>, CallError> {
            Err(CallError::Deadline)
        }

        fn explain(&mut self, event: &[u8]) -> Result<Vec<u8>, CallError> {
            self.1 += 1;
            Ok(self.0.explain(event).into_bytes())
        }

        fn configure(&mut self, _: &str) -> Result<(), String> {
            Ok(())
        }

        fn take_log(&mut self) -> Vec<(i32, String)> {
            Vec::new()
        }
    }

    fn why(query: &str, literals: &[&[&str]], events: &[Value]) -> String {
        let text = format!(
            "[rule]\nrule_id='r'\nname='r'\ntype='new_terms'\nseverity='low'\nrisk_score=1\n\
             query='''{query}'''\n[rule.new_terms]\nfield='new_terms_fields'\nvalue=['user.name']\n\
             [[rule.new_terms.history_window_start]]\nfield='history_window_start'\nvalue='now-1d'\n"
        );
        let rule = source::read(&text, &ReadOptions::default()).unwrap();
        let engine = Engine::new(Plan { rules: vec![rule.plan] }, Settings::default());
        let mut rules = Native(engine, 0);
        let clause = |clause: &&[&str]| clause.iter().map(|word| (*word).to_owned()).collect();
        let literals = literals.iter().map(clause).collect();
        let meta = RuleMeta { literals, ..RuleMeta::default() };
        let mut sample = EventSample::of(3);
        for (offset, event) in (0..).zip(events) {
            let at = firstseen_session::EventAt { offset, ..Default::default() };
            sample.offer(&at, event.to_string().as_bytes());
        }
        // Two rules are explained by the same calls.
        let silent = [(&meta, 0), (&meta, 1)];
        let reasons = reasons(&silent, &mut rules, &sample);
        assert_eq!(rules.1, if sample.count == 0 { 0 } else { sample.kept().len() });
        let [first, _] = reasons.try_into().unwrap();
        first
    }

    #[test]
    fn a_silent_rule_says_which_word_field_or_clause_it_lacks() {
        let event = |action: &str| json!({ "@timestamp": "2025-04-01T08:00:00Z", "event": { "action": action } });
        assert_eq!(why("*", &[], &[]), "no event was read");
        assert_eq!(why("*", &[&["A", "B", "C"]], &[]), "no event holds A, B or C");
        let many: &[&str] = &["A", "B", "C", "D", "E", "F"];
        assert_eq!(
            why("*", &[&["X"], many], &[]),
            "no event holds both X and one of A, B, C, D or 2 more"
        );
        assert_eq!(
            why("*", &[&["X"], &["aws-cli "], &[" md/", "z"]], &[]),
            "no event holds all of X and \"aws-cli \" and one of \" md/\" or z"
        );
        let query = "event.action: A and usr.name: bob";
        assert_eq!(
            why(query, &[], &[event("A"), event("B")]),
            "none of the 2 events that it might concern has usr.name"
        );
        let all: Vec<_> = (0..9).map(|_| event("A")).collect();
        assert_eq!(why(query, &[], &all), "none of 3 events looked at, of 9, has usr.name");
        assert_eq!(
            why("event.acton: A", &[], &all[..1]),
            "the one event that it might concern has no event.acton"
        );
        assert_eq!(
            why("event.action: C", &[], &[event("A"), event("B")]),
            "event.action: C fails in 2 of 2 events"
        );
    }
}
