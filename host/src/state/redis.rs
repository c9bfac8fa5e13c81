//! The history in Redis or Valkey, which several processes share: at one server, at a cluster's, or at the one that
//! sentinels name.
//!
//! In and out: keys and values, at once: what is written counts for every process, and is durable when
//! the server has answered. While the server is away nothing is answered by guess: it is asked again
//! until it is back. It holds no decision, and takes no key of another tenant.
//!
//! ```text
//! {TENANT:bb}:KEY        i64 expiry (event time, ms, little-endian) | value, with a time to live
//!  `----- bb: the first byte of the term's hash, so that a cluster keeps what begins so together
//! {TENANT:bb}:state      "id" of the state, in a cluster alone: each part of it is there, or is missed
//! {TENANT:meta}:state    hash: "product", "format", "id", "marked" whose state it is, which, and whether each
//!                                                                  part has its number
//! {TENANT:meta}:prefix   hash: PREFIX -> what is kept of its rule, as JSON
//! {TENANT:meta}:owner    hash: PREFIX -> the rule that owns its terms, as JSON
//! {TENANT:meta}:newest   the newest time of events, ms
//! {TENANT:meta}:log      list: what was changed by hand, by whom and why, as JSON
//! ```
//!
//! | what | module |
//! | --- | --- |
//! | addresses, users, passwords | `address`, `hosts` |
//! | names of keys, and their slots | `keys` |
//! | what runs inside the server | `script` |
//! | connections, made again where one breaks | `link` |
//! | what an error means | `fault` |
//! | finds the servers: by sentinels, by the cluster | `connect` |
//! | asks each server what is its own | `nodes` |
//! | what a server is, and what it keeps when it dies | `greet` |
//! | whose state it is, and whether all of it is there | `identity` |
//! | the store of a run | `store` |
//! | rules, and terms in order | `history` |
//! | looked at and corrected by a person | `admin` |

use super::clocks::ExpiryClocks;
use super::{SharedOptions, StateError};
use address::ServerAddress;
use keys::TenantKeys;
use link::Link;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

mod address;
mod admin;
mod connect;
mod fault;
mod greet;
mod history;
mod hosts;
mod identity;
mod keys;
mod link;
mod nodes;
mod script;
mod store;

/// The newest format that this code reads, and the one it writes.
const FORMAT: u64 = 1;
/// The longest time to live of a key: 200 years.
const LONGEST_MS: i64 = 200 * 366 * 86_400_000;

/// A state at a server.
pub struct RedisState {
    /// For messages; without user and password.
    name: String,
    keys: TenantKeys,
    link: RefCell<Link>,
    read_only: bool,
    now_ms: fn() -> i64,
    clocks: ExpiryClocks,
    known_until: Option<i64>,
    /// The newest time of events that the server was told.
    told_newest: i64,
    /// The tenant's keys in order, once somebody wants them so.
    in_order: RefCell<Option<KeysInOrder>>,
    /// The prefixes that are recorded, once they were asked for.
    prefixes: RefCell<Option<BTreeSet<String>>>,
}

/// Keys of terms as the module made them, in order.
type KeysInOrder = Rc<Vec<Vec<u8>>>;

impl RedisState {
    /// Opens a tenant's state at a server, or begins it.
    ///
    /// # Errors
    /// An address that is none, a server that cannot be reached, is none of ours or would forget; a
    /// newer format; for reading: no state.
    pub fn open(url: &str, read_only: bool, options: SharedOptions) -> Result<Self, StateError> {
        let address = ServerAddress::read(url, &options)?;
        let (name, keys) = (address.name.clone(), TenantKeys::new(&address.tenant));
        let now_ms = options.now_ms;
        let link = Link::open(address, keys.clone(), read_only, options)?;
        let mut state = Self {
            name,
            keys,
            link: RefCell::new(link),
            read_only,
            now_ms,
            clocks: ExpiryClocks::default(),
            known_until: None,
            told_newest: i64::MIN,
            in_order: RefCell::default(),
            prefixes: RefCell::default(),
        };
        state.known_until = state.read_newest()?;
        state.told_newest = state.known_until.unwrap_or(i64::MIN);
        Ok(state)
    }

    /// Whether the state at this address takes a term with this key; nothing is asked of a server.
    ///
    /// # Errors
    /// An address that is none, and another tenant's key.
    pub fn takes(url: &str, key: &[u8], options: &SharedOptions) -> Result<(), StateError> {
        let address = ServerAddress::read(url, options)?;
        name_of(&TenantKeys::new(&address.tenant), &address.name, key).map(drop)
    }

    fn read_only(&self) -> StateError {
        StateError::ReadOnly { path: self.name.clone() }
    }

    fn corrupt(&self, reason: &str) -> StateError {
        StateError::Corrupt { path: self.name.clone(), reason: reason.to_owned() }
    }
}

/// The name of a key in the state of this name.
fn name_of(keys: &TenantKeys, state: &str, key: &[u8]) -> Result<Vec<u8>, StateError> {
    keys.of(key).ok_or_else(|| {
        let tenant = String::from_utf8_lossy(key.split(|b| *b == b':').next().unwrap_or_default());
        let tenant = crate::escape::escaped(&tenant).into_owned();
        let reason = format!(
            "a term of tenant {tenant}, which is not kept there: give ?tenant={tenant} in the address"
        );
        StateError::Failed { path: state.to_owned(), reason }
    })
}

/// A term's expiry and value; `None`: there is none.
type StoredRow = Option<(i64, Vec<u8>)>;

/// A value with its expiry, as it is stored.
fn row_of(expires_ms: i64, value: &[u8]) -> Vec<u8> {
    [&expires_ms.to_le_bytes(), value].concat()
}

/// Expiry and value of a stored row.
fn parse(row: &[u8]) -> Option<(i64, &[u8])> {
    let (expires, value) = row.split_first_chunk()?;
    Some((i64::from_le_bytes(*expires), value))
}
