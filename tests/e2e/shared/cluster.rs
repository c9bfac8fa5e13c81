//! A state at a real cluster: three masters without replicas, made by the test.
//!
//! In: runs and commands, a slot that moves, a server that dies, comes back, or comes back empty. Out: whether
//! the cluster is one state, and no term is decided by guess.

use super::server::{KEEPS, Server, free_port};
use super::{ALICE, BOB, CAROL};
use crate::stream::Live;
use crate::support::{Call, Folder, call, repository, run, stack_lines};

/// The masters.
pub(super) struct Cluster {
    pub(super) nodes: Vec<Server>,
    pub(super) ports: Vec<u16>,
}

impl Cluster {
    /// Three masters; `None` where no server is installed.
    pub(super) fn start() -> Option<Self> {
        let ports: Vec<(u16, u16)> = (0..3).map(|_| (free_port(), free_port())).collect();
        let mut nodes = Vec::new();
        for (port, bus) in &ports {
            let (port, bus) = (port.to_string(), bus.to_string());
            let own = ["--bind", "127.0.0.1", "--port", &port, "--cluster-port", &bus];
            let cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "30000"];
            nodes.push(Server::start_with(&[&KEEPS[..], &own, &cluster].concat())?);
        }
        for (number, slots) in
            [("0", "5460"), ("5461", "10922"), ("10923", "16383")].iter().enumerate()
        {
            let node = &nodes[number];
            assert_eq!(node.ask(&["CLUSTER", "ADDSLOTSRANGE", slots.0, slots.1]), "+OK");
            let epoch = (number + 1).to_string();
            assert_eq!(node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]), "+OK");
        }
        for (port, bus) in &ports[1..] {
            let (port, bus) = (port.to_string(), bus.to_string());
            assert_eq!(nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]), "+OK");
        }
        for node in &nodes {
            node.wait_for("Cluster state changed: ok");
        }
        Some(Self { nodes, ports: ports.into_iter().map(|(port, _)| port).collect() })
    }

    /// The address, by the first two of the masters.
    pub(super) fn address(&self) -> String {
        format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", self.ports[0], self.ports[1])
    }

    /// The number of the master that has a key, and the key's slot.
    fn owner_of(&self, key: &str) -> (usize, String) {
        let slot = self.nodes[0].ask(&["CLUSTER", "KEYSLOT", key]);
        let slot: usize = slot.strip_prefix(':').unwrap().parse().unwrap();
        (slot * 3 / 16384, slot.to_string())
    }

    /// The names of this tenant's terms.
    fn terms(&self) -> Vec<String> {
        let all = self
            .nodes
            .iter()
            .map(|node| node.ask(&["KEYS", "{default:[0-9a-f][0-9a-f]}:default:*"]));
        let all: Vec<String> = all.collect();
        let names = all.iter().flat_map(|names| names.lines());
        names.filter(|line| line.starts_with('{')).map(str::to_owned).collect()
    }
}

fn over(cluster: &Cluster, events: &[(&str, &str, &str)]) -> Call {
    run().arg("--state").arg(cluster.address()).arg("-").pipe(stack_lines(events))
}

#[test]
fn a_cluster_is_one_state_and_moves_there_and_back() {
    let Some(cluster) = Cluster::start() else { return };
    let samples = repository("samples/cloudtrail");
    let memory = run().arg(&samples).ok().stdout;
    let over = || run().arg("--state").arg(cluster.address()).arg(&samples);
    let first = over().ok();
    assert_eq!(first.stdout, memory);
    assert!(first.stderr.contains("redis+cluster://127.0.0.1:"), "{}", first.stderr);
    let again = over().ok();
    assert_eq!((again.count("alerts"), again.count("repeats")), (0, 7));
    assert_eq!(again.stdout, memory);
    // Each master has some of it.
    let names = cluster.terms();
    let mut owners: Vec<usize> = names.iter().map(|name| cluster.owner_of(name).0).collect();
    owners.sort_unstable();
    owners.dedup();
    assert!(names.len() == 6 && owners.len() > 1, "{names:?} at {owners:?}");
    let folder = Folder::new();
    let (file, back) = (folder.path("s.redb"), folder.path("back.redb"));
    let state = |command: &str| call("state").arg(command);
    let export = |from: &str| state("export").arg(from).ok().stdout;
    let address = cluster.address();
    state("migrate").arg(&address).arg(&file).ok();
    assert_eq!(export(&address), export(file.to_str().unwrap()));
    let dana = ["--term", "111122223333", "--term", "dana", "--reason", "OPS-6"];
    state("approve").arg(&file).args(&dana).ok();
    let done = state("migrate").arg(&file).arg(&address).ok();
    assert!(done.stderr.contains("7 terms: 1 new, 6 known"), "{}", done.stderr);
    state("migrate").arg(&address).arg(&back).ok();
    assert_eq!(export(back.to_str().unwrap()), export(file.to_str().unwrap()));
    state("forget").arg(&address).args(&["--term", "111122223333", "--term", "bob"]).ok();
    let log = state("log").arg(&address).ok().stdout;
    assert!(log.contains("bob") && log.contains("migrate"), "{log}");
    let stats = state("stats").arg(&address).args(&["--format", "pretty"]).ok().stdout;
    assert!(stats.contains("6 terms of 1 rule\n"), "{stats}");
    assert_eq!(state("list").arg(&address).ok().lines().len(), 6);
    state("verify").arg(&address).ok();
    // The wrong kind of address is told which is right.
    let one = format!("redis://127.0.0.1:{}", cluster.ports[0]);
    run().arg("--state").arg(one).arg("-").pipe("").fails(&["write redis+cluster://"]);
    let Some(server) =
        Server::start_with(&[&KEEPS[..], &["--port", &free_port().to_string()]].concat())
    else {
        return;
    };
    let port = server.ask(&["CONFIG", "GET", "port"]);
    let port = port.lines().last().unwrap();
    let wrong = format!("redis+cluster://127.0.0.1:{port}");
    run().arg("--state").arg(wrong).arg("-").pipe("").fails(&["write redis://"]);
}

/// A slot moves while a run is connected: its terms are found on their way and where they have come to.
#[test]
fn a_term_is_known_while_its_slot_moves() {
    let Some(cluster) = Cluster::start() else { return };
    let mut live = Live::start(run().arg("--state").arg(cluster.address()).arg("-"));
    live.write(stack_lines(&[ALICE]));
    assert_eq!(live.next_id(), "a");
    let name = cluster.terms().pop().expect("a term");
    let (from, slot) = cluster.owner_of(&name);
    let to = (from + 1) % 3;
    let id = |number: usize| {
        let id = cluster.nodes[number].ask(&["CLUSTER", "MYID"]);
        id.lines().last().unwrap().to_owned()
    };
    let (source, target) = (&cluster.nodes[from], &cluster.nodes[to]);
    assert_eq!(target.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]), "+OK");
    assert_eq!(source.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]), "+OK");
    live.write(stack_lines(&[ALICE]));
    assert_eq!(live.next_id(), "a");
    let mark = format!("{{{}}}:state", &name[1..name.find('}').unwrap()]);
    let port = cluster.ports[to].to_string();
    for key in [&name, &mark] {
        assert_eq!(source.ask(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]), "+OK");
    }
    // The source says who has it by now, to a connection of before and to a new one.
    live.write(stack_lines(&[ALICE]));
    assert_eq!(live.next_id(), "a");
    assert_eq!(over(&cluster, &[ALICE]).ok().count("repeats"), 1);
    for node in [to, from, (from + 2) % 3] {
        assert_eq!(cluster.nodes[node].ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]), "+OK");
    }
    live.write(stack_lines(&[ALICE]));
    assert_eq!(live.next_id(), "a");
    assert_eq!(over(&cluster, &[ALICE]).ok().count("repeats"), 1);
    let (rest, status, errors) = live.end_with_errors();
    assert_eq!((rest.len(), status), (0, Some(0)), "{errors}");
    assert!(!errors.contains("away"), "{errors}");
}

#[test]
fn a_master_that_is_away_is_waited_for_and_one_that_forgot_is_refused() {
    let Some(mut cluster) = Cluster::start() else { return };
    let mut live = Live::start(run().arg("--state").arg(cluster.address()).arg("-"));
    live.write(stack_lines(&[ALICE]));
    assert_eq!(live.next_id(), "a");
    let (owner, _) = cluster.owner_of(&cluster.terms().pop().expect("a term"));
    cluster.nodes[owner].kill();
    live.write(stack_lines(&[BOB, ALICE]));
    over(&cluster, &[CAROL]).args(&["--state-wait", "0"]).fails(&["away for 0 s", "not lost"]);
    cluster.nodes[owner].launch();
    assert_eq!((live.next_id(), live.next_id()), ("b".to_owned(), "a".to_owned()));
    let errors = {
        // Its data are gone, and it still has its slots.
        let node = &mut cluster.nodes[owner];
        node.kill();
        node.forget_terms();
        node.launch();
        live.write(stack_lines(&[ALICE, BOB]));
        let (rest, status, errors) = live.end_with_errors();
        assert_eq!((rest.len(), status), (0, Some(2)), "{errors}");
        errors
    };
    assert!(errors.contains("nothing is decided until it is back"), "{errors}");
    assert!(errors.contains("came back without this state"), "{errors}");
    let meta = cluster.owner_of("{default:meta}:state").0;
    let other = if owner == meta { (owner + 1) % 3 } else { meta };
    for number in [owner, other] {
        if number == other {
            let node = &mut cluster.nodes[other];
            node.kill();
            node.forget_terms();
            node.launch();
        }
        let gone =
            if number == meta { "the state itself is gone" } else { "parts of the state are gone" };
        over(&cluster, &[ALICE]).fails(&[gone, "--allow-weak-state"]);
        let stats = call("state").arg("stats").arg(cluster.address()).end();
        assert!(stats.stderr.contains(gone), "{}", stats.stderr);
        // Told to go on: what is gone alerts again, and is known from then on.
        let done = over(&cluster, &[ALICE]).arg("--allow-weak-state").ok();
        assert!(done.stderr.contains(gone), "{}", done.stderr);
        assert_eq!(done.count("alerts"), u64::from(number == owner), "{}", done.stderr);
        let done = over(&cluster, &[ALICE]).ok();
        assert!(done.count("repeats") == 1 && !done.stderr.contains(gone), "{}", done.stderr);
    }
    assert_eq!(over(&cluster, &[ALICE, BOB]).ok().alert_ids(), ["a", "b"]);
}

#[test]
fn each_master_has_to_keep_what_it_is_told() {
    let Some(cluster) = Cluster::start() else { return };
    let last = format!("127.0.0.1:{}", cluster.ports[2]);
    cluster.nodes[2].ask(&["CONFIG", "SET", "appendfsync", "everysec"]);
    over(&cluster, &[ALICE]).fails(&[&last, "appendfsync is everysec", "--allow-weak-state"]);
    for node in &cluster.nodes {
        assert_eq!(node.ask(&["DBSIZE"]), ":0");
    }
    let done = over(&cluster, &[ALICE]).arg("--allow-weak-state").ok();
    assert!(done.stderr.contains("appendfsync is everysec"), "{}", done.stderr);
    assert_eq!(done.alert_ids(), ["a"]);
}
