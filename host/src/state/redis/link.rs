//! A connection to the server, made again where it breaks.
//!
//! In: work that asks the server something, and may be done twice. Out: its answer. While the server is away
//! the work is tried again, at growing intervals; it ends when somebody asks the run to end, or after the
//! time that was given. What is no matter of time is an error at once.

use super::address::ServerAddress;
use super::greet::{Greeted, greet};
use super::keys::TenantKeys;
use crate::escape::escaped;
use crate::state::{SharedOptions, StateError};
use redis::{Connection, ErrorKind, RedisError, RedisResult};
use std::hash::{BuildHasher, RandomState};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The first pause; each is twice as long as the one before, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// A part of a pause: after each it is looked whether the run is to end.
const NAP: Duration = Duration::from_millis(100);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that has not answered by then is away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may be away while a state is opened, where a run would wait for ever.
const OPEN_WAIT: Duration = Duration::from_secs(30);

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

/// A connection and what it takes to make one.
pub(super) struct Link {
    address: ServerAddress,
    keys: TenantKeys,
    read_only: bool,
    options: SharedOptions,
    connection: Option<Connection>,
    /// Of the first connection; each that follows has to find the same state.
    greeted: Option<Greeted>,
}

/// Why nothing was answered.
pub(super) enum LinkFault {
    /// It may be answered later.
    Away(String),
    /// It will not.
    Never(StateError),
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// A server that cannot be reached, is none of ours, or would forget.
    pub(super) fn open(
        address: ServerAddress,
        keys: TenantKeys,
        read_only: bool,
        options: SharedOptions,
    ) -> Result<Self, StateError> {
        let mut link = Self { address, keys, read_only, options, connection: None, greeted: None };
        link.run(&mut |_| Ok(()))?;
        Ok(link)
    }

    /// Does the work, again where the server was away. The work may have reached the server without its
    /// answer: it has to be such that doing it twice is the same.
    ///
    /// # Errors
    /// What the server refuses; a server that stays away.
    pub(super) fn run<T>(
        &mut self,
        work: &mut dyn FnMut(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, StateError> {
        let mut away: Option<(Instant, Duration)> = None;
        loop {
            let fault = match self.try_once(work) {
                Ok(answer) => {
                    if let Some((since, _)) = away {
                        let seconds = since.elapsed().as_secs();
                        let name = &self.address.name;
                        (self.options.tell)(&format!("{name}: back after {seconds} s"));
                    }
                    return Ok(answer);
                }
                Err(LinkFault::Never(fault)) => return Err(fault),
                Err(LinkFault::Away(reason)) => reason,
            };
            self.connection = None;
            let (since, pause) = away.unwrap_or_else(|| {
                let name = &self.address.name;
                (self.options.tell)(&format!(
                    "{name}: away ({fault}); nothing is decided until it is back"
                ));
                ((self.options.instant)(), FIRST_PAUSE)
            });
            self.pause(since, pause, &fault)?;
            away = Some((since, (2 * pause).min(LAST_PAUSE)));
        }
    }

    fn try_once<T>(
        &mut self,
        work: &mut dyn FnMut(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, LinkFault> {
        if self.connection.is_none() {
            self.connection = Some(self.connect()?);
        }
        let Some(connection) = &mut self.connection else {
            return Err(LinkFault::Away("no connection".to_owned()));
        };
        work(connection).map_err(|e| fault(&self.address.name, &e))
    }

    fn connect(&mut self) -> Result<Connection, LinkFault> {
        let name = &self.address.name;
        let is_first = self.greeted.is_none();
        let of = |e: RedisError| fault(name, &e);
        let connection = self.address.client.get_connection_with_timeout(CONNECT_TIMEOUT);
        let mut connection = connection.map_err(of)?;
        connection.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(of)?;
        connection.set_write_timeout(Some(ANSWER_TIMEOUT)).map_err(of)?;
        let greeted = greet(
            &mut connection,
            name,
            &self.keys,
            self.read_only,
            self.options.allow_weak,
            self.greeted.as_ref(),
        )?;
        if let Some(warning) = greeted.warning.as_ref().filter(|_| is_first) {
            (self.options.tell)(&format!("{name}: {warning}"));
        }
        self.greeted = Some(greeted);
        Ok(connection)
    }

    /// Waits for a while, and up to the half more by chance, so that not all come back at once.
    fn pause(&self, since: Instant, pause: Duration, reason: &str) -> Result<(), StateError> {
        let path = self.address.name.clone();
        let chance = RandomState::new().hash_one(0u8) % 512;
        let mut left = pause + pause * u32::try_from(chance).unwrap_or(0) / 1024;
        let wait = if self.greeted.is_none() {
            Some(self.options.wait.unwrap_or(OPEN_WAIT))
        } else {
            self.options.wait
        };
        let reason = reason.to_owned();
        loop {
            let waited = (self.options.instant)().saturating_duration_since(since);
            if (self.options.is_stopped)() {
                return Err(StateError::Stopped { path });
            }
            if wait.is_some_and(|wait| waited >= wait) {
                return Err(StateError::Away { path, reason, seconds: waited.as_secs() });
            }
            if left.is_zero() {
                return Ok(());
            }
            let nap = left.min(NAP);
            sleep(nap);
            left -= nap;
        }
    }
}

/// What an error means.
pub(super) fn fault(name: &str, error: &RedisError) -> LinkFault {
    let text = escaped(&error.to_string()).into_owned();
    let never =
        |reason: String| LinkFault::Never(StateError::Failed { path: name.to_owned(), reason });
    let codes = codes_of(error);
    if codes.iter().any(|code| AWAY.contains(&code.as_str())) {
        return LinkFault::Away(text);
    }
    if matches!(error.kind(), ErrorKind::AuthenticationFailed)
        || codes.iter().any(|code| matches!(code.as_str(), "WRONGPASS" | "NOAUTH"))
    {
        return never("the server does not take this user and password".to_owned());
    }
    if codes.iter().any(|code| code == "NOPERM") {
        return never(format!(
            "the user may not do what a state needs ({text}); see docs/state.md"
        ));
    }
    if codes.iter().any(|code| code == "WRONGTYPE") {
        return never(format!("something else is under the state's keys ({text})"));
    }
    match error.kind() {
        // rustls says as an error of the connection what no time mends.
        ErrorKind::Io if text.contains("certificate") => never(text),
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
