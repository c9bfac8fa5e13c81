//! What came of a run: the matched events on the way in, counts, alerts and faults on the way out.
//!
//! In: items of step one, outcomes of step two. Out: JSON for JavaScript. It keeps so many faults
//! and counts the rest.

use firstseen_abi::{Item, ItemKind, Keys, OutcomeKind};
use firstseen_rule::Plan;
use firstseen_session::{EventAt, EventText, Match, RoundEnd, RuleRef, TermOutcome};
use firstseen_value::quoted;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;

/// Faults that are told one by one.
const MAX_FAULTS: usize = 100;

/// A matched event.
pub(crate) struct Held {
    /// Its item, as step one wrote it.
    pub(crate) raw: Vec<u8>,
    /// Its text, shared by the rules that it matched.
    pub(crate) event: Rc<[u8]>,
    /// Its time, its identity as a number, its rule: what a file's events are ordered by.
    order: (i64, u128, u16),
    /// The line that it stands in, in a file.
    line: u64,
}

impl Held {
    pub(crate) fn order(&self) -> (i64, u128, u16) {
        self.order
    }

    /// As a round takes it, with a text of its own.
    pub(crate) fn into_match(self) -> Match {
        let (time_ms, identity, rule) = self.order;
        Match {
            rule: RuleRef { artifact: 0, rule },
            time_ms,
            identity: identity.to_be_bytes(),
            at: EventAt { line: self.line, ..EventAt::default() },
            item: self.raw,
            text: EventText::Carried(self.event.to_vec()),
        }
    }
}

struct Fault {
    text: String,
    line: u64,
}

/// What came of a run.
#[derive(Default)]
pub(crate) struct RunReport {
    pub(crate) held: Vec<Held>,
    /// The bytes of what was held.
    pub(crate) held_bytes: usize,
    pub(crate) alerts: Vec<String>,
    pub(crate) repeats: Vec<String>,
    /// The store did not answer, or others were faster: the same again may succeed.
    pub(crate) away: bool,
    read: u64,
    matched: u64,
    seen: u64,
    learned: u64,
    late: u64,
    excepted: u64,
    other_index: u64,
    bad: u64,
    missing: BTreeMap<String, u64>,
    no_events: BTreeMap<String, u64>,
    faults: Vec<Fault>,
}

impl RunReport {
    /// Takes what step one says of a buffer. `line` is that of its first byte, in a file.
    pub(crate) fn take(&mut self, keys: &Keys<'_>, buffer: &[u8], line: Option<u64>) {
        self.read += u64::from(keys.counts.read);
        self.matched += u64::from(keys.counts.matched);
        // Items stand in the order of their events: each line's end is looked for once.
        let (mut line, mut counted) = (line.unwrap_or(0), 0);
        let counts_lines = line > 0;
        let mut last: Option<(u32, Rc<[u8]>)> = None;
        for item in keys.items().flatten() {
            let offset = item.offset as usize;
            if counts_lines {
                let passed = buffer.get(counted..offset).unwrap_or_default();
                line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
                counted = counted.max(offset);
            }
            if item.kind != ItemKind::Matched {
                self.told(&item, line);
                continue;
            }
            let event = match &last {
                Some((at, event)) if *at == item.offset => Rc::clone(event),
                _ => buffer.get(offset..offset + item.len as usize).unwrap_or_default().into(),
            };
            self.held_bytes += item.raw.len() + event.len();
            let order = (item.time_ms, u128::from_be_bytes(item.identity), item.rule);
            last = Some((item.offset, Rc::clone(&event)));
            self.held.push(Held { raw: item.raw.to_vec(), event, order, line });
        }
    }

    fn told(&mut self, item: &Item<'_>, line: u64) {
        match item.kind {
            ItemKind::Missing => *self.missing.entry(item.text.to_owned()).or_default() += 1,
            ItemKind::Excepted => self.excepted += 1,
            ItemKind::OtherIndex => self.other_index += 1,
            ItemKind::NoEvents => self.no_events(item.text),
            ItemKind::Matched => {}
            ItemKind::Bad | ItemKind::Future | ItemKind::TooManyTerms => {
                self.fault(item.text.to_owned(), line);
            }
        }
    }

    pub(crate) fn no_events(&mut self, what: &str) {
        *self.no_events.entry(what.to_owned()).or_default() += 1;
    }

    /// `code: reason` of something that was not judged.
    pub(crate) fn fault(&mut self, text: String, line: u64) {
        self.bad += 1;
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault { text, line });
        }
    }

    /// Takes what became of a round's terms, in their order.
    pub(crate) fn decided(&mut self, end: RoundEnd) {
        self.away |= end.unsettled > 0;
        self.seen += end.seen;
        for TermOutcome { at, kind, text, .. } in end.outcomes {
            match kind {
                OutcomeKind::Alert => self.alerts.push(text),
                OutcomeKind::Repeat => self.repeats.push(text),
                OutcomeKind::Learned => self.learned += 1,
                OutcomeKind::LateBeyondMemory => self.late += 1,
                OutcomeKind::Error | OutcomeKind::NeedsEvent => {
                    self.fault(text, end.matches.get(at).map_or(0, |matched| matched.at.line));
                }
            }
        }
    }

    /// Matched events that come after one that the store gave no answer for.
    pub(crate) fn not_judged(&mut self, events: &[Held]) {
        if let Some(next) = events.last() {
            let text = format!(
                "store_away: {} later matches were not judged either; hand the file in again",
                events.len()
            );
            self.bad += events.len() as u64 - 1;
            self.fault(text, next.line);
        }
    }

    pub(crate) fn json(&self) -> String {
        let mut out = format!(
            "{{\"read\":{},\"matched\":{},\"seen\":{},\"learned\":{},\"late\":{},\"excepted\":{},\"other_index\":{},\
             \"bad\":{},\"retry\":{},\"missing\":{},\"no_events\":{},\"errors\":[",
            self.read,
            self.matched,
            self.seen,
            self.learned,
            self.late,
            self.excepted,
            self.other_index,
            self.bad,
            self.away,
            counts(&self.missing),
            counts(&self.no_events),
        );
        for (at, Fault { text, line }) in self.faults.iter().enumerate() {
            let (code, reason) = text.split_once(": ").unwrap_or(("error", text));
            let comma = if at > 0 { "," } else { "" };
            let (code, reason) = (quoted(code), quoted(reason));
            let _ = write!(out, "{comma}{{\"code\":{code},\"reason\":{reason},\"line\":{line}}}");
        }
        out.push_str("]}");
        out
    }
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let members = counts.iter().map(|(name, count)| format!("{}:{count}", quoted(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(","))
}

/// What the rules of a plan say of themselves, by the names of an artifact's metadata.
pub(crate) fn rules(plan: &Plan) -> String {
    let mut out = String::from("[");
    for (at, rule) in plan.rules.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(
            out,
            "{comma}{{\"id\":{},\"name\":{},\"severity\":{},\"new_terms\":{},\"window\":{},\
             \"window_ms\":{},\"fingerprint\":{},\"key_prefix\":{},\"exceptions\":{}}}",
            quoted(&rule.id),
            quoted(&rule.name),
            quoted(&rule.severity),
            list(&rule.new_terms),
            quoted(&rule.window),
            rule.window_ms,
            quoted(&rule.fingerprint()),
            quoted(&rule.key_prefix()),
            rule.exceptions.len(),
        );
    }
    out.push(']');
    out
}
