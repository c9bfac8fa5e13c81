//! What a guest may ask of the host: a value, a write, a line in the log.
//!
//! In: addresses and lengths, untrusted. Out: the codes of the contract. It checks every range, the
//! limits, and that a key is the artifact's own; it never calls back into the guest.

use super::runtime::plain;
use firstseen_abi::kv::{self, Cas, Kv, KvError};
use firstseen_abi::{IMPORT_NAMESPACE, MAX_KEY, MAX_VALUE, level};
use firstseen_artifact::Meta;
use std::sync::Arc;
use wasmtime::{Caller, Linker, Memory, StoreLimits};

/// What belongs to one instance.
pub(super) struct Data {
    pub(super) limits: StoreLimits,
    /// Looked up once: a lookup per call costs seven times a call.
    pub(super) memory: Option<Memory>,
    pub(super) kv: Option<Box<dyn Kv + Send>>,
    /// `TENANT:RULE_ID:FINGERPRINT:` of every rule inside.
    pub(super) prefixes: Prefixes,
    /// Lines of the guest's log, bounded.
    pub(super) log: Vec<(i32, String)>,
}

/// Lines kept between two looks, and bytes of each.
const LOG_LINES: usize = 64;
const LOG_BYTES: u32 = 1024;

pub(super) fn link(linker: &mut Linker<Data>) -> anyhow::Result<()> {
    linker.func_wrap(IMPORT_NAMESPACE, "kv_get", kv_get).map_err(plain)?;
    linker.func_wrap(IMPORT_NAMESPACE, "kv_cas", kv_cas).map_err(plain)?;
    linker.func_wrap(IMPORT_NAMESPACE, "log", log).map_err(plain)?;
    Ok(())
}

/// The prefixes of an artifact's keys, in order, none of which begins with another one.
#[derive(Debug, Clone, Default)]
pub(super) struct Prefixes(Arc<[String]>);

impl Prefixes {
    /// The keys of these rules under a tenant.
    pub(super) fn new(tenant: &str, meta: &Meta) -> Self {
        let mut all: Vec<_> =
            meta.rules.iter().map(|rule| format!("{tenant}:{}", rule.key_prefix)).collect();
        all.sort_unstable();
        all.dedup_by(|longer, prefix| longer.starts_with(prefix.as_str()));
        Self(all.into())
    }

    /// Whether a key is of the artifact's own rules. What begins with a prefix follows it in order,
    /// with no other prefix between them.
    pub(super) fn own(&self, key: &[u8]) -> bool {
        let after = self.0.partition_point(|prefix| prefix.as_bytes() <= key);
        let prefix = after.checked_sub(1).and_then(|at| self.0.get(at));
        key.len() <= MAX_KEY
            && key.is_ascii()
            && prefix.is_some_and(|prefix| key.starts_with(prefix.as_bytes()))
    }
}

fn range(data: &[u8], at: u32, len: u32) -> Option<&[u8]> {
    let at = at as usize;
    data.get(at..at.checked_add(len as usize)?)
}

fn own_key(data: &Data, memory: &[u8], at: u32, len: u32) -> Option<Vec<u8>> {
    if len as usize > MAX_KEY {
        return None;
    }
    let key = range(memory, at, len)?;
    data.prefixes.own(key).then(|| key.to_vec())
}

/// Writes a value into the guest's buffer; its length, and nothing written where it does not fit.
fn hand_over(memory: &mut [u8], value: &[u8], at: u32, cap: u32) -> Option<i32> {
    let len = i32::try_from(value.len()).ok()?;
    if value.len() <= cap as usize {
        let at = at as usize;
        memory.get_mut(at..at.checked_add(value.len())?)?.copy_from_slice(value);
    }
    Some(len)
}

fn kv_get(mut caller: Caller<'_, Data>, key: u32, key_len: u32, buf: u32, cap: u32) -> i32 {
    let Some(memory) = caller.data().memory else { return kv::REFUSED };
    let (bytes, data) = memory.data_and_store_mut(&mut caller);
    let Some(key) = own_key(data, bytes, key, key_len) else { return kv::REFUSED };
    let Some(store) = data.kv.as_mut() else { return kv::AWAY };
    match store.get(&key) {
        Ok(None) => kv::ABSENT,
        Ok(Some(value)) => hand_over(bytes, &value, buf, cap).unwrap_or(kv::REFUSED),
        Err(fault) => refusal(fault),
    }
}

const fn refusal(fault: KvError) -> i32 {
    match fault {
        KvError::Away => kv::AWAY,
        KvError::Refused => kv::REFUSED,
    }
}

#[allow(clippy::too_many_arguments)] // the contract's signature
fn kv_cas(
    mut caller: Caller<'_, Data>,
    key: u32,
    key_len: u32,
    expected: u32,
    expected_len: i32,
    new: u32,
    new_len: u32,
    ttl_ms: i64,
    buf: u32,
    cap: u32,
) -> i32 {
    let Some(memory) = caller.data().memory else { return kv::REFUSED };
    let (bytes, data) = memory.data_and_store_mut(&mut caller);
    let Some(key) = own_key(data, bytes, key, key_len) else { return kv::REFUSED };
    let expected = match u32::try_from(expected_len) {
        Ok(len) => match range(bytes, expected, len) {
            Some(value) => Some(value),
            None => return kv::REFUSED,
        },
        Err(_) => None,
    };
    let value = range(bytes, new, new_len).filter(|v| v.len() <= MAX_VALUE);
    let (Some(value), true) = (value, ttl_ms > 0) else { return kv::REFUSED };
    let Some(store) = data.kv.as_mut() else { return kv::AWAY };
    match store.cas(&key, expected, value, ttl_ms) {
        Ok(Cas::Done) => kv::DONE,
        Ok(Cas::Conflict(None)) => kv::CONFLICT_ABSENT,
        Ok(Cas::Conflict(Some(current))) => match hand_over(bytes, &current, buf, cap) {
            Some(len) => kv::CONFLICT | len,
            None => kv::REFUSED,
        },
        Err(fault) => refusal(fault),
    }
}

fn log(mut caller: Caller<'_, Data>, at_level: i32, text: u32, len: u32) {
    let Some(memory) = caller.data().memory else { return };
    let (bytes, data) = memory.data_and_store_mut(&mut caller);
    let at_level = at_level.clamp(level::ERROR, level::INFO);
    if let Some(text) = range(bytes, text, len.min(LOG_BYTES))
        && data.log.len() < LOG_LINES
    {
        data.log.push((at_level, String::from_utf8_lossy(text).into_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_artifact::RuleMeta;

    #[test]
    fn a_key_is_owned_by_its_prefix() {
        let rule = |prefix: &str| RuleMeta { key_prefix: prefix.to_owned(), ..RuleMeta::default() };
        let rules = ["b:", "a:1:", "a:", "c:", "a:2:"].map(rule).to_vec();
        let meta = Meta {
            format: 1,
            abi: 1,
            engine: String::new(),
            target: String::new(),
            options: String::new(),
            rules,
        };
        let prefixes = Prefixes::new("t", &meta);
        for key in ["t:a:", "t:a:1:x", "t:a:3:x", "t:b:zzz", "t:c:"] {
            assert!(prefixes.own(key.as_bytes()), "{key}");
        }
        let long = format!("t:c:{}", "x".repeat(MAX_KEY));
        for key in ["", "t:", "t:a", "t:bb:", "u:a:", "s:c:", "t:d:", &long] {
            assert!(!prefixes.own(key.as_bytes()), "{key}");
        }
    }
}
