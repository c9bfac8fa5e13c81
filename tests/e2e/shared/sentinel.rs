//! A state at the master that a real sentinel names, and a failover.

use super::server::{KEEPS, Server, free_port};
use super::{ALICE, BOB, CAROL};
use crate::stream::Live;
use crate::support::{Folder, call, run, stack_lines};

struct Watched {
    master: Server,
    _replica: Server,
    sentinel: Server,
    address: String,
}

/// A master, its replica, and a sentinel that knows both.
fn start() -> Option<Watched> {
    let (port, port_of_replica) = (free_port().to_string(), free_port().to_string());
    let port_of_sentinel = free_port();
    let local = ["--bind", "127.0.0.1", "--port"];
    let master = Server::start_with(&[&KEEPS[..], &local, &[&port]].concat())?;
    let of = format!("127.0.0.1 {port}");
    let replica = [&port_of_replica, "--replicaof", &of, "--repl-diskless-sync-delay", "0"];
    let replica = Server::start_with(&[&KEEPS[..], &local, &replica].concat())?;
    master.wait_for("Synchronization with replica");
    let config = format!(
        "sentinel monitor mymaster 127.0.0.1 {port} 1\n\
         sentinel down-after-milliseconds mymaster 600000\n"
    );
    let sentinel = Server::sentinel(port_of_sentinel, &config)?;
    sentinel.wait_for("+slave slave");
    // The first one is no sentinel any more.
    let address = format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{port_of_sentinel}/mymaster/1");
    Some(Watched { master, _replica: replica, sentinel, address })
}

/// What docs/state.md promises: after a failover terms may alert again, and no alert is lost.
#[test]
fn a_run_follows_the_master() {
    let Some(mut watched) = start() else { return };
    let address = watched.address.clone();
    let mut live = Live::start(run().arg("--state").arg(&address).arg("-"));
    live.write(stack_lines(&[ALICE]));
    assert_eq!(live.next_id(), "a");
    assert_eq!(watched.master.ask(&["WAIT", "1", "0"]), ":1");
    // It has to have asked the replica before.
    while watched.sentinel.ask(&["SENTINEL", "FAILOVER", "mymaster"]) != "+OK" {
        watched.master.ask(&["WAIT", "2", "100"]);
    }
    watched.sentinel.wait_for("+switch-master");
    // Nobody tells the old master yet: what it takes now, the new one does not know.
    watched.sentinel.kill();
    live.write(stack_lines(&[BOB]));
    assert_eq!(live.next_id(), "b");
    watched.master.kill();
    live.write(stack_lines(&[("b2", "2025-04-01T11:00:00Z", "bob"), ALICE, CAROL]));
    watched.sentinel.launch();
    let again: Vec<String> = (0..3).map(|_| live.next_id()).collect();
    assert_eq!(again, ["b2", "a", "c"], "bob alerts again, alice is known");
    let (rest, status, errors) = live.end_with_errors();
    assert_eq!((rest.len(), status), (0, Some(0)), "{errors}");
    assert!(errors.contains("nothing is decided until it is back"), "{errors}");
    let done = run().arg("--state").arg(&address).arg("-").pipe(stack_lines(&[ALICE, CAROL])).ok();
    assert_eq!((done.count("alerts"), done.count("repeats")), (0, 2));
    assert_eq!(call("state").arg("list").arg(&address).ok().lines().len(), 3);
    let unknown = address.replace("mymaster", "other");
    let over = |state: &str| {
        run().arg("--state").arg(state).args(&["--state-wait", "0"]).arg("-").pipe("")
    };
    over(&unknown).fails(&["knows no master other"]);
    let (_, sentinel) = address.rsplit_once(',').unwrap();
    let sentinel = sentinel.split('/').next().unwrap();
    over(&format!("redis://{sentinel}")).fails(&["write redis+sentinel://"]);
    // Sentinels have users of their own.
    let folder = Folder::new();
    let password = folder.write("password", "s3cret\n");
    let rights = ["on", ">s3cret", "-@all", "+sentinel|get-master-addr-by-name"];
    let user = [&["ACL", "SETUSER", "ann"], &rights[..]].concat();
    assert_eq!(watched.sentinel.ask(&user), "+OK");
    watched.sentinel.ask(&["ACL", "SETUSER", "default", "off"]);
    over(&address).fails(&["does not take this user and password"]);
    let user = format!("sentinel_user=ann&sentinel_password_file={}", password.display());
    over(&format!("{address}?{user}")).ok();
}

/// A server that is made a replica keeps its connections, and answers reads.
#[test]
fn a_server_that_is_made_a_replica_is_away() {
    let Some(server) = Server::start() else { return };
    let mut live = Live::start(run().arg("--state").arg(server.address()).arg("-"));
    live.write(stack_lines(&[ALICE]));
    assert_eq!(live.next_id(), "a");
    assert_eq!(server.ask(&["REPLICAOF", "127.0.0.1", "1"]), "+OK");
    live.write(stack_lines(&[BOB]));
    let file = run().arg("--state").arg(server.address()).args(&["--state-wait", "0"]);
    file.arg("-").pipe(stack_lines(&[CAROL])).fails(&["away for 0 s", "replica"]);
    assert_eq!(server.ask(&["REPLICAOF", "NO", "ONE"]), "+OK");
    assert_eq!(live.next_id(), "b");
    let (rest, status, errors) = live.end_with_errors();
    assert_eq!((rest.len(), status), (0, Some(0)), "{errors}");
}
