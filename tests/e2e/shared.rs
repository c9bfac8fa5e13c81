//! A state that several processes share, at a real server.
//!
//! In: runs and commands over `/usr/bin/redis-server`, or what FIRSTSEEN_REDIS_SERVER names. Out: whether alerts, refusals and what is kept are
//! right. Where the server is not installed the tests say so, and do nothing.

mod cluster;
mod cutter;
mod races;
mod secured;
mod sentinel;
mod server;

use crate::stream::Live;
use crate::support::{Folder, call, repository, run, stack_lines};
use server::Server;

const ALICE: (&str, &str, &str) = ("a", "2025-04-01T08:00:00Z", "alice");
const BOB: (&str, &str, &str) = ("b", "2025-04-01T09:00:00Z", "bob");
const CAROL: (&str, &str, &str) = ("c", "2025-04-01T10:00:00Z", "carol");

#[test]
fn the_same_alerts_as_over_memory_and_again_as_repeats() {
    let Some(server) = Server::start() else { return };
    let samples = repository("samples/cloudtrail");
    let memory = run().arg(&samples).ok().stdout;
    let over = || run().arg("--state").arg(server.address()).arg(&samples);
    let first = over().ok();
    assert_eq!(first.stdout, memory);
    assert!(first.stderr.contains("tenant default, shared"), "{}", first.stderr);
    let again = over().ok();
    assert_eq!((again.count("alerts"), again.count("repeats")), (0, 7));
    assert_eq!(again.stdout, memory, "what may have been lost with a kill is given again");
    over().args(&["--repeats", "drop"]).fails(&["--repeats drop", "equal ids"]);
    let folder = Folder::new();
    let resumed = over().arg("--resume").arg("--output").arg(folder.path("alerts"));
    resumed.fails(&["--resume", "keeps no position"]);
    // Alerts that are there are not emptied by a run whose state knows them.
    let output = folder.write("full", "{}\n");
    over().arg("--output").arg(&output).fails(&["--append"]);
    // An explanation reads, and writes nothing.
    let explained = call("explain").arg("--state").arg(server.address()).arg(&samples).ok();
    assert!(explained.stdout.contains("alice"), "{}", explained.stdout);
    let keys = server.ask(&["DBSIZE"]);
    call("explain").arg("--state").arg(server.address()).arg(&samples).ok();
    assert_eq!(server.ask(&["DBSIZE"]), keys);
}

/// A rule that remembers for longer takes over what it knew, and its terms are its own.
#[test]
fn a_changed_window_reads_what_was_known_and_another_rule_is_refused() {
    let Some(server) = Server::start() else { return };
    let over =
        |event| run().arg("--state").arg(server.address()).arg("-").pipe(stack_lines(&[event]));
    over(ALICE).ok();
    let later = ("a2", "2025-04-21T08:00:00Z", "alice");
    let done = over(later).args(&["--forget-after", "30d"]).ok();
    assert!(done.stderr.contains("1 term are taken over"), "{}", done.stderr);
    assert_eq!((done.count("alerts"), done.count("repeats")), (0, 0));
    // And back: the last sighting counts, and is older than the window of ten days.
    let still_later = ("a3", "2025-05-11T08:00:00Z", "alice");
    assert_eq!(over(still_later).ok().alert_ids(), ["a3"]);
    // What is refused is refused before anything is asked, and before anything is taken over.
    let limited = run().arg("--state").arg("redis://127.0.0.1:1").arg("-").pipe("");
    let done = limited.args(&["--max-terms", "10"]).fails(&["--max-terms"]);
    assert!(!done.stderr.contains("away"), "{}", done.stderr);
    let folder = Folder::new();
    let output = folder.write("full", "{}\n");
    let full = over(later).args(&["--forget-after", "40d"]).arg("--output").arg(&output);
    let done = full.fails(&["--append"]);
    assert!(!done.stderr.contains("taken over"), "{}", done.stderr);
    // Another rule's name at the prefix.
    let owners = server.ask(&["HGETALL", "{default:meta}:owner"]);
    let mut prefixes = owners.lines().filter(|line| line.starts_with("default:"));
    let prefix = prefixes.find(|prefix| prefix.ends_with(":7bd73666cc3b5286:")).expect("an owner");
    let other = r#"{"rule":"another","digest":"00"}"#;
    server.ask(&["HSET", "{default:meta}:owner", prefix, other]);
    for _ in 0..2 {
        let done = over(ALICE).end();
        assert_eq!(done.status, Some(2), "{}", done.stderr);
        assert!(
            done.stderr.contains("another") && done.stderr.contains("--take-over"),
            "{}",
            done.stderr
        );
    }
    let done = over(ALICE).arg("--take-over").ok();
    assert!(done.stderr.contains("takes over"), "{}", done.stderr);
    let log = call("state").arg("log").arg(server.address()).ok().stdout;
    assert!(log.contains("take-over"), "{log}");
}

#[test]
fn a_stream_waits_while_the_server_is_away_and_a_file_does_not() {
    let Some(mut server) = Server::start() else { return };
    let mut live = Live::start(run().arg("--state").arg(server.address()).arg("-"));
    live.write(stack_lines(&[ALICE]));
    assert_eq!(live.next_id(), "a");
    server.kill();
    live.write(stack_lines(&[BOB, ALICE]));
    let folder = Folder::new();
    let input = folder.write("events", stack_lines(&[CAROL]));
    let file = || run().arg("--state").arg(server.address()).arg(&input);
    file().args(&["--state-wait", "0"]).fails(&["away for 0 s", "not lost"]);
    server.launch();
    // What was sent while it was away is decided, and what was known is known.
    assert_eq!((live.next_id(), live.next_id()), ("b".to_owned(), "a".to_owned()));
    let (rest, status, errors) = live.end_with_errors();
    assert_eq!((rest.len(), status), (0, Some(0)), "{errors}");
    assert!(errors.contains("nothing is decided until it is back"), "{errors}");
    assert!(errors.contains("back after"), "{errors}");
}

#[test]
fn a_server_that_forgot_the_state_is_not_taken_for_it() {
    let Some(mut server) = Server::start() else { return };
    let mut live = Live::start(run().arg("--state").arg(server.address()).arg("-"));
    live.write(stack_lines(&[ALICE]));
    assert_eq!(live.next_id(), "a");
    server.kill();
    server.forget();
    server.launch();
    live.write(stack_lines(&[ALICE, BOB]));
    let (rest, status, errors) = live.end_with_errors();
    assert_eq!((rest.len(), status), (0, Some(2)), "{errors}");
    assert!(errors.contains("came back without this state"), "{errors}");
}

#[test]
fn a_server_that_would_forget_is_refused_or_named() {
    let Some(server) = Server::start_with(&["--appendonly", "no"]) else { return };
    let over = || run().arg("--state").arg(server.address()).arg("-").pipe(stack_lines(&[ALICE]));
    over().fails(&["appendonly is no, not yes", "--allow-weak-state"]);
    assert_eq!(server.ask(&["DBSIZE"]), ":0");
    let done = over().arg("--allow-weak-state").ok();
    assert!(done.stderr.contains("appendonly is no"), "{}", done.stderr);
    assert_eq!(done.alert_ids(), ["a"]);
    for (name, weak) in [("appendfsync", "everysec"), ("maxmemory-policy", "allkeys-lru")] {
        server.ask(&["CONFIG", "SET", "appendonly", "yes", "appendfsync", "always"]);
        server.ask(&["CONFIG", "SET", name, weak]);
        over().fails(&[name, weak]);
    }
}

#[test]
fn a_value_of_a_newer_engine_is_refused_and_left_and_nothing_else_is_lost() {
    let Some(server) = Server::start() else { return };
    let over =
        |events| run().arg("--state").arg(server.address()).arg("-").pipe(stack_lines(events));
    over(&[ALICE]).ok();
    let names = server.ask(&["KEYS", "{default:[0-9a-f][0-9a-f]}:*"]);
    let name = names.lines().find(|line| line.starts_with("{default:")).expect("a term").to_owned();
    // The expiry, then the version of the layout.
    server.ask(&["SETRANGE", &name, "8", "\x07"]);
    let before = server.ask(&["GET", &name]);
    let done =
        over(&[BOB, ("a2", "2025-04-01T11:00:00Z", "alice"), CAROL]).fails(&["newer engine"]);
    assert_eq!(done.alert_ids(), ["b", "c"]);
    assert_eq!(server.ask(&["GET", &name]), before);
    let verify = call("state").arg("verify").arg(server.address()).end();
    assert_eq!(verify.status, Some(1), "{}{}", verify.stdout, verify.stderr);
    // So is a state whose own layout is newer, or another product's.
    server.ask(&["HSET", "{default:meta}:state", "format", "2"]);
    over(&[BOB]).fails(&["newer firstseen", "format 2"]);
    server.ask(&["HSET", "{default:meta}:state", "product", "other"]);
    over(&[BOB]).fails(&["no firstseen state"]);
}

#[test]
fn a_state_moves_to_a_server_and_back_and_is_corrected_there() {
    let Some(server) = Server::start() else { return };
    let folder = Folder::new();
    let (file, back) = (folder.path("s.redb"), folder.path("back.redb"));
    run().arg("--state").arg(&file).arg(repository("samples/cloudtrail")).ok();
    let state = |command: &str| call("state").arg(command);
    let dana = ["--term", "111122223333", "--term", "dana", "--reason", "OPS-6"];
    state("approve").arg(&file).args(&dana).ok();
    state("forget").arg(&file).args(&["--term", "111122223333", "--term", "bob"]).ok();
    let export = |from: &std::path::Path| state("export").arg(from).ok().stdout;
    let done = state("migrate").arg(&file).arg(server.address()).ok();
    assert!(done.stderr.contains("6 terms: 6 new"), "{}", done.stderr);
    let at_server = std::path::PathBuf::from(server.address());
    assert_eq!(export(&at_server), export(&file));
    let log = state("log").arg(server.address()).ok().stdout;
    assert!(log.contains("bob") && log.contains("migrate"), "{log}");
    state("migrate").arg(server.address()).arg(&back).ok();
    assert_eq!(export(&back), export(&file));
    let done = state("migrate").arg(&back).arg(server.address()).ok();
    assert!(done.stderr.contains("6 terms: 6 known"), "{}", done.stderr);
    // Read, corrected, and used by a run at the same time.
    let carol = ["--term", "111122223333", "--term", "carol"];
    let seen = state("get").arg(server.address()).args(&carol).ok().stdout;
    assert!(seen.contains("2025-03-14"), "{seen}");
    let term = ["--term", "111122223333", "--term", "erin", "--reason", "OPS-7"];
    state("approve").arg(server.address()).args(&term).ok();
    state("forget").arg(server.address()).args(&carol).ok();
    assert_eq!(state("get").arg(server.address()).args(&carol).end().status, Some(1));
    let stats = state("stats").arg(server.address()).args(&["--format", "pretty"]).ok().stdout;
    assert!(stats.contains("6 terms of 1 rule\n"), "{stats}");
    assert_eq!(state("list").arg(server.address()).ok().lines().len(), 6);
    state("verify").arg(server.address()).ok();
    state("compact").arg(server.address()).fails(&["no file"]);
    let erin = stack_lines(&[
        ("e", "2025-03-21T08:00:00Z", "erin"),
        ("f", "2025-03-21T09:00:00Z", "carol"),
    ]);
    let done = run().arg("--state").arg(server.address()).arg("-").pipe(erin).ok();
    assert_eq!((done.count("learned"), done.alert_ids()), (1, vec!["f".to_owned()]));
    // One tenant's terms do not become another's.
    let other = format!("{}?tenant=acme", server.address());
    state("migrate").arg(&file).arg(&other).fails(&["tenant default"]);
    let done = state("import").arg(&other).arg("-").pipe(export(&file)).end();
    assert_eq!(done.status, Some(2), "{}", done.stderr);
    assert_eq!(server.ask(&["EXISTS", "{acme:meta}:state"]), ":0");
    state("stats").arg(other).fails(&["no run has made a state there yet"]);
    // What is taught there is shared too.
    let learned = call("learn").arg("--state").arg(server.address()).arg("-");
    learned.pipe(stack_lines(&[("z", "2025-03-21T10:00:00Z", "zoe")])).ok();
    let zoe = stack_lines(&[("z2", "2025-03-21T11:00:00Z", "zoe")]);
    assert_eq!(
        run().arg("--state").arg(server.address()).arg("-").pipe(zoe).ok().count("alerts"),
        0
    );
}

#[test]
fn what_is_not_supported_is_refused_without_the_secret() {
    let over = |state: &str| run().arg("--state").arg(state).arg("-").pipe("");
    for (state, word) in [
        ("redis-cluster://u:secret@a:1,b:2", "redis+cluster://HOST:PORT"),
        ("redis-sentinel://u:secret@a/m", "redis+sentinel://HOST:PORT/MASTER"),
        ("redis+sentinel://u:secret@a", "no name of a master"),
        ("redis+cluster://u:secret@127.0.0.1:1", "away for 0 s"),
        ("postgres://u:secret@a/m", "no state can be kept there"),
        ("redis://u:secret@h:x", "no address"),
        ("redis://u:secret@h?tenant=a*", "have to agree"),
        ("redis://u:secret@127.0.0.1:1/0", "away for 0 s"),
    ] {
        let done = over(state).args(&["--state-wait", "0"]).fails(&[word]);
        assert!(!done.stderr.contains("secret"), "{}", done.stderr);
        let done = call("state").arg("stats").arg(state).end();
        assert!(done.status == Some(2) && !done.stderr.contains("secret"), "{}", done.stderr);
    }
}
