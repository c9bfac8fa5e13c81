//! Finds the servers of an address, and connects to them.
//!
//! In: an address. Out: greeted connections: to one server, to the master that sentinels name now, or to all
//! masters of a cluster. What was found before is no more than a place to ask: each call asks anew where they
//! are. It waits for nobody longer than the timeouts here.

use super::address::{ServerAddress, ServerPlace};
use super::fault::{LinkFault, fault};
use super::greet::greet;
use super::hosts::ServerForm;
use super::nodes::{ServerNode, ServerNodes, SlotTable};
use crate::escape::escaped;
use crate::state::StateError;
use crate::state::shared::WeakServer;
use redis::{
    Client, Connection, ErrorKind, RedisConnectionInfo, RedisError, RedisResult, Value, cmd,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that has not answered by then is away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What it takes to connect.
pub(super) struct Connector {
    pub(super) address: ServerAddress,
    pub(super) read_only: bool,
    pub(super) weak: WeakServer,
    /// Which of the servers in the address is asked first.
    turn: Cell<usize>,
    /// The masters of the cluster when it was asked last.
    known: RefCell<Vec<(String, u16)>>,
    /// Whether a state was found: an address that is wrong is found out before.
    pub(super) is_right: Cell<bool>,
}

impl Connector {
    pub(super) fn new(address: ServerAddress, read_only: bool, weak: WeakServer) -> Self {
        let (turn, known, is_right) = (Cell::new(0), RefCell::default(), Cell::new(false));
        Self { address, read_only, weak, turn, known, is_right }
    }

    pub(super) fn form(&self) -> ServerForm {
        match self.address.servers {
            ServerPlace::One(_) => ServerForm::One,
            ServerPlace::Cluster(_) => ServerForm::Cluster,
            ServerPlace::Sentinels(..) => ServerForm::Sentinel,
        }
    }

    /// Connects to all servers of the state.
    pub(super) fn connect(self: &Rc<Self>) -> Result<ServerNodes, LinkFault> {
        let connector = Rc::clone(self);
        match &self.address.servers {
            ServerPlace::One(client) => {
                let (node, weak) = self.greeted(client, String::new())?;
                Ok(ServerNodes::one(connector, node, weak))
            }
            ServerPlace::Sentinels(sentinels, master) => {
                let (host, port) = self.master_of(sentinels, master)?;
                let (node, weak) = self.node_at(&format!("{host}:{port}"))?;
                Ok(ServerNodes::one(connector, node, weak))
            }
            ServerPlace::Cluster(seeds) => {
                let told = self.slots(seeds)?;
                let mut places: Vec<(String, u16)> =
                    told.iter().map(|(_, _, place)| place.clone()).collect();
                places.sort_unstable();
                places.dedup();
                self.known.borrow_mut().clone_from(&places);
                let (mut masters, mut weak) = (Vec::new(), Vec::new());
                for (host, port) in places {
                    let (node, of_node) = self.node_at(&format!("{host}:{port}"))?;
                    weak.extend(of_node.map(|text| format!("{}: {text}", node.at)));
                    masters.push(((host, port), node));
                }
                let weak = (!weak.is_empty()).then(|| weak.join("; "));
                Ok(ServerNodes::cluster(connector, told, masters, weak))
            }
        }
    }

    /// A server that was told of, greeted, and what it may lose.
    pub(super) fn node_at(&self, at: &str) -> Result<(ServerNode, Option<String>), LinkFault> {
        let place = at.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let Some((host, port)) = place else {
            return Err(LinkFault::Away(format!("no server's place: {}", escaped(at))));
        };
        let client = self.address.node.client(host, port).map_err(|reason| self.never(reason))?;
        self.greeted(&client, at.to_owned())
    }

    fn greeted(
        &self,
        client: &Client,
        at: String,
    ) -> Result<(ServerNode, Option<String>), LinkFault> {
        let connection = open(client).map_err(|e| self.fault_of_new(&at, &e))?;
        let mut node = ServerNode { at, connection };
        let weak = greet(&mut node, self)?;
        Ok((node, weak))
    }

    /// The master that the first sentinel names which answers and knows it.
    fn master_of(&self, sentinels: &[Client], name: &str) -> Result<(String, u16), LinkFault> {
        let mut ask = cmd("SENTINEL");
        ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        let ask_one = |client: &Client, at: String| {
            let asked = open(client).and_then(|mut sentinel| ask.query(&mut sentinel));
            let place: Option<(String, u16)> = asked.map_err(|e| self.fault(&at, &e))?;
            let unknown = || format!("the sentinel {at} knows no master {}", escaped(name));
            place.ok_or_else(|| self.never(unknown()))
        };
        let none = |away: Option<LinkFault>, never: Option<LinkFault>| {
            // Once it was right, it knew the master before.
            let fault = if self.is_right.get() { away } else { never.or(away) };
            fault.unwrap_or_else(|| LinkFault::Away("no sentinel knows the master now".to_owned()))
        };
        first_answer(self.in_turn(sentinels), ask_one, none)
    }

    /// Where the slots are, by the first server that answers.
    fn slots(&self, seeds: &[Client]) -> Result<SlotTable, LinkFault> {
        let known = self.known.borrow();
        let known =
            known.iter().filter_map(|(host, port)| self.address.node.client(host, *port).ok());
        let known: Vec<Client> = known.collect();
        let ask_one = |client: &Client, at: String| {
            let connection = open(client).map_err(|e| self.fault(&at, &e))?;
            self.slots_of(&mut ServerNode { at, connection })
        };
        let none = |away: Option<LinkFault>, never: Option<LinkFault>| {
            let fault = if self.is_right.get() { away.or(never) } else { never.or(away) };
            fault.unwrap_or_else(|| LinkFault::Away("no server was asked".to_owned()))
        };
        first_answer(self.in_turn(seeds).chain(&known), ask_one, none)
    }

    /// Where the slots are, as this server knows it.
    pub(super) fn slots_of(&self, node: &mut ServerNode) -> Result<SlotTable, LinkFault> {
        let asked: RedisResult<Value> = cmd("CLUSTER").arg("SLOTS").query(&mut node.connection);
        let answer = match asked {
            Err(e) if e.to_string().contains("cluster support disabled") => {
                let text = format!("{} is no server of a cluster: write redis://", node.at);
                return Err(self.never(text));
            }
            answer => answer.map_err(|e| self.fault(&node.at, &e))?,
        };
        let host = node.at.rsplit_once(':').map_or("", |(host, _)| host);
        let told = read_slots(answer, host);
        told.filter(|told| !told.is_empty()).ok_or_else(|| {
            LinkFault::Away(format!("{}: the cluster names no server of any slot", node.at))
        })
    }

    /// Each of the servers, another one first each time.
    fn in_turn<'c>(&self, clients: &'c [Client]) -> impl Iterator<Item = &'c Client> + use<'c> {
        let turn = self.turn.replace(self.turn.get().wrapping_add(1)) % clients.len().max(1);
        let (before, from) = clients.split_at(turn);
        from.iter().chain(before)
    }

    pub(super) fn never(&self, reason: String) -> LinkFault {
        LinkFault::Never(StateError::Failed { path: self.address.name.clone(), reason })
    }

    pub(super) fn fault(&self, at: &str, error: &RedisError) -> LinkFault {
        fault(&self.address.name, at, error)
    }

    /// The same of a connection that is new: before the first one it may be that TLS is wanted, or is not.
    pub(super) fn fault_of_new(&self, at: &str, error: &RedisError) -> LinkFault {
        let hint = match self.address.node.is_tls() {
            _ if self.is_right.get() => "",
            true if error.is_timeout() => "; a server without TLS is written redis://",
            false if is_of_tls(error) => "; a server that has TLS is written rediss://",
            _ => "",
        };
        match self.fault(at, error) {
            LinkFault::Away(text) => LinkFault::Away(text + hint),
            fault => fault,
        }
    }
}

/// Asks one server after the other, by its place, until one answers. `none` makes one fault of those of the rest:
/// the first that was away, the first that will never do.
fn first_answer<'c, T>(
    clients: impl Iterator<Item = &'c Client>,
    ask: impl Fn(&Client, String) -> Result<T, LinkFault>,
    none: impl FnOnce(Option<LinkFault>, Option<LinkFault>) -> LinkFault,
) -> Result<T, LinkFault> {
    let (mut away, mut never) = (None, None);
    for client in clients {
        match ask(client, client.get_connection_info().addr().to_string()) {
            Ok(answer) => return Ok(answer),
            Err(fault @ LinkFault::Never(_)) => never = never.or(Some(fault)),
            Err(fault) => away = away.or(Some(fault)),
        }
    }
    Err(none(away, never))
}

/// Connects and says who asks. The crate would do both, but would wait for ever for a server that takes a
/// connection and does not answer.
fn open(client: &Client) -> RedisResult<Connection> {
    let info = client.get_connection_info();
    let settings = info.redis_settings();
    let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
    let client = Client::open(info.clone().set_redis_settings(nobody))?;
    let mut connection = client.get_connection_with_timeout(CONNECT_TIMEOUT)?;
    connection.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    connection.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    if let Some(password) = settings.password() {
        let mut auth = cmd("AUTH");
        if let Some(user) = settings.username() {
            auth.arg(user);
        }
        auth.arg(password).exec(&mut connection)?;
    }
    if settings.db() != 0 {
        cmd("SELECT").arg(settings.db()).exec(&mut connection)?;
    }
    Ok(connection)
}

/// Whether a server with TLS ends a plain connection like this: it closes it, or answers in its own way.
fn is_of_tls(error: &RedisError) -> bool {
    let is_closed = error.is_connection_dropped() && !error.is_connection_refusal();
    matches!(error.kind(), ErrorKind::Parse)
        || is_closed && !error.to_string().contains("No such file")
}

/// The answer to CLUSTER SLOTS: ranges, and the master of each first. A server that does not know its own
/// name has the one by which it was asked.
fn read_slots(answer: Value, asked: &str) -> Option<SlotTable> {
    let Value::Array(ranges) = answer else { return None };
    let range = |range: Value| {
        let Value::Array(parts) = range else { return None };
        let mut parts = parts.into_iter();
        let (Value::Int(first), Value::Int(last)) = (parts.next()?, parts.next()?) else {
            return None;
        };
        let Value::Array(master) = parts.next()? else { return None };
        let mut master = master.into_iter();
        let host = match master.next()? {
            Value::BulkString(host) => String::from_utf8(host).ok()?,
            Value::Nil => String::new(),
            _ => return None,
        };
        let Value::Int(port) = master.next()? else { return None };
        let host = if matches!(host.as_str(), "" | "?") { asked.to_owned() } else { host };
        let number = |number: i64| u16::try_from(number).ok();
        Some((number(first)?, number(last)?, (host, number(port)?)))
    };
    ranges.into_iter().map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_the_place_of_their_master() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let range = |first, last, nodes: Vec<Value>| {
            Value::Array([vec![Value::Int(first), Value::Int(last)], nodes].concat())
        };
        let node = |host, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let answer = Value::Array(vec![
            range(0, 9, vec![node(text("a"), 1), node(text("replica"), 2)]),
            range(10, 16383, vec![node(Value::Nil, 3)]),
        ]);
        let told = read_slots(answer, "seed").unwrap();
        assert_eq!(told, [(0, 9, ("a".into(), 1)), (10, 16383, ("seed".into(), 3))]);
        for wrong in [
            Value::Nil,
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![range(0, 70_000, vec![node(text("a"), 1)])]),
            Value::Array(vec![range(0, 1, vec![node(Value::Int(1), 1)])]),
            Value::Array(vec![range(0, 1, vec![])]),
        ] {
            assert_eq!(read_slots(wrong, "seed"), None);
        }
    }
}
