//! Whose state is at the servers, and whether all of it is there.
//!
//! In: greeted servers. Out: the number that the state was given when it was made; or why it is not used. A
//! cluster's servers die and come back each alone: so each of the 256 parts of a state there holds the number
//! too, and a server that came back without its data does not pass for one that knows no term.

use super::FORMAT;
use super::fault::LinkFault;
use super::keys::TenantKeys;
use super::nodes::{ServerCommand, ServerNodes};
use crate::escape::escaped;
use crate::state::StateError;
use crate::state::shared::WeakServer;
use redis::{Value, cmd, from_redis_value};
use std::collections::HashMap;

const PRODUCT: &str = "firstseen";
/// What the record says once every part has the number.
const MARKED: &str = "marked";

/// A state that was found.
#[derive(Debug, Clone)]
pub(super) struct FoundState {
    /// Its number.
    pub(super) id: String,
    /// What is missing of it, where that was allowed.
    pub(super) warning: Option<String>,
}

/// Who looks for a state.
pub(super) struct Seeker<'s> {
    pub(super) name: &'s str,
    pub(super) keys: &'s TenantKeys,
    pub(super) read_only: bool,
    pub(super) weak: WeakServer,
    /// What a connection before found.
    pub(super) before: Option<&'s FoundState>,
}

type StateRecord = HashMap<String, String>;

impl Seeker<'_> {
    /// Finds the state, which is begun where there is none.
    pub(super) fn find(&self, nodes: &mut ServerNodes) -> Result<FoundState, LinkFault> {
        let (mut record, marks) = (self.record(nodes)?, self.marks(nodes)?);
        if let Some(before) = self.before {
            let is_whole = !record.contains_key(MARKED) || is_marked(&marks, &before.id);
            if record.get("id") == Some(&before.id) && is_whole {
                return Ok(FoundState { id: before.id.clone(), warning: None });
            }
            return self.never(
                "the server came back without this state, or with another one: what the run learned \
                 since is not there; look at the server, and run again",
            );
        }
        if record.is_empty() && marks.iter().any(Option::is_some) {
            // Another process may have begun it between the two looks.
            record = self.record(nodes)?;
        }
        let mut warning = None;
        if record.is_empty() {
            let rest = marks.iter().flatten().next().cloned();
            if rest.is_some() {
                warning = Some(self.lost("what is kept of the state itself is gone")?);
            }
            if self.read_only || warning.is_some() && self.weak != WeakServer::Take {
                let none = "no run has made a state there yet; one with this --state makes it";
                return self.never(warning.as_deref().unwrap_or(none));
            }
            record = self.begin(nodes, rest)?;
        }
        let id = self.id_of(&record)?;
        if nodes.is_cluster() && !is_marked(&marks, &id) {
            if record.contains_key(MARKED) {
                let gone = marks.iter().filter(|mark| mark.as_ref() != Some(&id)).count();
                let all = marks.len();
                warning =
                    Some(self.lost(&format!("{gone} of the {all} parts of the state are gone"))?);
            }
            self.mark(nodes, &id, warning.is_some())?;
        }
        if nodes.is_cluster() && !record.contains_key(MARKED) {
            self.mark_record(nodes, &id)?;
        }
        Ok(FoundState { id, warning })
    }

    /// What to tell of something that is gone, where that is no reason to end.
    fn lost(&self, what: &str) -> Result<String, LinkFault> {
        let text = format!("{what}: a server of the cluster came back without its data");
        if self.weak == WeakServer::Refuse {
            return self.never(&format!(
                "{text}; restore it, or give --allow-weak-state to go on without: terms that are gone \
                 alert again"
            ));
        }
        Ok(text)
    }

    fn record(&self, nodes: &mut ServerNodes) -> Result<StateRecord, LinkFault> {
        let mut get = cmd("HGETALL");
        get.arg(self.keys.meta("state"));
        nodes.ask(self.keys.meta_slot(), get)
    }

    /// The number in each part; of one server, which is there as a whole or not at all, nothing.
    fn marks(&self, nodes: &mut ServerNodes) -> Result<Vec<Option<String>>, LinkFault> {
        if !nodes.is_cluster() {
            return Ok(Vec::new());
        }
        let get = |tag: [u8; 2]| {
            let mut get = cmd("GET");
            get.arg(self.keys.mark(tag));
            ServerCommand { slot: self.keys.slot(tag), cmd: get }
        };
        let asked: Vec<ServerCommand> = TenantKeys::tags().map(get).collect();
        let text = |value: Value| from_redis_value::<Option<String>>(value).ok().flatten();
        Ok(nodes.ask_all(&asked)?.into_iter().map(text).collect())
    }

    /// Gives the number to each part that has none; where some were lost, to each, but by a run alone, which
    /// was told to go on: whoever looks leaves it to be found.
    fn mark(&self, nodes: &mut ServerNodes, id: &str, is_lost: bool) -> Result<(), LinkFault> {
        if self.read_only || is_lost && self.weak != WeakServer::Take {
            return Ok(());
        }
        let set = |tag: [u8; 2]| {
            let mut set = cmd(if is_lost { "SET" } else { "SETNX" });
            set.arg(self.keys.mark(tag)).arg(id);
            ServerCommand { slot: self.keys.slot(tag), cmd: set }
        };
        nodes.ask_all(&TenantKeys::tags().map(set).collect::<Vec<_>>())?;
        Ok(())
    }

    /// Records that each part has the number.
    fn mark_record(&self, nodes: &mut ServerNodes, id: &str) -> Result<(), LinkFault> {
        if self.read_only {
            return Ok(());
        }
        if !is_marked(&self.marks(nodes)?, id) {
            return self.never(
                "parts of another state are under this tenant's keys: a server of the cluster came back \
                 without its data; restore it, or use another tenant",
            );
        }
        let mut whole = cmd("HSET");
        whole.arg(self.keys.meta("state")).arg(MARKED).arg(1);
        nodes.ask::<Value>(self.keys.meta_slot(), whole)?;
        Ok(())
    }

    /// Begins the state, in one step; another process may be quicker.
    fn begin(&self, nodes: &mut ServerNodes, id: Option<String>) -> Result<StateRecord, LinkFault> {
        let id = id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let (place, slot) = (self.keys.meta("state"), self.keys.meta_slot());
        let mut begin = vec![cmd("MULTI")];
        for (field, value) in [("product", PRODUCT), ("format", &FORMAT.to_string()), ("id", &id)] {
            let mut set = cmd("HSETNX");
            set.arg(&place).arg(field).arg(value);
            begin.push(set);
        }
        begin.push(cmd("EXEC"));
        let asked = begin.into_iter().map(|cmd| ServerCommand { slot, cmd });
        nodes.ask_all(&asked.collect::<Vec<_>>())?;
        self.record(nodes)
    }

    /// The number in a record that is ours.
    fn id_of(&self, record: &StateRecord) -> Result<String, LinkFault> {
        let (path, place) = (self.name.to_owned(), self.keys.meta("state"));
        if record.get("product").map(String::as_str) != Some(PRODUCT) {
            let found = format!("{} is another's", escaped(&place));
            return Err(LinkFault::Never(StateError::Foreign { path, found }));
        }
        let format = record.get("format").and_then(|format| format.parse::<u64>().ok());
        let reason = match (format, record.get("id")) {
            (Some(FORMAT), Some(id)) => return Ok(id.clone()),
            (Some(FORMAT), None) => format!("{} has no id", escaped(&place)),
            (Some(found), _) => {
                return Err(LinkFault::Never(StateError::Newer { path, found, known: FORMAT }));
            }
            (None, _) => format!("{} has no format", escaped(&place)),
        };
        Err(LinkFault::Never(StateError::Corrupt { path, reason }))
    }

    fn never<T>(&self, reason: &str) -> Result<T, LinkFault> {
        let (path, reason) = (self.name.to_owned(), reason.to_owned());
        Err(LinkFault::Never(StateError::Failed { path, reason }))
    }
}

fn is_marked(marks: &[Option<String>], id: &str) -> bool {
    marks.iter().all(|mark| mark.as_deref() == Some(id))
}
