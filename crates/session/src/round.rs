//! The decide round: from matches to writes and outcomes, without input and output.
//!
//! In: matches of one artifact, in the order in which they count; then the answers to what it asks
//! for. Out: an outcome for every term that was not simply seen before. It asks the rule a bounded
//! number of times, whatever the store and the texts do, and it decides no settled key again.

use crate::matched::Match;
use crate::rules::{CallError, Decide};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use firstseen_abi::{Cursor, Item, OutcomeKind};
use hashbrown::HashMap;

mod decide;
mod end;
mod step;

pub use end::{RoundEnd, TermOutcome};
pub use step::{PlannedWrite, Step, WriteResult};

/// How often a key is decided before a round gives it up to faster writers.
pub const MAX_TRIES: u8 = 16;
/// Texts that one call of `decide` is given, in bytes; a single text may be longer.
const MAX_TEXTS: usize = 64 << 20;
/// Texts that are given before the rule asks for them, in bytes.
const EXPECTED_TEXTS: usize = 8 << 20;

/// What is said of a term whose key is closed, see [`Round::close`]: it begins with its code.
pub const KEY_CLOSED: &str = "key_closed: an earlier sighting of the term could not be read again";

/// Matches being decided together.
#[derive(Debug)]
pub struct Round {
    matches: Vec<Match>,
    /// For each match, its texts and fate.
    items: Vec<RoundItem>,
    /// The keys of all terms, match by match.
    term_keys: Vec<u32>,
    /// What was decided for each of them.
    outcomes: Vec<Option<(OutcomeKind, String)>>,
    keys: Vec<RoundKey>,
    stage: Stage,
    tries: u8,
    /// The keys, or the matches, that the caller was asked for last.
    asked: Vec<u32>,
    /// A fault of the matches themselves, for the first step.
    broken: Option<CallError>,
    /// Texts are given where they are likely to be asked for.
    expects_texts: bool,
}

#[derive(Debug, Default)]
struct RoundItem {
    /// Where its terms begin and end in `term_keys`.
    terms: (u32, u32),
    /// The last of them is the key of the start of its learning.
    learns: bool,
    /// A text that was fetched.
    fetched: Option<Vec<u8>>,
    /// The rule wants its text.
    wanted: bool,
    /// Why there is no text. Such a match is decided as if it had not been read.
    lost: Option<String>,
}

#[derive(Debug)]
struct RoundKey {
    /// A match whose item holds the key, and where.
    at: (u32, u32, u16),
    /// The value, where it is known.
    value: Option<Option<Box<[u8]>>>,
    /// What the last decision wants as the value, and for how long.
    next: Option<(Box<[u8]>, i64)>,
    open: bool,
    /// `code: reason` where it could not be settled.
    failed: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Read,
    Decide,
    Text,
    Write,
    Done,
}

impl Round {
    /// A round over these matches, all of one artifact.
    #[must_use]
    pub fn new(matches: Vec<Match>) -> Self {
        let mut round = Self {
            matches: Vec::new(),
            items: Vec::with_capacity(matches.len()),
            term_keys: Vec::with_capacity(matches.len()),
            outcomes: Vec::new(),
            keys: Vec::new(),
            stage: Stage::Read,
            tries: 0,
            asked: Vec::new(),
            broken: None,
            expects_texts: false,
        };
        let mut known: HashMap<&[u8], u32> = HashMap::with_capacity(matches.len());
        for (index, matched) in (0u32..).zip(&matches) {
            let (begin, mut learns) = (round.term_keys.len() as u32, false);
            match Item::read(&mut Cursor::new(&matched.item)) {
                Ok(item) => {
                    for term in item.keys() {
                        // What `Item::start` says of the last: asked for, all would be read once more.
                        learns = !term.values.starts_with('[');
                        let at = *known.entry(term.key).or_insert_with(|| {
                            round.keys.push(RoundKey::new(index, &matched.item, term.key));
                            (round.keys.len() as u32).saturating_sub(1)
                        });
                        round.term_keys.push(at);
                    }
                }
                Err(fault) => round.broken = Some(CallError::Contract(fault.to_string())),
            }
            let terms = (begin, round.term_keys.len() as u32);
            round.items.push(RoundItem { terms, learns, ..RoundItem::default() });
        }
        drop(known);
        round.outcomes = vec![None; round.term_keys.len()];
        round.matches = matches;
        round.ask_keys();
        round
    }

    /// Has the texts handed over with the first question where a key has no value yet: such a term mostly
    /// alerts, and the rule would ask for its text in a question more. The outcomes are the same. Before the
    /// first step; not where terms are learned, as their texts are not needed.
    pub fn expect_texts(&mut self) {
        self.expects_texts = true;
    }

    /// Closes keys before the first step: they are neither read nor written, and their terms do not
    /// alert.
    pub fn close(&mut self, is_closed: impl Fn(&[u8]) -> bool) {
        for at in 0..self.keys.len() {
            if is_closed(self.key(at))
                && let Some(key) = self.keys.get_mut(at)
            {
                key.fail(KEY_CLOSED);
            }
        }
        self.ask_keys();
    }

    /// Goes on until the caller is needed.
    ///
    /// # Errors
    /// [`CallError`] where the rule failed and nothing was written: [`Round::into_matches`] gives the
    /// matches back, to be tried in smaller rounds. After a write a failing rule is an outcome.
    pub fn step(&mut self, rules: &mut dyn Decide) -> Result<Step, CallError> {
        if self.stage == Stage::Read && self.tries == 0 {
            if let Some(fault) = self.broken.take() {
                return Err(fault);
            }
            if let Some(key) = (0..self.keys.len()).find(|at| !rules.owns(self.key(*at))) {
                let key = String::from_utf8_lossy(self.key(key)).into_owned();
                let what = format!("a key outside the rule's own prefix: {}", key.escape_debug());
                return Err(CallError::Contract(what));
            }
        }
        loop {
            match self.stage {
                Stage::Read => {
                    if !self.asked.is_empty() {
                        return Ok(Step::Read);
                    }
                    self.stage = Stage::Decide;
                }
                Stage::Decide if core::mem::take(&mut self.expects_texts) => {
                    self.mark_expected();
                    self.ask_texts();
                }
                Stage::Decide => match self.decide(rules) {
                    Ok(()) => {}
                    Err(error) if self.tries == 0 => return Err(error),
                    Err(error) => {
                        // What was written stays; what is still open ends here.
                        let text = error.coded();
                        self.keys.iter_mut().filter(|key| key.open).for_each(|k| k.fail(&text));
                        self.stage = Stage::Done;
                    }
                },
                Stage::Text => return Ok(Step::Text),
                Stage::Write => return Ok(Step::Write),
                Stage::Done => return Ok(Step::Done),
            }
        }
    }

    /// The keys whose values are needed. At the start of a round and after [`Round::written`] they
    /// are known without a step; [`Round::step`] still comes before [`Round::values`].
    pub fn keys_to_read(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let asked = if self.stage == Stage::Read { self.asked.as_slice() } else { &[] };
        asked.iter().map(|at| self.key(*at as usize))
    }

    /// Takes the values of [`Round::keys_to_read`], in their order; `Err` is `code: reason`. Where
    /// no values are needed, they are ignored.
    pub fn values(&mut self, values: impl IntoIterator<Item = Result<Option<Vec<u8>>, String>>) {
        if self.stage != Stage::Read {
            return;
        }
        for (at, value) in core::mem::take(&mut self.asked).into_iter().zip(values) {
            let Some(key) = self.keys.get_mut(at as usize) else { continue };
            match value {
                Ok(value) => key.value = Some(value.map(Vec::into_boxed_slice)),
                Err(reason) => key.fail(&reason),
            }
        }
        self.fail_without_start();
        self.stage = Stage::Decide;
    }

    /// The matches whose texts are needed.
    pub fn texts_to_fetch(&self) -> impl Iterator<Item = &Match> {
        let asked = if self.stage == Stage::Text { self.asked.as_slice() } else { &[] };
        asked.iter().filter_map(|at| self.matches.get(*at as usize))
    }

    /// Takes the texts of [`Round::texts_to_fetch`], in their order; `Err` says why there is none.
    pub fn texts(&mut self, texts: impl IntoIterator<Item = Result<Vec<u8>, String>>) {
        for (at, text) in core::mem::take(&mut self.asked).into_iter().zip(texts) {
            let Some(item) = self.items.get_mut(at as usize) else { continue };
            match text {
                Ok(text) => item.fetched = Some(text),
                Err(reason) => {
                    item.lost = Some(reason);
                    // A later sighting is not the first.
                    for at in terms_of(&self.term_keys, item.own_terms()) {
                        if let Some(key) = self.keys.get_mut(*at as usize) {
                            key.fail(KEY_CLOSED);
                        }
                    }
                }
            }
        }
        self.ask_texts();
    }

    /// The writes that the decisions rest on.
    pub fn writes(&self) -> impl ExactSizeIterator<Item = PlannedWrite<'_>> {
        let asked = if self.stage == Stage::Write { self.asked.as_slice() } else { &[] };
        asked.iter().map(|at| {
            let key = self.keys.get(*at as usize);
            let next = key.and_then(|key| key.next.as_ref());
            PlannedWrite {
                key: self.key(*at as usize),
                expected: key.and_then(|key| key.value.as_ref()).and_then(|v| v.as_deref()),
                value: next.map(|next| &*next.0).unwrap_or_default(),
                ttl_ms: next.map_or(0, |next| next.1),
            }
        })
    }

    /// Takes the results of [`Round::writes`], in their order. Where nothing is to be written, they
    /// are ignored.
    pub fn written(&mut self, results: impl IntoIterator<Item = WriteResult>) {
        if self.stage != Stage::Write {
            return;
        }
        self.tries = self.tries.saturating_add(1);
        let mut conflicts = false;
        for (at, result) in core::mem::take(&mut self.asked).into_iter().zip(results) {
            let Some(key) = self.keys.get_mut(at as usize) else { continue };
            let next = key.next.take();
            match result {
                WriteResult::Done => {
                    key.open = false;
                    key.value = next.map(|next| Some(next.0));
                    continue;
                }
                WriteResult::Failed(reason) => key.fail(&reason),
                WriteResult::Conflict(_) | WriteResult::ConflictUnread
                    if self.tries >= MAX_TRIES =>
                {
                    key.fail(&format!(
                        "conflict: other writers were faster {MAX_TRIES} times; hand it in again"
                    ));
                }
                WriteResult::Conflict(current) => {
                    key.value = Some(current.map(Vec::into_boxed_slice));
                }
                WriteResult::ConflictUnread => key.value = None,
            }
            conflicts = true;
        }
        if conflicts {
            for (outcome, key) in self.outcomes.iter_mut().zip(&self.term_keys) {
                if self.keys.get(*key as usize).is_some_and(|k| k.open || k.failed.is_some()) {
                    *outcome = None;
                }
            }
        }
        let open = self.keys.iter().any(|key| key.open);
        self.stage = if open { Stage::Read } else { Stage::Done };
        self.ask_keys();
    }

    /// Whether nothing is left to do: [`Round::step`] would say [`Step::Done`].
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// The matches again, where the rule failed before anything was written.
    #[must_use]
    pub fn into_matches(self) -> Vec<Match> {
        self.matches
    }

    /// Without the start of learning nothing is known of a term: it may be learned, or alert.
    fn fail_without_start(&mut self) {
        for item in self.items.iter().filter(|item| item.learns) {
            let start = self.term_keys.get((item.terms.1 as usize).saturating_sub(1));
            let start = start.and_then(|at| self.keys.get(*at as usize));
            let failed = start.filter(|key| key.value.is_none()).and_then(|key| key.failed.clone());
            let Some(reason) = failed else { continue };
            for at in terms_of(&self.term_keys, item.own_terms()) {
                if let Some(key) = self.keys.get_mut(*at as usize).filter(|key| key.open) {
                    key.fail(&reason);
                }
            }
        }
    }

    /// Asks for the values of open keys that are not known.
    fn ask_keys(&mut self) {
        let unknown = |(_, key): &(u32, &RoundKey)| key.open && key.value.is_none();
        self.asked = (0u32..).zip(&self.keys).filter(unknown).map(|(at, _)| at).collect();
    }

    fn key(&self, at: usize) -> &[u8] {
        let Some(key) = self.keys.get(at) else { return &[] };
        let (item, start, len) = key.at;
        let item = self.matches.get(item as usize).map_or(&[][..], |matched| &matched.item);
        item.get(start as usize..(start as usize).saturating_add(usize::from(len)))
            .unwrap_or_default()
    }

    fn is_open(&self, item: &RoundItem) -> bool {
        let mut keys = terms_of(&self.term_keys, item.terms).iter();
        keys.any(|at| self.keys.get(*at as usize).is_some_and(|key| key.open))
    }
}

impl RoundItem {
    /// Where its terms are, without the start of learning.
    fn own_terms(&self) -> (u32, u32) {
        (self.terms.0, self.terms.1.saturating_sub(u32::from(self.learns)))
    }
}

impl RoundKey {
    fn new(index: u32, item: &[u8], key: &[u8]) -> Self {
        // The key is a part of the item: its place is the difference of their addresses.
        let start = (key.as_ptr() as usize).saturating_sub(item.as_ptr() as usize);
        let at = (index, start as u32, key.len() as u16);
        Self { at, value: None, next: None, open: true, failed: None }
    }

    fn fail(&mut self, reason: &str) {
        (self.open, self.next, self.failed) = (false, None, Some(reason.to_owned()));
    }
}

fn terms_of(term_keys: &[u32], (begin, end): (u32, u32)) -> &[u32] {
    term_keys.get(begin as usize..end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests;
