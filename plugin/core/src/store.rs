//! The host's store, as crate rule sees it.
//!
//! In: keys and values. Out: what the imports returned. It never trusts a length that the host
//! returns, and never hands over a key or value beyond the contract's limits.

use crate::imports::{kv_cas, kv_get};
use alloc::vec;
use alloc::vec::Vec;
use firstseen_abi::kv::{self, Cas, Kv, KvError};
use firstseen_abi::{MAX_KEY, MAX_VALUE};

/// The host's store.
pub(crate) struct HostStore;

impl Kv for HostStore {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        if key.len() > MAX_KEY {
            return Err(KvError::Refused);
        }
        let mut buffer = vec![0; MAX_VALUE];
        let length = kv_get(key, &mut buffer);
        value(length, buffer)
    }

    fn cas(
        &mut self,
        key: &[u8],
        expected: Option<&[u8]>,
        value_bytes: &[u8],
        ttl_ms: i64,
    ) -> Result<Cas, KvError> {
        if key.len() > MAX_KEY || value_bytes.len() > MAX_VALUE {
            return Err(KvError::Refused);
        }
        let mut buffer = vec![0; MAX_VALUE];
        match kv_cas(key, expected, value_bytes, ttl_ms, &mut buffer) {
            kv::DONE => Ok(Cas::Done),
            kv::CONFLICT_ABSENT => Ok(Cas::Conflict(None)),
            code if code & kv::CONFLICT != 0 && code > 0 => {
                value(code & !kv::CONFLICT, buffer).map(Cas::Conflict)
            }
            kv::AWAY => Err(KvError::Away),
            _ => Err(KvError::Refused),
        }
    }
}

fn value(length: i32, mut buffer: Vec<u8>) -> Result<Option<Vec<u8>>, KvError> {
    match length {
        kv::ABSENT => Ok(None),
        kv::AWAY => Err(KvError::Away),
        _ => {
            let length = usize::try_from(length).map_err(|_| KvError::Refused)?;
            // Over the capacity: the host wrote nothing, and no value of ours is that long.
            if length > buffer.len() {
                return Err(KvError::Refused);
            }
            buffer.truncate(length);
            Ok(Some(buffer))
        }
    }
}
