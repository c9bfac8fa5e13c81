//! Builds the request to `decide`, and applies its result to the round.
//!
//! In: a round whose keys have values. Out: outcomes and planned writes, or the texts that are missing.

use super::{EXPECTED_TEXTS, MAX_TEXTS, Round, Stage, terms_of};
use crate::check::{self, AskedItem};
use crate::matched::EventText;
use crate::rules::{CallError, Decide};
use alloc::borrow::ToOwned;
use alloc::vec;
use alloc::vec::Vec;
use firstseen_abi::{OutcomeKind, RequestWriter};

impl Round {
    /// Asks the rule, about every match with a key that is still open.
    pub(super) fn decide(&mut self, rules: &mut dyn Decide) -> Result<(), CallError> {
        let items: Vec<u32> = (0u32..)
            .zip(&self.items)
            .filter(|(_, item)| item.lost.is_none() && self.is_open(item))
            .map(|(at, _)| at)
            .collect();
        if items.is_empty() {
            self.asked.clear();
            self.stage = Stage::Done;
            return Ok(());
        }
        let mut keys: Vec<u32> = Vec::with_capacity(self.keys.len());
        let mut place = vec![u32::MAX; self.keys.len()];
        for item in items.iter().filter_map(|at| self.items.get(*at as usize)) {
            for key in terms_of(&self.term_keys, item.terms) {
                if let Some(place) = place.get_mut(*key as usize).filter(|p| **p == u32::MAX) {
                    *place = keys.len() as u32;
                    keys.push(*key);
                }
            }
        }
        let mut request = RequestWriter::default();
        for at in &keys {
            let value = self.keys.get(*at as usize).and_then(|key| key.value.as_ref());
            request.key(self.key(*at as usize), value.and_then(|value| value.as_deref()));
        }
        for at in &items {
            let (Some(item), Some(matched)) =
                (self.items.get(*at as usize), self.matches.get(*at as usize))
            else {
                continue;
            };
            match (&item.fetched, &matched.text) {
                (Some(text), _) => request.item(&matched.item, text),
                (None, EventText::Carried(text)) if item.wanted => {
                    request.item(&matched.item, text);
                }
                _ => request.item_alone(&matched.item),
            }
        }
        let answer = rules.decide(&request)?;
        let asked = items.iter().filter_map(|at| self.asked_item(*at as usize));
        let asked: Vec<AskedItem> = asked.collect();
        let decision = check::decision(&answer, keys.len(), &asked, rules)?;
        let mut wanted = Vec::new();
        for outcome in decision.outcomes.iter().filter(|o| o.kind == OutcomeKind::NeedsEvent) {
            let at = items.get(outcome.item as usize).copied();
            let given = at.and_then(|at| self.items.get(at as usize)).map(|item| item.wanted);
            match (at, given) {
                (Some(at), Some(false)) => wanted.push(at as usize),
                _ => {
                    let what = "an event was asked for that had been given".to_owned();
                    return Err(CallError::Contract(what));
                }
            }
        }
        if !wanted.is_empty() {
            for at in wanted {
                if let Some(item) = self.items.get_mut(at) {
                    item.wanted = true;
                }
            }
            // Nothing of this result counts.
            return self.check_texts().map(|()| self.ask_texts());
        }
        for outcome in decision.outcomes {
            let item = items.get(outcome.item as usize).and_then(|at| self.items.get(*at as usize));
            let Some(item) = item else { continue };
            let at = (item.terms.0 as usize).saturating_add(usize::from(outcome.term));
            let of_item = at < item.terms.1 as usize;
            let key = self.term_keys.get(at).filter(|_| of_item);
            let open = key.and_then(|key| self.keys.get(*key as usize)).map(|key| key.open);
            match (open, self.outcomes.get_mut(at)) {
                (Some(true), Some(slot)) => {
                    *slot = Some((outcome.kind, outcome.text.to_owned()));
                }
                (Some(false), _) => {}
                _ => return Err(CallError::Contract("an outcome of no term".to_owned())),
            }
        }
        self.asked.clear();
        for write in decision.writes {
            let Some(at) = keys.get(write.key as usize) else { continue };
            let Some(key) = self.keys.get_mut(*at as usize).filter(|key| key.open) else {
                continue;
            };
            key.next = Some((write.value.into(), write.ttl_ms));
            self.asked.push(*at);
        }
        // A key without a write is settled by what was read.
        self.keys.iter_mut().for_each(|key| key.open &= key.next.is_some());
        self.stage = if self.asked.is_empty() { Stage::Done } else { Stage::Write };
        Ok(())
    }

    fn asked_item(&self, at: usize) -> Option<AskedItem> {
        let (begin, end) = self.items.get(at)?.own_terms();
        let terms = end.saturating_sub(begin) as usize;
        Some(AskedItem { rule: self.matches.get(at)?.rule.rule, terms })
    }

    /// Wants the text of the first match of each key that has no value yet, as far as they are few bytes.
    pub(super) fn mark_expected(&mut self) {
        let mut is_expected = vec![false; self.keys.len()];
        let mut room = EXPECTED_TEXTS;
        for (item, matched) in self.items.iter_mut().zip(&self.matches) {
            let mut is_new = false;
            for at in terms_of(&self.term_keys, item.own_terms()) {
                let key = self.keys.get(*at as usize);
                let has_none = key.is_some_and(|key| key.open && key.value == Some(None));
                if let Some(is_expected) = is_expected.get_mut(*at as usize).filter(|_| has_none) {
                    is_new |= !core::mem::replace(is_expected, true);
                }
            }
            if is_new {
                let Some(left) = room.checked_sub(matched.text.len()) else { return };
                (room, item.wanted) = (left, true);
            }
        }
    }

    /// Whether the texts that are wanted fit one call.
    fn check_texts(&self) -> Result<(), CallError> {
        let wanted = self.items.iter().zip(&self.matches).filter(|(item, _)| item.wanted);
        let bytes: usize = wanted.map(|(_, matched)| matched.text.len()).sum();
        if bytes > MAX_TEXTS && self.matches.len() > 1 && self.tries == 0 {
            return Err(CallError::NoRoom(bytes));
        }
        Ok(())
    }

    /// Asks for the texts that are wanted, neither carried nor fetched.
    pub(super) fn ask_texts(&mut self) {
        let items = (0u32..).zip(&self.items).zip(&self.matches);
        let missing = items.filter(|((_, item), matched)| {
            let carried = matches!(matched.text, EventText::Carried(_));
            item.wanted && !carried && item.fetched.is_none() && item.lost.is_none()
        });
        self.asked = missing.map(|((at, _), _)| at).collect();
        self.stage = if self.asked.is_empty() { Stage::Decide } else { Stage::Text };
    }
}
