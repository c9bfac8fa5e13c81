//! Reads and checks the result of `decide`; it is untrusted.

use crate::rules::{CallError, Decide};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::ToString;
use firstseen_abi::{Decision, MAX_VALUE, OutcomeKind};

/// Reads a decision about so many keys and items.
///
/// # Errors
/// [`CallError::Contract`]: an index that points at nothing, a value that is too long, an alert that
/// is none.
pub(crate) fn decision<'o>(
    out: &'o [u8],
    keys: usize,
    items: usize,
    rules: &dyn Decide,
) -> Result<Decision<'o>, CallError> {
    let broken = |what: &str| CallError::Contract(what.to_owned());
    let decision = Decision::read(out).map_err(|e| match e {
        Ok(status) => broken(&format!("status {status}")),
        Err(fault) => broken(&fault.to_string()),
    })?;
    for write in &decision.writes {
        if write.key as usize >= keys || write.value.len() > MAX_VALUE {
            return Err(broken("a write to no key, or of a value that is too long"));
        }
    }
    for outcome in &decision.outcomes {
        if outcome.item as usize >= items {
            return Err(broken("an outcome of no event"));
        }
        let alert = matches!(outcome.kind, OutcomeKind::Alert | OutcomeKind::Repeat);
        if alert && !rules.is_alert(outcome.text) {
            return Err(broken("an alert that is not one line of JSON"));
        }
    }
    Ok(decision)
}
