//! Whose terms those under a prefix are: no rule silences another by taking its keys.
//!
//! In: the owners that a state has recorded, and the rules of a run with the digests of their artifacts.
//! Out: an error where a prefix is another rule's; what is to be recorded and told otherwise. The first
//! rule that uses a prefix owns it. Nothing is written here.

use super::StateError;
use firstseen_artifact::RuleMeta;
use serde::{Deserialize, Serialize};

/// The rule that owns the terms under a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixOwner {
    /// `TENANT:RULE_ID:FINGERPRINT:`.
    #[serde(skip)]
    pub prefix: String,
    /// The rule's id.
    pub rule: String,
    /// The digest of its artifact.
    pub digest: String,
}

impl PrefixOwner {
    /// The owner of a prefix, where it can be read.
    pub(crate) fn read(prefix: &str, text: &str) -> Option<Self> {
        let owner = serde_json::from_str::<Self>(text).ok()?;
        Some(Self { prefix: prefix.to_owned(), ..owner })
    }
}

/// What a run records of its rules.
#[derive(Debug, Default)]
pub struct OwnerChanges {
    /// The owners that are new or have changed.
    pub owners: Vec<PrefixOwner>,
    /// What there is to tell, and to log, of those that have changed.
    pub told: Vec<String>,
}

/// Compares the rules of a run, each with the digest of its artifact, with the recorded owners.
///
/// # Errors
/// [`StateError::Owned`] where a rule would use the terms of another, unless it takes them over.
pub fn claim<'m>(
    known: &[PrefixOwner],
    tenant: &str,
    rules: impl IntoIterator<Item = (&'m RuleMeta, &'m str)>,
    take_over: bool,
) -> Result<OwnerChanges, StateError> {
    let mut changes = OwnerChanges::default();
    for (rule, digest) in rules {
        let prefix = format!("{tenant}:{}", rule.key_prefix);
        let now = PrefixOwner { prefix, rule: rule.id.clone(), digest: digest.to_owned() };
        let overlaps = |owner: &&PrefixOwner| {
            owner.prefix.starts_with(&now.prefix) || now.prefix.starts_with(&owner.prefix)
        };
        let mut own = None;
        for owner in known.iter().filter(overlaps) {
            if owner.prefix == now.prefix && owner.rule == now.rule {
                own = Some(owner);
            } else if take_over {
                changes.told.push(format!(
                    "rule {}: it takes over the terms of rule {} under {}",
                    rule.name, owner.rule, owner.prefix
                ));
            } else {
                return Err(StateError::Owned {
                    prefix: owner.prefix.clone(),
                    owner: owner.rule.clone(),
                    rule: now.rule,
                });
            }
        }
        match own {
            Some(own) if own.digest == now.digest => continue,
            Some(own) => changes.told.push(format!(
                "rule {}: another build of it used this state before (artifact {}, now {})",
                rule.name, own.digest, now.digest
            )),
            None => {}
        }
        changes.owners.push(now);
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, key_prefix: &str) -> RuleMeta {
        let (id, key_prefix) = (id.to_owned(), key_prefix.to_owned());
        RuleMeta { name: format!("Rule {id}"), id, key_prefix, ..RuleMeta::default() }
    }

    #[test]
    fn the_first_rule_owns_a_prefix_and_another_is_refused() {
        let victim = rule("victim", "victim:0011:");
        let first = claim(&[], "t", [(&victim, "aa")], false).unwrap();
        assert_eq!((first.owners.len(), first.told.len()), (1, 0));
        let known = first.owners;
        assert!(claim(&known, "t", [(&victim, "aa")], false).unwrap().owners.is_empty());
        // Its prefix as it is, a part of it, or one within it.
        for prefix in ["victim:0011:", "victim:0011:2:", "victim:"] {
            let hostile = rule("hostile", prefix);
            let error = claim(&known, "t", [(&hostile, "bb")], false).unwrap_err().to_string();
            for word in ["victim", "hostile", "t:victim:0011:", "--take-over"] {
                assert!(error.contains(word), "{word}: {error}");
            }
            let taken = claim(&known, "t", [(&hostile, "bb")], true).unwrap();
            assert_eq!((taken.owners[0].rule.as_str(), taken.told.len()), ("hostile", 1));
            assert!(claim(&known, "other", [(&hostile, "bb")], false).unwrap().told.is_empty());
        }
    }

    #[test]
    fn another_build_of_a_rule_is_taken_and_told() {
        let known = claim(&[], "t", [(&rule("r", "r:0011:"), "aa")], false).unwrap().owners;
        let changes = claim(&known, "t", [(&rule("r", "r:0011:"), "bb")], false).unwrap();
        assert!(changes.told[0].contains("artifact aa, now bb"), "{:?}", changes.told);
        assert_eq!(changes.owners[0].digest, "bb");
    }
}
