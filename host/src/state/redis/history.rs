//! What the server keeps of rules, and its terms in order.
//!
//! In: records of prefixes, ranges of keys. Out: the same again. A server has its keys in no order: whoever
//! wants one has all names of the tenant read and sorted, once, and the values as they are asked for.

use super::fault::LinkFault;
use super::{KeysInOrder, RedisState};
use crate::state::{EachTerm, PrefixOwner, PrefixRecord, StateError, StateHistory};
use firstseen_rule::learn::is_learn_key;
use redis::{Value, cmd};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Names that one call looks at.
const SCANNED: usize = 1000;
/// Values that one call reads.
const READ: usize = 500;

/// What [`RedisState::each_row`] calls with each key, its expiry and its value.
pub(super) type EachRow<'e> = dyn FnMut(&[u8], i64, &[u8]) -> bool + 'e;

impl StateHistory for RedisState {
    fn records(&self) -> Result<Vec<PrefixRecord>, StateError> {
        let kept = self.kept("prefix")?;
        Ok(kept.iter().filter_map(|(prefix, text)| PrefixRecord::read(prefix, text)).collect())
    }

    fn owners(&self) -> Result<Vec<PrefixOwner>, StateError> {
        let kept = self.kept("owner")?;
        Ok(kept.iter().filter_map(|(prefix, text)| PrefixOwner::read(prefix, text)).collect())
    }

    fn record(&mut self, records: &[PrefixRecord]) -> Result<(), StateError> {
        if self.read_only {
            return Err(self.read_only());
        }
        self.prefixes.take();
        let mut put = cmd("HSET");
        put.arg(self.keys.meta("prefix"));
        for record in records {
            put.arg(&record.prefix).arg(serde_json::to_string(record).unwrap_or_default());
        }
        self.link.borrow_mut().ask::<Value>(self.keys.meta_slot(), put)?;
        Ok(())
    }

    fn scan(&self, from: &[u8], to: &[u8], each: &mut EachTerm<'_>) -> Result<(), StateError> {
        self.each_row(from, Some(to), &mut |key, _, value| each(key, value).is_continue())
    }

    /// Those of records and owners: a run records its prefixes before it writes a term.
    fn prefixes_of(&self, of_rule: &str) -> Result<Vec<String>, StateError> {
        let mut known = self.prefixes.borrow_mut();
        let known = match &mut *known {
            Some(known) => known,
            none => {
                let kept = self.kept("prefix")?.into_keys().chain(self.kept("owner")?.into_keys());
                none.insert(kept.collect())
            }
        };
        let from_rule = known.range(of_rule.to_owned()..);
        Ok(from_rule.take_while(|prefix| prefix.starts_with(of_rule)).cloned().collect())
    }
}

impl RedisState {
    /// What is kept of a kind, by its name.
    pub(super) fn kept(&self, kind: &str) -> Result<BTreeMap<String, String>, StateError> {
        let mut get = cmd("HGETALL");
        get.arg(self.keys.meta(kind));
        self.link.borrow_mut().ask(self.keys.meta_slot(), get)
    }

    pub(super) fn read_newest(&self) -> Result<Option<i64>, StateError> {
        let mut get = cmd("GET");
        get.arg(self.keys.meta("newest"));
        let text: Option<String> = self.link.borrow_mut().ask(self.keys.meta_slot(), get)?;
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Calls with each name of the tenant, some perhaps twice, until it says false.
    fn each_key(&self, each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), StateError> {
        let mut link = self.link.borrow_mut();
        let (mut node, mut cursor, mut made) = (0, 0u64, link.made());
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(self.keys.pattern()).arg("COUNT").arg(SCANNED);
            let asked = link.run(&mut |nodes| {
                let found: Option<(u64, Vec<Vec<u8>>)> = nodes.ask_node(node, &scan)?;
                // Behind the last server: whether the slots are where they were.
                if found.is_none() && !nodes.is_settled()? {
                    return Err(LinkFault::Moved("slots move from server to server".to_owned()));
                }
                Ok(found)
            })?;
            if link.made() != made {
                // A cursor is nothing to a server that was started anew, or to another one.
                (node, cursor, made) = (0, 0, link.made());
                continue;
            }
            let Some((next, names)) = asked else { return Ok(()) };
            for name in &names {
                if let Some(key) = self.keys.back(name)
                    && !each(key)
                {
                    return Ok(());
                }
            }
            cursor = next;
            if next == 0 {
                node += 1;
            }
        }
    }

    pub(super) fn has_no_terms(&self) -> Result<bool, StateError> {
        let mut is_empty = true;
        self.each_key(&mut |key| {
            is_empty = is_learn_key(key);
            is_empty
        })?;
        Ok(is_empty)
    }

    pub(super) fn keys_in_order(&self) -> Result<KeysInOrder, StateError> {
        if let Some(keys) = &*self.in_order.borrow() {
            return Ok(Rc::clone(keys));
        }
        let mut keys = Vec::new();
        self.each_key(&mut |key| {
            keys.push(key.to_vec());
            true
        })?;
        keys.sort_unstable();
        keys.dedup();
        let keys = Rc::new(keys);
        *self.in_order.borrow_mut() = Some(Rc::clone(&keys));
        Ok(keys)
    }

    /// Calls with each row from a key on, up to another where there is one, in the order of the keys,
    /// until it says false. What is gone meanwhile is passed over.
    pub(super) fn each_row(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        each: &mut EachRow<'_>,
    ) -> Result<(), StateError> {
        let keys = self.keys_in_order()?;
        let begin = keys.partition_point(|key| key.as_slice() < from);
        let end = to.map_or(keys.len(), |to| keys.partition_point(|key| key.as_slice() < to));
        let mut left = keys.get(begin..end.max(begin)).unwrap_or_default();
        // Many want the first one alone.
        let mut size = 1;
        while !left.is_empty() {
            let (some, rest) = left.split_at(size.min(left.len()));
            let some: Vec<&[u8]> = some.iter().map(Vec::as_slice).collect();
            for (key, row) in some.iter().zip(self.rows_of(&some)?) {
                if let Some((expires_ms, value)) = row
                    && !each(key, expires_ms, &value)
                {
                    return Ok(());
                }
            }
            (left, size) = (rest, READ);
        }
        Ok(())
    }
}
