//! The servers of a state, connected: one, or all masters of a cluster.
//!
//! In: commands, each with the slot of its keys. Out: their answers, in their order. Each server gets what is
//! its own at once, and all are written to before one is read. A server is greeted before it is asked anything,
//! also one that the cluster names later: no answer is by one that may have forgotten. Whoever gets a
//! fault has to connect anew, for answers may be left unread.

use super::connect::Connector;
use super::fault::{LinkFault, fault};
use redis::{Cmd, Connection, FromRedisValue, RedisResult, Value, cmd, from_redis_value};
use std::rc::Rc;

/// A command, and the slot of its keys.
pub(super) struct ServerCommand {
    pub(super) slot: u16,
    pub(super) cmd: Cmd,
}

/// One server.
pub(super) struct ServerNode {
    /// Its host and port; for messages where there are several.
    pub(super) at: String,
    pub(super) connection: Connection,
}

/// Which server has which slots: the first one, the last one, its host and port.
pub(super) type SlotTable = Vec<(u16, u16, (String, u16))>;

/// Connected servers.
pub(super) struct ServerNodes {
    connector: Rc<Connector>,
    nodes: Vec<ServerNode>,
    /// Of a cluster: its slots, and the number of the server that has them.
    slots: Vec<(u16, u16, usize)>,
    /// As the cluster told it.
    told: Option<SlotTable>,
    /// What they may lose, where that was allowed.
    pub(super) weak: Option<String>,
}

impl ServerNodes {
    /// One server.
    pub(super) fn one(connector: Rc<Connector>, node: ServerNode, weak: Option<String>) -> Self {
        Self { connector, nodes: vec![node], slots: Vec::new(), told: None, weak }
    }

    /// The masters of a cluster, in the order of the places.
    pub(super) fn cluster(
        connector: Rc<Connector>,
        told: SlotTable,
        masters: Vec<((String, u16), ServerNode)>,
        weak: Option<String>,
    ) -> Self {
        let number = |place: &(String, u16)| masters.iter().position(|(other, _)| other == place);
        let slots =
            told.iter().filter_map(|(first, last, place)| Some((*first, *last, number(place)?)));
        let slots = slots.collect();
        let nodes = masters.into_iter().map(|(_, node)| node).collect();
        Self { connector, nodes, slots, told: Some(told), weak }
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.told.is_some()
    }

    fn fault_at(&self, node: usize, error: &redis::RedisError) -> LinkFault {
        let at = self.nodes.get(node).map_or("", |node| node.at.as_str());
        fault(&self.connector.address.name, at, error)
    }

    /// Asks a server by its number; nothing where there is none of it.
    pub(super) fn ask_node<T: FromRedisValue>(
        &mut self,
        number: usize,
        cmd: &Cmd,
    ) -> Result<Option<T>, LinkFault> {
        let Some(node) = self.nodes.get_mut(number) else { return Ok(None) };
        let answer = cmd.query(&mut node.connection);
        answer.map(Some).map_err(|e| self.fault_at(number, &e))
    }

    /// Whether the slots are still where they were when the servers were connected.
    pub(super) fn is_settled(&mut self) -> Result<bool, LinkFault> {
        let Some(told) = &self.told else { return Ok(true) };
        let Some(node) = self.nodes.first_mut() else { return Ok(false) };
        Ok(self.connector.slots_of(node)? == *told)
    }

    /// Asks one thing.
    pub(super) fn ask<T: FromRedisValue>(&mut self, slot: u16, cmd: Cmd) -> Result<T, LinkFault> {
        let answer = self.ask_all(&[ServerCommand { slot, cmd }])?.pop();
        from_redis_value(answer.unwrap_or(Value::Nil)).map_err(|e| self.fault_at(0, &e.into()))
    }

    /// Asks all of it; the answers, in the order of the commands.
    pub(super) fn ask_all(&mut self, asked: &[ServerCommand]) -> Result<Vec<Value>, LinkFault> {
        let mut texts: Vec<Vec<u8>> = vec![Vec::new(); self.nodes.len()];
        let mut places = Vec::with_capacity(asked.len());
        for command in asked {
            let number = self.number_of(command.slot)?;
            if let Some(text) = texts.get_mut(number) {
                command.cmd.write_packed_command(text);
            }
            places.push(number);
        }
        for (number, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            let Some(node) = self.nodes.get_mut(number) else { continue };
            let sent = node.connection.send_packed_command(text);
            sent.map_err(|e| self.fault_at(number, &e))?;
        }
        let mut answers = Vec::with_capacity(asked.len());
        let mut elsewhere = Vec::new();
        for (at, number) in places.into_iter().enumerate() {
            let Some(node) = self.nodes.get_mut(number) else { continue };
            match answer_of(&mut node.connection) {
                Ok(answer) => answers.push(answer),
                Err(e) if self.is_cluster() && e.code() == Some("ASK") => {
                    let place = e.redirect_node().map(|(place, _)| place.to_owned());
                    elsewhere.push((at, place.unwrap_or_default()));
                    answers.push(Value::Nil);
                }
                Err(e) => return Err(self.fault_at(number, &e)),
            }
        }
        // Keys that have gone ahead of their slot.
        for (at, place) in elsewhere {
            if let (Some(command), Some(answer)) = (asked.get(at), answers.get_mut(at)) {
                *answer = self.ask_ahead(&place, &command.cmd)?;
            }
        }
        Ok(answers)
    }

    /// The number of the server that has a slot.
    fn number_of(&self, slot: u16) -> Result<usize, LinkFault> {
        if self.told.is_none() {
            return Ok(0);
        }
        let found = self.slots.iter().find(|(first, last, _)| (*first..=*last).contains(&slot));
        let number = found.map(|(_, _, number)| *number);
        number.ok_or_else(|| LinkFault::Away(format!("no server of the cluster has slot {slot}")))
    }

    /// Asks the server that a slot is on its way to.
    fn ask_ahead(&mut self, place: &str, asked: &Cmd) -> Result<Value, LinkFault> {
        let number = match self.nodes.iter().position(|node| node.at == place) {
            Some(number) => number,
            None => {
                let (node, _) = self.connector.node_at(place)?;
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        let Some(node) = self.nodes.get_mut(number) else { return Ok(Value::Nil) };
        let answer = cmd("ASKING").exec(&mut node.connection);
        let answer = answer.and_then(|()| asked.query(&mut node.connection));
        answer.map_err(|e| self.fault_at(number, &e))
    }
}

/// The next answer of a server.
fn answer_of(connection: &mut Connection) -> RedisResult<Value> {
    connection.recv_response().and_then(Value::extract_error)
}
