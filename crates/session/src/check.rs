//! Reads and checks the result of `decide`; it is untrusted.
//!
//! In: a result, and what was asked. Out: the decision, each index in it one of what was asked, each key and each term
//! named once at most. It applies nothing.

use crate::rules::{CallError, Decide};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use firstseen_abi::{Decision, MAX_VALUE, OutcomeKind};

/// An item that a decision is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AskedItem {
    /// Its rule in the artifact.
    pub(crate) rule: u16,
    /// How many terms it has.
    pub(crate) terms: usize,
}

/// Reads a decision about so many keys and these items.
///
/// # Errors
/// [`CallError::Contract`]: an index that points at nothing, or at the same as another; a value that is too long, an
/// alert that is none of its rule.
pub(crate) fn decision<'o>(
    out: &'o [u8],
    keys: usize,
    items: &[AskedItem],
    rules: &dyn Decide,
) -> Result<Decision<'o>, CallError> {
    let broken = |what: &str| CallError::Contract(what.to_owned());
    let terms = items.iter().map(|item| item.terms).sum();
    let decision = Decision::read_within(out, keys, terms).map_err(|e| match e {
        Ok(status) => broken(&format!("status {status}")),
        Err(fault) => broken(&fault.to_string()),
    })?;
    let mut is_written = vec![false; keys];
    for write in &decision.writes {
        let is_written = is_written.get_mut(write.key as usize);
        if write.value.len() > MAX_VALUE
            || is_written.is_none_or(|is_written| core::mem::replace(is_written, true))
        {
            return Err(broken("a write to no key, twice to one, or of a value that is too long"));
        }
    }
    let mut last = None;
    for outcome in &decision.outcomes {
        let item = items.get(outcome.item as usize);
        let item = item.filter(|item| usize::from(outcome.term) < item.terms);
        let item = item.ok_or_else(|| broken("an outcome of no term"))?;
        // In their order each comes once.
        let this = Some((outcome.item, outcome.term));
        if last >= this {
            return Err(broken("an outcome twice, or out of its order"));
        }
        last = this;
        let alert = matches!(outcome.kind, OutcomeKind::Alert | OutcomeKind::Repeat);
        if alert && !rules.is_alert(item.rule, outcome.text) {
            return Err(broken("an alert that is not one line of JSON with its rule's id"));
        }
    }
    Ok(decision)
}
