//! What one state knows is added to another.
//!
//! In: terms of another state, one by one, and what is kept of its rules. Out: the state, which knows
//! what it knew and what came, by the rules of the record itself: nothing is lowered, and the same once
//! more changes nothing. A value that this version cannot read is taken where nothing is there, and
//! overwrites nothing.

use super::select::StatePrefix;
use crate::escape::escaped;
use crate::state::PrefixRecord;
use crate::state::admin::{StateEdit, StoredTerm};
use crate::terminal::formats::counted;
use anyhow::bail;
use firstseen_rule::learn::{LearnedSpan, is_learn_key};
use firstseen_rule::state::read_whole;
use std::collections::HashMap;

/// What became of terms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct MergeCounts {
    pub(super) new: u64,
    pub(super) added_to: u64,
    pub(super) known: u64,
    /// What was there or what came cannot be read; what was there stays.
    pub(super) kept: u64,
}

impl MergeCounts {
    pub(super) const fn changed(self) -> u64 {
        self.new + self.added_to
    }

    /// `3 terms: 1 new, 2 known`.
    pub(super) fn words(self) -> String {
        let all = self.changed() + self.known + self.kept;
        let mut parts = Vec::new();
        for (count, word) in [
            (self.new, "new"),
            (self.added_to, "added to"),
            (self.known, "known"),
            (self.kept, "left as they were, because a value cannot be read here"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {word}"));
            }
        }
        let parts =
            if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        format!("{}{parts}", counted(all, "term", "terms"))
    }
}

/// Adds to a state.
pub(super) struct Merge<'e> {
    edit: &'e mut dyn StateEdit,
    windows: HashMap<String, i64>,
    pub(super) counts: MergeCounts,
}

impl<'e> Merge<'e> {
    /// Begins: what is kept of the rules that come is written where the state has nothing of them.
    ///
    /// # Errors
    /// When the two say different things of a rule, or the state cannot be written.
    pub(super) fn begin(
        edit: &'e mut dyn StateEdit,
        own: &[StatePrefix],
        coming: &[PrefixRecord],
    ) -> anyhow::Result<Self> {
        let mut windows = HashMap::new();
        let last = own.iter().filter_map(|p| p.record.as_ref()).map(|r| r.used).max().unwrap_or(0);
        let mut coming: Vec<_> = coming.iter().collect();
        coming.sort_by_key(|record| record.used);
        for (place, record) in (1..).zip(coming) {
            windows.insert(record.prefix.clone(), record.window_ms);
            let known = own.iter().find(|prefix| prefix.prefix == record.prefix);
            if let Some(known) = known.and_then(|prefix| prefix.record.as_ref()) {
                if (&known.fields, known.window_ms) != (&record.fields, record.window_ms) {
                    bail!(
                        "{}: its fields or its window are not what this state has of it",
                        escaped(&record.prefix)
                    );
                }
                continue;
            }
            let of_rule = StatePrefix::of(record.clone());
            // Where the rule is known already, what comes is how it was before.
            let is_known =
                own.iter().any(|p| p.record.is_some() && p.of_rule() == of_rule.of_rule());
            let used = if is_known { 0 } else { last + place };
            edit.record(&PrefixRecord { used, ..record.clone() })?;
        }
        Ok(Self { edit, windows, counts: MergeCounts::default() })
    }

    /// Adds a term.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub(super) fn add(&mut self, prefix: &str, term: StoredTerm<'_>) -> anyhow::Result<()> {
        let Some((there, kept_ms)) = self.edit.get(term.key)? else {
            self.edit.put(term)?;
            self.counts.new += 1;
            return Ok(());
        };
        let expires_ms = kept_ms.max(term.expires_ms);
        let mut value = there.clone();
        if there != term.value && is_learn_key(term.key) {
            let spans = (LearnedSpan::read(&there), LearnedSpan::read(term.value));
            let (Ok(Some(span)), Ok(Some(coming))) = spans else {
                self.counts.kept += 1;
                return Ok(());
            };
            if span.joined(coming) != span {
                let shown = read_whole(&there).map(|(_, shown)| shown).unwrap_or_default();
                value = span.joined(coming).write(shown);
            }
        } else if there != term.value {
            let (Ok((mut state, text)), Ok((coming, other))) =
                (read_whole(&there), read_whole(term.value))
            else {
                self.counts.kept += 1;
                return Ok(());
            };
            if state.join(&coming, self.windows.get(prefix).copied().unwrap_or(0)) {
                // One of them may have been cut.
                value = state.write(if other.len() > text.len() { other } else { text });
            }
        }
        if value == there && expires_ms == kept_ms {
            self.counts.known += 1;
            return Ok(());
        }
        self.edit.put(StoredTerm { key: term.key, value: &value, expires_ms })?;
        self.counts.added_to += 1;
        Ok(())
    }

    /// The change, to write its entry into the log.
    pub(super) fn end(self) -> (&'e mut dyn StateEdit, MergeCounts) {
        (self.edit, self.counts)
    }
}
