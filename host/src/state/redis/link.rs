//! Connections to the servers, made again where one breaks.
//!
//! In: what the servers are asked, and may be asked twice. Out: their answers. While one of them is away
//! the work is tried again, at growing intervals; it ends when somebody asks the run to end, or after the
//! time that was given. What is no matter of time is an error at once.

use super::address::ServerAddress;
use super::connect::Connector;
use super::fault::LinkFault;
use super::identity::{FoundState, Seeker};
use super::keys::TenantKeys;
use super::nodes::{ServerCommand, ServerNodes};
use crate::escape::escaped;
use crate::state::{SharedOptions, StateError};
use redis::{Cmd, FromRedisValue, RedisError, Value};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The first pause; each is twice as long as the one before, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// A part of a pause: after each it is looked whether the run is to end.
const NAP: Duration = Duration::from_millis(100);
/// How often slots may move one after the other until the servers count as away.
const MOVES: u32 = 3;
/// How long a server may be away while a state is opened, where a run would wait for ever.
const OPEN_WAIT: Duration = Duration::from_secs(30);

/// Connections and what it takes to make them.
pub(super) struct Link {
    connector: Rc<Connector>,
    keys: TenantKeys,
    options: SharedOptions,
    nodes: Option<ServerNodes>,
    /// Of the first connection; each that follows has to find the same state.
    found: Option<FoundState>,
    /// How often the connections were made.
    made: u64,
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
        let connector = Rc::new(Connector::new(address, read_only, options.weak));
        let mut link = Self { connector, keys, options, nodes: None, found: None, made: 0 };
        link.run(&mut |_| Ok(()))?;
        Ok(link)
    }

    /// Asks one thing of the server that has the slot.
    ///
    /// # Errors
    /// See [`Self::run`].
    pub(super) fn ask<T: FromRedisValue>(&mut self, slot: u16, cmd: Cmd) -> Result<T, StateError> {
        let asked = [ServerCommand { slot, cmd }];
        let answer = self.ask_all(&asked)?.pop().unwrap_or(Value::Nil);
        redis::from_redis_value(answer).map_err(|e| StateError::Failed {
            path: self.connector.address.name.clone(),
            reason: escaped(&RedisError::from(e).to_string()).into_owned(),
        })
    }

    /// Asks all of it; the answers, in the order of the commands.
    ///
    /// # Errors
    /// See [`Self::run`].
    pub(super) fn ask_all(&mut self, asked: &[ServerCommand]) -> Result<Vec<Value>, StateError> {
        self.run(&mut |nodes| nodes.ask_all(asked))
    }

    /// Whether the state is at a cluster: then nothing is done to several slots in one step.
    pub(super) fn is_cluster(&mut self) -> Result<bool, StateError> {
        self.run(&mut |nodes| Ok(nodes.is_cluster()))
    }

    /// How often the connections were made: another number means other servers, perhaps.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// Does the work, again where a server was away. The work may have reached it without its
    /// answer: it has to be such that doing it twice is the same.
    ///
    /// # Errors
    /// What a server refuses; a server that stays away.
    pub(super) fn run<T>(
        &mut self,
        work: &mut dyn FnMut(&mut ServerNodes) -> Result<T, LinkFault>,
    ) -> Result<T, StateError> {
        let mut away: Option<(Instant, Duration)> = None;
        let mut moves = 0;
        loop {
            let fault = match self.try_once(work) {
                Ok(answer) => {
                    if let Some((since, _)) = away {
                        let seconds = since.elapsed().as_secs();
                        let name = &self.connector.address.name;
                        (self.options.tell)(&format!("{name}: back after {seconds} s"));
                    }
                    return Ok(answer);
                }
                Err(LinkFault::Moved(_)) if moves < MOVES => {
                    moves += 1;
                    continue;
                }
                Err(LinkFault::Never(fault)) => return Err(fault),
                Err(LinkFault::Away(reason) | LinkFault::Moved(reason)) => reason,
            };
            let (since, pause) = away.unwrap_or_else(|| {
                let name = &self.connector.address.name;
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
        work: &mut dyn FnMut(&mut ServerNodes) -> Result<T, LinkFault>,
    ) -> Result<T, LinkFault> {
        let mut nodes = match self.nodes.take() {
            Some(nodes) => nodes,
            None => self.connect()?,
        };
        let answer = work(&mut nodes)?;
        // Whatever went wrong may have left answers unread: then the connections are not used again.
        self.nodes = Some(nodes);
        Ok(answer)
    }

    fn connect(&mut self) -> Result<ServerNodes, LinkFault> {
        let mut nodes = self.connector.connect()?;
        let name = &self.connector.address.name;
        let seeker = Seeker {
            name,
            keys: &self.keys,
            read_only: self.connector.read_only,
            weak: self.options.weak,
            before: self.found.as_ref(),
        };
        let found = seeker.find(&mut nodes)?;
        if self.found.is_none() {
            for warning in nodes.weak.iter().chain(&found.warning) {
                (self.options.tell)(&format!("{name}: {warning}"));
            }
        }
        self.connector.is_right.set(true);
        self.found = Some(found);
        self.made += 1;
        Ok(nodes)
    }

    /// Waits for a while, and up to the half more by chance, so that not all come back at once.
    fn pause(&self, since: Instant, pause: Duration, reason: &str) -> Result<(), StateError> {
        let path = self.connector.address.name.clone();
        let chance = RandomState::new().hash_one(0u8) % 512;
        let mut left = pause + pause * u32::try_from(chance).unwrap_or(0) / 1024;
        let wait = if self.found.is_none() {
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
