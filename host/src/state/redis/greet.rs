//! What is asked of a server before anything else: what it is, and whether it keeps what it is told.
//!
//! In: a new connection. Out: what the server may lose, and the scripts in it; or why it is not used.

use super::connect::Connector;
use super::fault::LinkFault;
use super::hosts::ServerForm;
use super::nodes::ServerNode;
use super::script;
use crate::escape::escaped;
use crate::state::shared::WeakServer;
use redis::{Connection, RedisResult, Value, cmd, from_redis_value, pipe};
use std::collections::HashMap;

/// The first version of Redis and of Valkey that is supported.
const FIRST_VERSION: u32 = 7;

/// Greets a server; what it may lose, where that is allowed.
pub(super) fn greet(
    node: &mut ServerNode,
    connector: &Connector,
) -> Result<Option<String>, LinkFault> {
    let at = if node.at.is_empty() { String::new() } else { format!("{}: ", node.at) };
    let never = |reason: String| Err(connector.never(format!("{at}{reason}")));
    let hello: RedisResult<HashMap<String, Value>> = cmd("HELLO").query(&mut node.connection);
    let hello = hello.map_err(|e| connector.fault_of_new(&node.at, &e))?;
    let text = |key: &str| {
        let value = hello.get(key).cloned().unwrap_or(Value::Nil);
        from_redis_value::<String>(value).unwrap_or_default()
    };
    let (mode, wanted) = (text("mode"), connector.form());
    match (mode.as_str(), wanted) {
        ("standalone", ServerForm::One | ServerForm::Sentinel)
        | ("cluster", ServerForm::Cluster) => {}
        ("cluster", _) => {
            return never("the server is one of a cluster: write redis+cluster://".to_owned());
        }
        ("sentinel", _) => {
            return never(
                "this is a sentinel: write redis+sentinel://HOST:PORT/MASTER/DATABASE".to_owned(),
            );
        }
        ("standalone", ServerForm::Cluster) => {
            return never("the server is no cluster's: write redis://".to_owned());
        }
        _ => return never(format!("the server is of an unknown mode, {}", escaped(&mode))),
    }
    let version = text("version");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < FIRST_VERSION) {
        let version = escaped(&version).into_owned();
        return never(format!(
            "the server is of version {version}; Redis or Valkey {FIRST_VERSION} or newer is needed"
        ));
    }
    if !matches!(text("role").as_str(), "master" | "primary") {
        return Err(LinkFault::Away(format!("{at}the server is a replica now")));
    }
    if connector.read_only {
        return Ok(None);
    }
    let weak = weakness(&mut node.connection).map_err(|e| connector.fault(&node.at, &e))?;
    if let Some(weak) = weak.as_ref().filter(|_| connector.weak == WeakServer::Refuse) {
        return never(format!("{weak}; change that, or give --allow-weak-state"));
    }
    let mut scripts = pipe();
    for text in [script::COMPARE_AND_SET, script::CHANGE, script::NEWEST] {
        scripts.cmd("SCRIPT").arg("LOAD").arg(text).ignore();
    }
    scripts.exec(&mut node.connection).map_err(|e| connector.fault(&node.at, &e))?;
    Ok(weak)
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
