//! A service that is killed under a sender that sends again what was not answered.
//!
//! In: batches of events that all alert, kills at chosen moments. Out: each event has its alert; what is there twice has
//! the same bytes.

use super::client::{Server, answer, request};
use super::{bulk, events_of};
use crate::support::{Chance, Folder, call, create_stack, event_id, json_lines};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

/// Kills so often, in the middle of a request each time.
fn kills(times: u64, seed: u64) {
    println!("seed {seed}, {times} kills");
    let folder = Folder::new();
    let mut chance = Chance(seed);
    let (mut sent, mut answered) = (0, 0);
    for round in 0..times {
        let server = Server::start(&folder, &[]);
        let users: Vec<_> = (0..40).map(|n| format!("u{round}-{n}")).collect();
        let address = server.address().to_owned();
        let batches: Vec<Vec<String>> = users.chunks(4).map(<[String]>::to_vec).collect();
        sent += users.len();
        let unanswered = std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let is_answered = |batch: &&Vec<String>| {
                    let (path, body) = form(round, batch);
                    let answer = request(&address, "POST", path, body.as_bytes(), &[]);
                    answer.is_ok_and(|answer| answer.status == 200)
                };
                let (done, rest): (Vec<_>, Vec<_>) = batches.iter().partition(is_answered);
                (done.len(), rest)
            });
            // Somewhere in the middle: after so many lines are in the output.
            let lines = round as usize * 40 + chance.below(30) as usize;
            while std::fs::read_to_string(folder.path("alerts")).unwrap_or_default().lines().count()
                < lines
                && !sender.is_finished()
            {
                std::thread::yield_now();
            }
            server.kill();
            let (done, rest) = sender.join().unwrap();
            answered += done;
            rest
        });
        let server = Server::start(&folder, &[]);
        for batch in unanswered {
            let (path, body) = form(round, batch);
            let answer = server.post(path, body.as_bytes());
            assert_eq!(answer.status, 200, "{}", answer.text());
            // Whoever asks gets them all, whether they were written before or not.
            if path == EVENTS {
                assert_eq!(answer.text().lines().count(), batch.len());
            }
        }
        let (status, errors) = server.signal(Signal::TERM);
        assert_eq!(status, Some(143), "{errors}");
    }
    let output = std::fs::read_to_string(folder.path("alerts")).unwrap();
    let mut alerts: BTreeMap<String, String> = BTreeMap::new();
    for (line, alert) in output.lines().zip(json_lines(&output)) {
        // What was written and not committed was taken out, and came again.
        assert_eq!(
            alerts.insert(event_id(&alert), line.to_owned()),
            None,
            "an alert stands there twice"
        );
    }
    assert_eq!(alerts.len(), sent, "{answered} batches were answered before a kill");
}

const EVENTS: &str = "/events?alerts";

/// A batch, as one sender or another sends it.
fn form(round: u64, batch: &[String]) -> (&'static str, String) {
    if round.is_multiple_of(2) {
        let users: Vec<_> = batch.iter().map(String::as_str).collect();
        return (EVENTS, events_of(&users));
    }
    let documents: Vec<_> = batch.iter().map(|user| document(user)).collect();
    let documents: Vec<_> = documents.iter().map(String::as_str).collect();
    ("/logs-aws.cloudtrail-x/_bulk", bulk(&documents))
}

fn document(user: &str) -> String {
    create_stack(&format!("id-{user}"), super::DAY, user).to_string()
}

#[test]
fn nothing_is_lost_when_it_is_killed_under_a_sender_that_sends_again() {
    kills(10, 20_261_128);
}

/// The same for long: a hundred kills.
#[test]
#[ignore = "takes minutes; run by hand"]
fn nothing_is_lost_in_a_hundred_kills() {
    kills(100, 15);
}

/// rsyslog drops a bulk request whose answer is 503: one that arrives while the service starts waits until it has.
#[test]
fn a_request_that_arrives_too_early_waits() {
    let folder = Folder::new();
    let first = Server::start(&folder, &[]);
    // The second one waits for the state, which the first one has.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = call("serve").command;
    command.args(["--listen", &free, "--state-wait", "60s", "--output"]).arg(folder.path("second"));
    command.arg("--state").arg(folder.path("state"));
    let mut second = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut early = loop {
        assert!(second.try_wait().unwrap().is_none(), "it ended");
        if let Ok(stream) = TcpStream::connect(&free) {
            break stream;
        }
        std::thread::yield_now();
    };
    let body = bulk(&[&document("ann")]);
    let head = format!("POST /logs-aws.cloudtrail-x/_bulk HTTP/1.1\r\nHost: {free}\r\n");
    write!(early, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    assert_eq!(request(&free, "GET", "/readyz", b"", &[]).unwrap().status, 503);
    let (status, errors) = first.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
    let answer = answer(&mut BufReader::new(early)).unwrap();
    let alerts = std::fs::read_to_string(folder.path("second")).unwrap_or_default();
    second.kill().unwrap();
    second.wait().unwrap();
    assert_eq!(
        (answer.status, &answer.json()["errors"]),
        (200, &false.into()),
        "{}",
        answer.text()
    );
    assert_eq!(alerts.lines().count(), 1);
}

/// What was taken before SIGTERM is answered.
#[test]
fn a_signal_lets_open_requests_end() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let address = server.address().to_owned();
    let body: String = (0..300).map(|n| events_of(&[&format!("v{n}")])).collect();
    let sender = std::thread::spawn(move || {
        let mut done = 0;
        while let Ok(answer) = request(&address, "POST", "/events", body.as_bytes(), &[]) {
            if answer.status == 200 {
                done += 1;
            }
        }
        done
    });
    while std::fs::read_to_string(folder.path("alerts")).unwrap_or_default().is_empty() {
        std::thread::yield_now();
    }
    let (status, errors) = server.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
    let done: u64 = sender.join().unwrap();
    // Each answer is of a body that was judged, and each that was judged is answered.
    assert!(done > 0 && errors.contains(&format!("in {done} input")), "{done}: {errors}");
}
