//! What a store at a server needs of its surroundings, and what its address looks like.
//!
//! In: what stands behind `--state`. Out: whether it names a server, and a name for messages, in which no
//! user and no password is. It opens no connection, so that it is there without the feature `redis` too.

use crate::escape::escaped;
use std::time::{Duration, Instant};

/// What a shared store is opened with.
pub struct SharedOptions {
    /// The tenant of the run; what the address says has to agree. `None`: what the address says, or `default`.
    pub tenant: Option<String>,
    /// The password, where neither the address nor a file of it has one.
    pub password: Option<String>,
    /// What becomes of a server that may lose or evict what it was told, or has lost some.
    pub weak: WeakServer,
    /// How long the server may be away; `None`: as long as it takes.
    pub wait: Option<Duration>,
    /// Whether somebody asked the run to end.
    pub is_stopped: Box<dyn Fn() -> bool>,
    /// Takes what a person should know: that the server is away, and that it is back.
    pub tell: Box<dyn Fn(&str)>,
    /// The time of the machine, milliseconds since 1970.
    pub now_ms: fn() -> i64,
    /// The time of the machine, for how long something took.
    pub instant: fn() -> Instant,
}

/// What becomes of a server that may lose what it was told, or has lost some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeakServer {
    /// It is refused.
    Refuse,
    /// It is named, and used; what is lost begins anew.
    Take,
    /// It is named, and used as it is.
    Name,
}

/// What an address of a state names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// A path in the file system.
    File,
    /// A server, a cluster, or what sentinels watch.
    Server,
    /// Another form of an address of Redis.
    OtherForm,
    /// Something else.
    Unknown,
}

/// What this address names.
#[must_use]
pub fn address_kind(text: &str) -> AddressKind {
    let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    match text.split_once("://") {
        Some((scheme, _)) if !scheme.is_empty() && scheme.chars().all(is_of_scheme) => {
            let scheme = scheme.to_ascii_lowercase();
            match scheme.split_once('+').unwrap_or((&scheme, "")) {
                ("redis" | "valkey", "" | "unix" | "cluster" | "sentinel")
                | ("rediss" | "valkeys", "" | "cluster" | "sentinel") => AddressKind::Server,
                (name, _) if name.starts_with("redis") || name.starts_with("valkey") => {
                    AddressKind::OtherForm
                }
                _ => AddressKind::Unknown,
            }
        }
        // A slip in the scheme: as a file's name it would be shown with its password.
        _ if ["redis", "rediss", "valkey", "valkeys"].iter().any(|scheme| {
            let begin = text.trim_start().to_ascii_lowercase();
            begin.strip_prefix(scheme).is_some_and(|rest| rest.starts_with(':'))
        }) =>
        {
            AddressKind::Unknown
        }
        _ => AddressKind::File,
    }
}

/// The address of a server for messages: no user, no password, no options.
#[must_use]
pub fn address_name(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("redis", text));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let path = behind.split(['?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    // A password with a character that has to be written as %2F and the like: nothing of it is shown.
    let has_at = |part: &str| part.contains('@');
    let option = behind.split_once('?').map_or("", |(_, options)| options);
    let in_options = option.split_once('@').is_some_and(|(before, _)| !before.contains('='));
    let is_whole = host.len() == authority.len() && has_at(behind);
    if !authority.is_empty()
        && (is_whole || has_at(path) || in_options || behind.contains('#') && has_at(behind))
    {
        return format!("{}://...", escaped(scheme));
    }
    format!("{}://{}{}", escaped(scheme), escaped(host), escaped(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_no_secret() {
        for (text, name) in [
            ("redis://u:secret@h:1/2?tenant=a", "redis://h:1/2"),
            ("rediss://:secret@h", "rediss://h"),
            ("redis://h", "redis://h"),
            ("redis://u:se@cret@h/0", "redis://h/0"),
            ("redis://u:secr/et@h/0", "redis://..."),
            ("redis://u:secr?et@h/0", "redis://..."),
            ("redis://u:secr#et@h/0", "redis://..."),
            ("redis://:a:se@cr/et@h:1/0", "redis://..."),
            ("redis://:a:se@cr?et@h:1/0", "redis://..."),
            ("redis://:a:se@cr#et@h:1/0", "redis://..."),
            ("redis:/:secret@h:1/0", "redis://..."),
            (" redis://:secret@h:1/0", " redis://h:1/0"),
            ("redis://u:secret@h?password_file=/a@b", "redis://h"),
            ("redis+unix:///run/r@1.sock?db=2", "redis+unix:///run/r@1.sock"),
            ("redis+cluster://u:secret@a:1,b:2?tenant=x", "redis+cluster://a:1,b:2"),
            ("redis+cluster://u:secret@a,u:secret@b", "redis+cluster://b"),
            ("redis+sentinel://u:secret@a,b/m/0", "redis+sentinel://a,b/m/0"),
        ] {
            assert_eq!(address_name(text), name);
        }
    }

    #[test]
    fn a_path_is_no_server() {
        for (text, kind) in [
            ("s.redb", AddressKind::File),
            ("memory:", AddressKind::File),
            ("a b://c", AddressKind::File),
            ("REDIS://h", AddressKind::Server),
            ("redis+unix:///s", AddressKind::Server),
            ("redis+cluster://a,b", AddressKind::Server),
            ("Valkeys+sentinel://a/b", AddressKind::Server),
            ("redis-cluster://a,b", AddressKind::OtherForm),
            ("redis-sentinel://a/b", AddressKind::OtherForm),
            ("rediss+unix://a", AddressKind::OtherForm),
            ("postgres://a", AddressKind::Unknown),
            ("redis:/:secret@h", AddressKind::Unknown),
            (" Rediss://h", AddressKind::Unknown),
            ("./redis:a", AddressKind::File),
            ("redis.state", AddressKind::File),
        ] {
            assert_eq!(address_kind(text), kind, "{text}");
        }
    }
}
