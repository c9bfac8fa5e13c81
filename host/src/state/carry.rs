//! A rule whose window changed: its last sightings are taken over from the keys of the rule before.
//!
//! In: a state that keeps records of its prefixes, and the rules of a run. Out: the same state, which
//! answers for a rule's keys with what an older one of the same fields knew; and what there is to tell
//! before anything is decided. Nothing is copied ahead: a key is looked for under the older prefixes
//! when it is asked for. What is read there is never written.
//!
//! ```text
//! TENANT:RULE_ID:FINGERPRINT:HASH        the prefix is all up to HASH
//!                `-- of fields, window, epoch and time field: another window is another prefix
//! ```

use super::{
    Applied, OutputMark, PrefixRecord, RunChange, StateError, StateHistory, StateStore, StateWrite,
    StoredRun,
};
use crate::numbers::counted;
use firstseen_artifact::RuleMeta;
use firstseen_rule::alert::rfc3339;
use firstseen_rule::identity::of_rule;
use firstseen_rule::learn::{LearnedSpan, is_learn_key};
use firstseen_rule::state::{Approval, TermState, carried, read_whole};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

/// A rule's epoch is not in its metadata: it is found among these by its fingerprint.
const EPOCHS: u32 = 1000;
/// The length of a fingerprint, in characters.
const FINGERPRINT: usize = 16;

/// A state that reads under older prefixes too.
pub struct CarryOver<S> {
    state: S,
    rules: Vec<CarriedRule>,
    /// Values that were handed out under a key that holds another: what is there.
    handed: HashMap<Box<[u8]>, Option<Vec<u8>>>,
}

/// A rule, and where it was before.
struct CarriedRule {
    prefix: String,
    older: Vec<OlderPrefix>,
}

struct OlderPrefix {
    prefix: String,
    /// Whether the window grew since.
    grows: bool,
}

impl<S: StateStore + StateHistory> CarryOver<S> {
    /// Opens the rules' history, and records the rules where the state may be written. Returns what is
    /// to be told, a sentence for each rule that changed.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn open<'m>(
        mut state: S,
        tenant: &str,
        rules: impl IntoIterator<Item = &'m RuleMeta>,
        read_only: bool,
    ) -> Result<(Self, Vec<String>), StateError> {
        let records = state.records()?;
        let records: BTreeMap<&str, &PrefixRecord> =
            records.iter().map(|record| (record.prefix.as_str(), record)).collect();
        let mut used = records.values().map(|record| record.used).max().unwrap_or(0);
        let (mut carried, mut told, mut new_records) = (Vec::new(), Vec::new(), Vec::new());
        for rule in rules {
            let of_rule = format!("{tenant}:{}:", rule.id);
            let mut now = record_of(tenant, rule);
            let older: Vec<String> =
                state.prefixes_of(&of_rule)?.into_iter().filter(|p| *p != now.prefix).collect();
            let newest = records.values().filter(|record| record.prefix.starts_with(&of_rule));
            let newest = newest.max_by_key(|record| record.used);
            let is_newest = newest.is_some_and(|record| record.prefix == now.prefix);
            let mut taken = Vec::new();
            for prefix in older {
                let record = records.get(prefix.as_str()).copied();
                let carries = record.filter(|record| now.carries(record));
                if !is_newest {
                    told.push(change(&state, rule, &now, &prefix, record, carries.is_some())?);
                }
                taken.extend(
                    carries.map(|record| OlderPrefix {
                        prefix,
                        grows: now.window_ms > record.window_ms,
                    }),
                );
            }
            if !taken.is_empty() {
                carried.push(CarriedRule { prefix: now.prefix.clone(), older: taken });
            }
            if !is_newest {
                used += 1;
                now.used = used;
                new_records.push(now);
            } else if let Some(newest) = newest.filter(|newest| newest.name != now.name) {
                new_records.push(PrefixRecord { used: newest.used, ..now });
            }
        }
        if !read_only && !new_records.is_empty() {
            state.record(&new_records)?;
        }
        Ok((Self { state, rules: carried, handed: HashMap::new() }, told))
    }
}

impl PrefixRecord {
    /// Whether a rule takes over what another one knew: the window alone differs.
    fn carries(&self, older: &Self) -> bool {
        self.epoch.is_some()
            && self.epoch == older.epoch
            && self.fields == older.fields
            && self.time_field == older.time_field
            && self.window_ms != older.window_ms
    }
}

/// What a state keeps of a rule, `used` aside.
#[must_use]
pub fn record_of(tenant: &str, rule: &RuleMeta) -> PrefixRecord {
    let time_field = rule.event_time.clone();
    PrefixRecord {
        prefix: format!("{tenant}:{}", rule.key_prefix),
        name: Some(rule.name.clone()),
        fields: rule.new_terms.clone(),
        window_ms: rule.window_ms,
        window: rule.window.clone(),
        epoch: epoch_of(rule),
        time_field,
        used: 0,
    }
}

fn epoch_of(rule: &RuleMeta) -> Option<u32> {
    let time = rule.event_time.as_deref();
    let print = |epoch| of_rule(&rule.new_terms, rule.window_ms, epoch, time);
    (0..EPOCHS).find(|epoch| print(*epoch) == rule.fingerprint)
}

/// The fingerprint that a rule would have with another window.
#[must_use]
pub fn fingerprint_under(rule: &RuleMeta, window_ms: i64) -> Option<String> {
    let time = rule.event_time.as_deref();
    epoch_of(rule).map(|epoch| of_rule(&rule.new_terms, window_ms, epoch, time))
}

/// The prefixes of a rule that have terms. Each is found by one look: what is below it is passed over.
pub(super) fn prefixes_by_scan<S: StateHistory + ?Sized>(
    state: &S,
    of_rule: &str,
) -> Result<Vec<String>, StateError> {
    let mut found = Vec::new();
    let mut from = of_rule.as_bytes().to_vec();
    let end = after(of_rule.as_bytes());
    loop {
        let mut next = None;
        state.scan(&from, &end, &mut |key, _| {
            next = Some(key.to_vec());
            ControlFlow::Break(())
        })?;
        let Some(key) = next else { return Ok(found) };
        let length = of_rule.len() + FINGERPRINT;
        let is_print = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
        let print = key.get(of_rule.len()..length).filter(|print| is_print(print));
        match (print, key.get(length)) {
            (Some(_), Some(b':')) => {
                let prefix = key.get(..=length).unwrap_or_default();
                from = after(prefix);
                found.push(String::from_utf8_lossy(prefix).into_owned());
            }
            // The key of a rule whose id begins like this one's.
            _ => from = [&key[..], &[0]].concat(),
        }
    }
}

/// The first key behind all that begin with this prefix, which ends in `:`.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// What a changed rule has to be told about the terms under another prefix.
fn change(
    state: &impl StateHistory,
    rule: &RuleMeta,
    now: &PrefixRecord,
    prefix: &str,
    record: Option<&PrefixRecord>,
    carries: bool,
) -> Result<String, StateError> {
    let (mut count, mut since) = (0u64, i64::MAX);
    state.scan(prefix.as_bytes(), &after(prefix.as_bytes()), &mut |key, value| {
        if is_learn_key(key) {
            return ControlFlow::Continue(());
        }
        count += 1;
        if let Ok(state) = TermState::read(value)
            && let Some(episode) = state.episodes().last()
        {
            since = since.min(episode.last_ms);
        }
        ControlFlow::Continue(())
    })?;
    let terms = counted(count, "term", "terms");
    let mut text = format!("rule {}: ", rule.name);
    let Some(record) = record else {
        text += &format!(
            "the state has {terms} of it under another window or other new-terms fields, from \
             before states kept which"
        );
        return Ok(text + SET_ASIDE);
    };
    if carries {
        text += &format!(
            "its window was {} and is now {}: the last sightings of {terms} are taken over",
            record.window, now.window
        );
        if now.window_ms > record.window_ms && since != i64::MAX {
            text += &format!(
                ", which is right as far back as the state kept them, from {} on",
                rfc3339(since)
            );
        }
        return Ok(text);
    }
    let list = |fields: &[String]| fields.join(", ");
    if record.fields != now.fields {
        let (was, is) = (list(&record.fields), list(&now.fields));
        text += &format!("its new-terms fields were {was} and are now {is}");
    } else if record.time_field != now.time_field {
        text += "the field that its time is read from has changed";
    } else if record.epoch != now.epoch {
        text += "its state_epoch has changed";
    } else {
        text += "it has changed";
    }
    text += &format!("; the state has {terms} of it as it was");
    Ok(text + SET_ASIDE)
}

const SET_ASIDE: &str = ": they are set aside, and everything is new to it; run it over past events \
                         with firstseen learn first, or go back to the rule as it was";

impl<S: StateStore> CarryOver<S> {
    /// The newest of what is known of a key, where an older prefix knows more than its own.
    fn older(&mut self, key: &[u8], own: Option<&[u8]>) -> Result<Option<Vec<u8>>, StateError> {
        let Self { state, rules, .. } = self;
        let of =
            rules.iter().find_map(|rule| Some((rule, key.strip_prefix(rule.prefix.as_bytes())?)));
        let Some((rule, rest)) = of else { return Ok(None) };
        let keys: Vec<Vec<u8>> =
            rule.older.iter().map(|older| [older.prefix.as_bytes(), rest].concat()).collect();
        let values = state.get_many(&mut keys.iter().map(Vec::as_slice))?;
        if is_learn_key(key) {
            // A start is kept as it is, and the earliest counts.
            let first = |value: &Vec<u8>| Some(LearnedSpan::read(value).ok()??.first_ms);
            let older = values.into_iter().flatten().filter(|value| first(value).is_some());
            return Ok(if own.is_some() { None } else { older.min_by_key(first) });
        }
        let last = |value: &[u8]| Some(TermState::read(value).ok()?.episodes().last()?.last_ms);
        let approval = |value: &[u8]| TermState::read(value).ok()?.approval().cloned();
        // An approval alone is no sighting.
        let is_seen =
            |own: &&[u8]| TermState::read(own).map_or(true, |state| !state.episodes().is_empty());
        let mut newest = own.filter(is_seen).map(|own| last(own).unwrap_or(i64::MAX));
        let (mut found, mut approved) = (None, None);
        for (older, value) in rule.older.iter().zip(values) {
            let Some(value) = value else { continue };
            let until = |approved: &Option<(Approval, Vec<u8>)>| {
                approved.as_ref().map(|(approval, _)| approval.until_ms)
            };
            let older_approval = approval(&value).map(|approval| (approval, value.clone()));
            if until(&older_approval) > until(&approved) {
                approved = older_approval;
            }
            let last = last(&value);
            if last > newest
                && let Ok(value) = carried(&value, older.grows)
            {
                (newest, found) = (last, Some(value));
            }
        }
        // What a person said of the rule as it is now counts, else what was said of it before.
        let own_approval = own.and_then(approval);
        if own_approval.is_none()
            && found.is_none()
            && let Some((_, value)) = &approved
        {
            found = Some(own.unwrap_or(value).to_vec());
        }
        if let Some(value) = &mut found
            && let Some(approval) = own_approval.or(approved.map(|(approval, _)| approval))
            && let Ok((mut state, term)) = read_whole(value)
        {
            state.approve(approval);
            *value = state.write(term);
        }
        Ok(found)
    }
}

impl<S: StateStore> StateStore for CarryOver<S> {
    fn get_many(
        &mut self,
        keys: &mut dyn Iterator<Item = &[u8]>,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        if self.rules.is_empty() {
            return self.state.get_many(keys);
        }
        // A round reads before it writes: what was handed out before was written, or is read again.
        self.handed.clear();
        let keys: Vec<&[u8]> = keys.collect();
        let mut values = self.state.get_many(&mut keys.iter().copied())?;
        for (key, value) in keys.into_iter().zip(&mut values) {
            if let Some(carried) = self.older(key, value.as_deref())? {
                self.handed.insert(key.into(), value.replace(carried));
            }
        }
        Ok(values)
    }

    fn apply(
        &mut self,
        writes: &mut dyn Iterator<Item = StateWrite<'_>>,
    ) -> Result<Vec<Applied>, StateError> {
        let Self { state, handed, .. } = self;
        state.apply(&mut writes.map(|write| match handed.get(write.key) {
            Some(there) => StateWrite { expected: there.as_deref(), ..write },
            None => write,
        }))
    }

    fn advance(&mut self, artifact: u16, newest_event_ms: i64) {
        self.state.advance(artifact, newest_event_ms);
    }

    fn commit(&mut self) -> Result<(), StateError> {
        self.state.commit()
    }

    fn count(&self) -> Result<u64, StateError> {
        self.state.count()
    }

    fn is_empty(&self) -> Result<bool, StateError> {
        self.state.is_empty()
    }

    fn is_shared(&self) -> bool {
        self.state.is_shared()
    }

    fn describe(&self) -> String {
        self.state.describe()
    }

    fn is_durable(&self) -> bool {
        self.state.is_durable()
    }

    fn known_until(&self) -> Option<i64> {
        self.state.known_until()
    }

    fn waiting_bytes(&self) -> usize {
        self.state.waiting_bytes()
    }

    fn limit_terms(&mut self, max: u64) -> Result<(), StateError> {
        self.state.limit_terms(max)
    }

    fn take_forgotten(&mut self) -> BTreeMap<Vec<u8>, u64> {
        self.state.take_forgotten()
    }

    fn mark(&mut self, mark: OutputMark) {
        self.state.mark(mark);
    }

    fn marked(&self, path: &str) -> Result<Option<OutputMark>, StateError> {
        self.state.marked(path)
    }

    fn change_run(&mut self, run: &str, change: RunChange) {
        self.state.change_run(run, change);
    }

    fn stored_run(&self, run: &str) -> Result<StoredRun, StateError> {
        self.state.stored_run(run)
    }
}

#[cfg(test)]
mod tests;
