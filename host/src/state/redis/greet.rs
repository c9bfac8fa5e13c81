//! What is asked of a server before anything else: what it is, whether it keeps what it is told, and
//! whose state it has.
//!
//! In: a new connection. Out: the state's own number, and the scripts in the server; or why it is not used.

use super::keys::TenantKeys;
use super::link::{LinkFault, fault};
use super::{FORMAT, script};
use crate::escape::escaped;
use crate::state::StateError;
use redis::{Connection, RedisError, RedisResult, Value, cmd, from_redis_value, pipe};
use std::collections::HashMap;

const PRODUCT: &str = "firstseen";
/// The first version of Redis and of Valkey that is supported.
const FIRST_VERSION: u32 = 7;

/// A state that was found.
#[derive(Debug, Clone)]
pub(super) struct Greeted {
    /// A number that it was given when it was made.
    id: String,
    /// What the server may lose, where that was allowed.
    pub(super) warning: Option<String>,
}

/// Greets a server. `before` is what a connection before found.
pub(super) fn greet(
    connection: &mut Connection,
    name: &str,
    keys: &TenantKeys,
    read_only: bool,
    allow_weak: bool,
    before: Option<&Greeted>,
) -> Result<Greeted, LinkFault> {
    let of = |e: RedisError| fault(name, &e);
    let never = |reason: String| {
        Err(LinkFault::Never(StateError::Failed { path: name.to_owned(), reason }))
    };
    let hello: HashMap<String, Value> = cmd("HELLO").query(connection).map_err(of)?;
    let text = |key: &str| {
        let value = hello.get(key).cloned().unwrap_or(Value::Nil);
        from_redis_value::<String>(value).unwrap_or_default()
    };
    let version = text("version");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < FIRST_VERSION) {
        let version = escaped(&version).into_owned();
        return never(format!(
            "the server is of version {version}; Redis or Valkey {FIRST_VERSION} or newer is needed"
        ));
    }
    if text("mode") != "standalone" {
        let mode = escaped(&text("mode")).into_owned();
        return never(format!("the server is one of a {mode}; one server alone is supported"));
    }
    if !matches!(text("role").as_str(), "master" | "primary") {
        return Err(LinkFault::Away("the server is a replica now".to_owned()));
    }
    let warning = if read_only { None } else { weakness(connection).map_err(of)? };
    if let Some(weak) = warning.as_ref().filter(|_| !allow_weak) {
        return never(format!("{weak}; change that, or give --allow-weak-state"));
    }
    let id = identify(connection, name, keys, read_only, before)?;
    let mut scripts = pipe();
    for text in [script::COMPARE_AND_SET, script::CHANGE, script::NEWEST] {
        scripts.cmd("SCRIPT").arg("LOAD").arg(text).ignore();
    }
    if !read_only {
        scripts.exec(connection).map_err(of)?;
    }
    Ok(Greeted { id, warning })
}

/// What makes the server forget what it was told, where something does.
fn weakness(connection: &mut Connection) -> RedisResult<Option<String>> {
    let names = ["appendonly", "appendfsync", "maxmemory-policy"];
    let asked: RedisResult<HashMap<String, String>> =
        cmd("CONFIG").arg("GET").arg(&names[..]).query(connection);
    let config = match asked {
        Ok(config) => config,
        Err(e) if e.is_io_error() || e.is_connection_dropped() || e.is_timeout() => return Err(e),
        Err(_) => {
            return Ok(Some(
                "the user may not ask CONFIG GET, so that nothing says whether the server keeps what it \
                 was told"
                    .to_owned(),
            ));
        }
    };
    let wanted =
        [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction")];
    let weak: Vec<String> = wanted
        .iter()
        .filter_map(|(name, wanted)| {
            let is = config.get(*name).map_or("unknown", String::as_str);
            (is != *wanted).then(|| format!("{name} is {}, not {wanted}", escaped(is)))
        })
        .collect();
    if weak.is_empty() {
        return Ok(None);
    }
    let what = "so that terms may be lost and alert again";
    Ok(Some(format!("the server's {}, {what}", weak.join(", its "))))
}

/// The number of the state, which is begun where there is none.
fn identify(
    connection: &mut Connection,
    name: &str,
    keys: &TenantKeys,
    read_only: bool,
    before: Option<&Greeted>,
) -> Result<String, LinkFault> {
    let of = |e: RedisError| fault(name, &e);
    let path = name.to_owned();
    let place = keys.meta("state");
    let mut state: HashMap<String, String> =
        cmd("HGETALL").arg(&place).query(connection).map_err(of)?;
    if let Some(before) = before
        && state.get("id") != Some(&before.id)
    {
        let reason = "the server came back without this state, or with another one: what the run \
                      learned since is not there; look at the server, and run again"
            .to_owned();
        return Err(LinkFault::Never(StateError::Failed { path, reason }));
    }
    if state.is_empty() {
        if read_only {
            return Err(LinkFault::Never(StateError::Absent { path }));
        }
        let id = uuid::Uuid::new_v4().to_string();
        let mut begin = pipe();
        begin.atomic();
        for (field, value) in [("product", PRODUCT), ("format", &FORMAT.to_string()), ("id", &id)] {
            begin.cmd("HSETNX").arg(&place).arg(field).arg(value).ignore();
        }
        begin.exec(connection).map_err(of)?;
        // Another process may have been quicker.
        state = cmd("HGETALL").arg(&place).query(connection).map_err(of)?;
    }
    let product = state.get("product").map_or("", String::as_str);
    if product != PRODUCT {
        let found = format!("{} is another's", escaped(&place));
        return Err(LinkFault::Never(StateError::Foreign { path, found }));
    }
    match state.get("format").and_then(|format| format.parse::<u64>().ok()) {
        Some(FORMAT) => {}
        Some(found) => {
            return Err(LinkFault::Never(StateError::Newer { path, found, known: FORMAT }));
        }
        None => {
            let reason = format!("{} has no format", escaped(&place));
            return Err(LinkFault::Never(StateError::Corrupt { path, reason }));
        }
    }
    match state.remove("id") {
        Some(id) => Ok(id),
        None => {
            let reason = format!("{} has no id", escaped(&place));
            Err(LinkFault::Never(StateError::Corrupt { path, reason }))
        }
    }
}
