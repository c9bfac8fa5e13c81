//! A state at a server as a person looks at it and corrects it, while runs use it.
//!
//! In: ranges of keys, one change. Out: terms and the log. A change is made in one step inside the server, with its
//! entry in the log, or not at all where a run was quicker with one of its terms; one of more than
//! [`STEP`] terms is made in several, each of them whole, and once more changes nothing that is done.

use super::keys::tag_of;
use super::nodes::ServerCommand;
use super::{LONGEST_MS, RedisState, StoredRow, row_of, script};
use crate::state::admin::{AuditEntry, EachStored, EditWork, StateAdmin, StateEdit, StoredTerm};
use crate::state::{PrefixOwner, PrefixRecord, StateError, StateHistory, VerifiedState};
use firstseen_rule::learn::{LEARN_TTL_MS, is_learn_key};
use firstseen_rule::state::time_to_live_ms;
use redis::{Cmd, Script, Value, cmd};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Terms that are changed in one step.
const STEP: usize = 1000;

impl StateAdmin for RedisState {
    fn each_term(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        each: &mut EachStored<'_>,
    ) -> Result<(), StateError> {
        self.each_row(from, to, &mut |key, expires_ms, value| {
            each(StoredTerm { key, value, expires_ms }).is_continue()
        })
    }

    fn stored(&self, key: &[u8]) -> Result<Option<(Vec<u8>, i64)>, StateError> {
        let row = self.rows_of(&[key])?.pop().flatten();
        Ok(row.map(|(expires_ms, value)| (value, expires_ms)))
    }

    fn edit(&mut self, work: &mut EditWork<'_>) -> anyhow::Result<()> {
        if self.read_only {
            return Err(self.read_only().into());
        }
        let records = self.records()?;
        let windows = records.into_iter().map(|record| (record.prefix, record.window_ms)).collect();
        let mut edit = RedisEdit {
            state: self,
            windows,
            owned: None,
            read: HashMap::new(),
            last_read: RefCell::default(),
            terms: BTreeMap::new(),
            kept: Vec::new(),
        };
        work(&mut edit)?;
        edit.step()?;
        self.in_order.take();
        self.prefixes.take();
        Ok(())
    }

    fn log(&self) -> Result<Vec<AuditEntry>, StateError> {
        let mut get = cmd("LRANGE");
        get.arg(self.keys.meta("log")).arg(0).arg(-1);
        let texts: Vec<String> = self.link.borrow_mut().ask(self.keys.meta_slot(), get)?;
        Ok(texts.iter().map(|text| AuditEntry::read(text)).collect())
    }
}

impl RedisState {
    /// Reads all that the tenant has there.
    ///
    /// # Errors
    /// When the server cannot be read.
    pub fn verify_all(&self) -> Result<VerifiedState, StateError> {
        let (mut found, mut prefixes) = (VerifiedState::default(), BTreeSet::new());
        self.each_row(&[], None, &mut |key, _, value| {
            found.term(key, value, &mut prefixes);
            true
        })?;
        found.rules = prefixes.len() as u64;
        for (prefix, text) in self.kept("prefix")? {
            if PrefixRecord::read(&prefix, &text).is_none() {
                found.fault(format!("the record of {prefix}: it cannot be read"));
            }
        }
        for (number, entry) in (1..).zip(self.log()?) {
            if entry.action == "unknown" {
                found.fault(format!("entry {number} of the log: it cannot be read"));
            }
        }
        Ok(found)
    }
}

/// A change on its way.
struct RedisEdit<'s> {
    state: &'s RedisState,
    /// Of each prefix that is recorded.
    windows: HashMap<String, i64>,
    /// The prefixes that have an owner, once that was asked.
    owned: Option<BTreeSet<String>>,
    /// Terms as they were read, for the terms that are changed.
    read: HashMap<Vec<u8>, StoredRow>,
    /// The term that was read last: what is made of it is written over this alone.
    last_read: RefCell<Option<(Vec<u8>, StoredRow)>>,
    /// Terms as they are to be.
    terms: BTreeMap<Vec<u8>, StoredRow>,
    /// What is to be kept besides.
    kept: Vec<KeptText>,
}

/// What is kept besides terms: its kind, its name, its text.
type KeptText = (&'static str, String, String);

impl RedisEdit<'_> {
    fn row(&self, key: &[u8]) -> Result<StoredRow, StateError> {
        if let Some(row) = self.terms.get(key).or_else(|| self.read.get(key)) {
            return Ok(row.clone());
        }
        if let Some((_, row)) = self.last_read.borrow().as_ref().filter(|(last, _)| last == key) {
            return Ok(row.clone());
        }
        let row = self.state.rows_of(&[key])?.pop().flatten();
        *self.last_read.borrow_mut() = Some((key.to_vec(), row.clone()));
        Ok(row)
    }

    fn change(&mut self, key: &[u8], row: StoredRow) -> Result<(), StateError> {
        if !self.read.contains_key(key) {
            let read = self.row(key)?;
            self.read.insert(key.to_vec(), read);
        }
        self.terms.insert(key.to_vec(), row);
        if self.terms.len() >= STEP { self.step() } else { Ok(()) }
    }

    /// How long a key lives: up to its expiry as if events came with the clock, but never for less than
    /// what a run would give a term of its rule.
    fn time_to_live(&self, key: &[u8], expires_ms: i64) -> i64 {
        let hash = key.iter().rposition(|b| *b == b':').map_or(0, |at| at + 1);
        let prefix = String::from_utf8_lossy(key.get(..hash).unwrap_or_default());
        let window_ms = self.windows.get(&*prefix).copied().unwrap_or(0);
        let least = if is_learn_key(key) { LEARN_TTL_MS } else { time_to_live_ms(window_ms) };
        let left = expires_ms.saturating_sub((self.state.now_ms)());
        left.max(least).clamp(1, LONGEST_MS)
    }

    /// Makes what has come together: at once, or where it is at a cluster what is kept of rules first,
    /// then the terms of each slot by themselves, and the log at last.
    fn step(&mut self) -> Result<(), StateError> {
        let (terms, kept) = (std::mem::take(&mut self.terms), std::mem::take(&mut self.kept));
        let read = std::mem::take(&mut self.read);
        self.last_read.take();
        if terms.is_empty() && kept.is_empty() {
            return Ok(());
        }
        if !self.state.link.borrow_mut().is_cluster()? {
            let all = self.change_of(&terms, &read, &kept)?;
            return self.make(&[ServerCommand { slot: self.state.keys.meta_slot(), cmd: all }]);
        }
        let (log, rules): (Vec<KeptText>, _) =
            kept.into_iter().partition(|(kind, ..)| *kind == "log");
        self.make(&self.of_meta(&rules)?)?;
        let mut by_tag: BTreeMap<[u8; 2], BTreeMap<Vec<u8>, StoredRow>> = BTreeMap::new();
        for (key, row) in terms {
            by_tag.entry(tag_of(&key)).or_default().insert(key, row);
        }
        let mut asked = Vec::with_capacity(by_tag.len());
        for (tag, terms) in &by_tag {
            let slot = self.state.keys.slot(*tag);
            asked.push(ServerCommand { slot, cmd: self.change_of(terms, &read, &[])? });
        }
        self.make(&asked)?;
        self.make(&self.of_meta(&log)?)
    }

    fn of_meta(&self, kept: &[KeptText]) -> Result<Vec<ServerCommand>, StateError> {
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let cmd = self.change_of(&BTreeMap::new(), &HashMap::new(), kept)?;
        Ok(vec![ServerCommand { slot: self.state.keys.meta_slot(), cmd }])
    }

    /// The change of these terms, and what is kept with it: only with the latter it needs the slot of what is
    /// kept besides terms.
    fn change_of(
        &self,
        terms: &BTreeMap<Vec<u8>, StoredRow>,
        read: &HashMap<Vec<u8>, StoredRow>,
        kept: &[KeptText],
    ) -> Result<Cmd, StateError> {
        let state = self.state;
        let kinds: &[&str] = if kept.is_empty() { &[] } else { &["prefix", "owner", "log"] };
        let mut ask = cmd("EVALSHA");
        ask.arg(Script::new(script::CHANGE).get_hash()).arg(terms.len() + kinds.len());
        for key in terms.keys() {
            ask.arg(state.name_of(key)?);
        }
        for kind in kinds {
            ask.arg(state.keys.meta(kind));
        }
        ask.arg(terms.len());
        for (key, row) in terms {
            let before = read.get(key).cloned().flatten();
            ask.arg(if before.is_some() { "1" } else { "0" });
            ask.arg(before.map(|(expires, value)| row_of(expires, &value)).unwrap_or_default());
            match row {
                Some((expires_ms, value)) => {
                    ask.arg(row_of(*expires_ms, value));
                    ask.arg(self.time_to_live(key, *expires_ms));
                }
                None => {
                    ask.arg("").arg(1);
                }
            }
        }
        for (kind, name, text) in kept {
            ask.arg(*kind).arg(name).arg(text);
        }
        Ok(ask)
    }

    /// Makes these changes, each of them whole or not at all.
    fn make(&self, asked: &[ServerCommand]) -> Result<(), StateError> {
        if asked.is_empty() {
            return Ok(());
        }
        let mut tries = 0;
        let others = self.state.link.borrow_mut().run(&mut |nodes| {
            tries += 1;
            nodes.ask_all(asked)
        })?;
        if others.iter().all(|others| *others == Value::Int(0)) {
            return Ok(());
        }
        let reason = if tries > 1 {
            "the connection broke while the change was made, and it may have been made: look at \
             `firstseen state log`, and run it again where it is not there"
        } else {
            "a run changed these terms at the same time, so that this change was not made; run it again: \
             what is done already is not done twice"
        };
        Err(StateError::Failed { path: self.state.name.clone(), reason: reason.to_owned() })
    }

    fn keep(&mut self, kind: &'static str, name: &str, kept: &impl serde::Serialize) {
        self.kept.push((kind, name.to_owned(), serde_json::to_string(kept).unwrap_or_default()));
    }
}

impl StateEdit for RedisEdit<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, i64)>, StateError> {
        Ok(self.row(key)?.map(|(expires_ms, value)| (value, expires_ms)))
    }

    fn put(&mut self, term: StoredTerm<'_>) -> Result<(), StateError> {
        self.change(term.key, Some((term.expires_ms, term.value.to_vec())))
    }

    fn remove(&mut self, key: &[u8]) -> Result<bool, StateError> {
        let is_there = self.row(key)?.is_some();
        if is_there {
            self.change(key, None)?;
        }
        Ok(is_there)
    }

    fn record(&mut self, record: &PrefixRecord) -> Result<(), StateError> {
        self.windows.insert(record.prefix.clone(), record.window_ms);
        self.keep("prefix", &record.prefix, record);
        Ok(())
    }

    fn own(&mut self, owner: &PrefixOwner) -> Result<(), StateError> {
        if self.owned.is_none() {
            self.owned = Some(self.state.kept("owner")?.into_keys().collect());
        }
        let owned = self.owned.get_or_insert_default();
        let is_first = owned.insert(owner.prefix.clone());
        self.keep(if is_first { "first-owner" } else { "owner" }, &owner.prefix, owner);
        Ok(())
    }

    fn log(&mut self, entry: &AuditEntry) -> Result<(), StateError> {
        self.keep("log", "", entry);
        Ok(())
    }
}
