//! What an error of a server means: whether it passes with time.
//!
//! In: errors of connections and of servers. Out: that a server is away, that a slot has moved, or why it is no use
//! to ask again. It asks nobody.

use crate::escape::escaped;
use crate::state::StateError;
use redis::{ErrorKind, RedisError};

/// What a server says while it is away, or cannot do what it will do later.
const AWAY: [&str; 11] = [
    "LOADING",
    "MASTERDOWN",
    "READONLY",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY",
    "OOM",
    "MISCONF",
    "NOREPLICAS",
    // It was started anew, and knows no script.
    "NOSCRIPT",
    "UNKILLABLE",
];

/// Why nothing was answered.
pub(super) enum LinkFault {
    /// It may be answered later.
    Away(String),
    /// Another server has the slot now.
    Moved(String),
    /// It will not.
    Never(StateError),
}

/// What an error means, of a server that is named where there are several.
pub(super) fn fault(name: &str, at: &str, error: &RedisError) -> LinkFault {
    let place = if at.is_empty() { String::new() } else { format!("{}: ", escaped(at)) };
    let said = if error.is_timeout() { "no answer in time".to_owned() } else { error.to_string() };
    let text = format!("{place}{}", escaped(&said));
    let never =
        |reason: String| LinkFault::Never(StateError::Failed { path: name.to_owned(), reason });
    let codes = codes_of(error);
    let has = |wanted: &[&str]| codes.iter().any(|code| wanted.contains(&code.as_str()));
    if has(&["MOVED"]) {
        return LinkFault::Moved(text);
    }
    if has(&AWAY) {
        return LinkFault::Away(text);
    }
    if matches!(error.kind(), ErrorKind::AuthenticationFailed)
        || has(&["WRONGPASS", "NOAUTH"])
        || text.contains("AUTH <password>")
    {
        return never(format!("{place}the server does not take this user and password"));
    }
    if has(&["NOPERM"]) {
        return never(format!(
            "the user may not do what a state needs ({text}); see docs/state.md"
        ));
    }
    if has(&["WRONGTYPE"]) {
        return never(format!("something else is under the state's keys ({text})"));
    }
    match error.kind() {
        // rustls says as an error of the connection what no time mends.
        ErrorKind::Io if text.contains("certificate") => never(text),
        ErrorKind::Io if text.contains("corrupt message") => {
            never(format!("{text}; a server without TLS is written redis://"))
        }
        ErrorKind::Io | ErrorKind::Parse => LinkFault::Away(text),
        _ if error.is_connection_dropped() || error.is_timeout() => LinkFault::Away(text),
        _ => never(text),
    }
}

/// The codes of all errors that the server gave.
fn codes_of(error: &RedisError) -> Vec<String> {
    if let Some(code) = error.code() {
        return vec![code.to_owned()];
    }
    let errors = error.clone().into_server_errors();
    let errors = errors.iter().flat_map(|errors| errors.iter());
    errors.map(|(_, error)| error.code().to_owned()).collect()
}
