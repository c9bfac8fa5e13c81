//! What single senders need: their own lines back, or no answer at all.
//!
//! In: requests as these senders make them. Out: their answers, or that there is none.

use super::client::{Server, request};
use super::{bulk, events_of, ids};
use crate::support::{Folder, create_stack, gzip, json_lines};
use serde_json::json;
use std::io::Write;
use std::net::TcpStream;

#[test]
fn a_sender_that_asks_gets_its_own_lines_with_their_alerts() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--annotate"]);
    let other = "{\"eventSource\":\"ec2.amazonaws.com\",\"eventName\":\"RunInstances\"}\r\n";
    let body = format!("{}{other}no JSON\n{}", events_of(&["ann", "bo"]), events_of(&["ann"]));
    let body = body.trim_end();
    let answer = server.post("/events?alerts", &gzip(body));
    assert_eq!((answer.status, answer.header("firstseen-alerts")), (200, Some("2")));
    let text = answer.text();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    assert_eq!((lines.len(), &lines[2..4]), (5, &[other, "no JSON\n"][..]));
    let sent: Vec<_> = body.lines().collect();
    for (line, sent) in [(lines[0], sent[0]), (lines[1], sent[1])] {
        // The line as it was, and its alert behind its last member.
        assert!(line.starts_with(sent.trim_end_matches('}')), "{line}");
        let [line] = &json_lines(line)[..] else { panic!("{line}") };
        let [alert] = &line["firstseen_alerts"].as_array().unwrap()[..] else { panic!("{line}") };
        assert_eq!(alert["kibana.alert.ancestors"][0]["id"], line["eventID"]);
    }
    // The same event again is a repeat, whose alert who sends it may ask for.
    assert_eq!(
        json_lines(lines[4])[0]["firstseen_alerts"],
        json_lines(lines[0])[0]["firstseen_alerts"]
    );
    // Sent again: the same bytes. Who does not ask gets counts.
    assert_eq!(server.post("/events?alerts", body.as_bytes()).text(), text);
    assert_eq!(server.post("/events", body.as_bytes()).json()["repeats"], 3);
    // The output has the alerts, each once.
    assert_eq!(ids(&server.output()), ["id-ann", "id-bo"]);
    // A large body goes through a file.
    let many: Vec<_> = (0..3000).map(|n| format!("user{n}")).collect();
    let many = events_of(&many.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(many.len() > 1 << 20);
    let answer = server.post("/events?alerts", many.as_bytes()).text();
    let alerts =
        json_lines(&answer).iter().filter(|line| line["firstseen_alerts"][0].is_object()).count();
    assert_eq!((answer.lines().count(), alerts), (3000, 3000));
}

/// omelasticsearch has no name, and drops the documents of a request that is answered without results.
#[test]
fn who_would_drop_its_documents_is_not_told_to_wait() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--max-body", "64K"]);
    let mut document = create_stack("id-ann", super::DAY, "ann");
    document["padding"] = json!("x".repeat(60_000));
    let body = bulk(&[&document.to_string()]);
    let send = |headers: &[(&str, &str)]| {
        request(server.address(), "POST", "/logs-aws.cloudtrail-x/_bulk", body.as_bytes(), headers)
    };
    // Bodies that do not end take the room of four.
    let open = || {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let head = "POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        // Who has no room is answered before all of it is sent.
        let _ = stream.write_all(&[b' '; 60_000]);
        stream
    };
    let mut streams = Vec::new();
    let named = [("User-Agent", "elasticsearch-py/9.5.1")];
    let refused = loop {
        streams.push(open());
        let answer = send(&named).unwrap();
        if answer.status == 429 {
            break answer;
        }
    };
    assert_eq!(refused.json()["error"]["type"], json!("es_rejected_execution_exception"));
    assert!(refused.header("retry-after").is_some());
    send(&[]).expect_err("no answer");
    assert_eq!(server.get("/readyz").status, 200);
    drop(streams);
    let taken = loop {
        if let Ok(answer) = send(&[]) {
            break answer;
        }
    };
    assert_eq!((taken.status, &taken.json()["errors"]), (200, &json!(false)));
    assert_eq!(ids(&server.output()), ["id-ann"]);
    // What will never be taken is said to all.
    let answer = request(server.address(), "POST", "/_bulk", b"no pairs\n", &[]).unwrap();
    assert_eq!(answer.status, 400);
}
