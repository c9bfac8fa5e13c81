//! `explain`: why an event matched or not, and what the state would say.

use super::events::{hosts, login, logins, stack, stacks, three};
use super::scene::{Out, Scene};

/// Events that differ from a match in one thing each.
fn mixed() -> String {
    let good = stack("a", "2025-04-01T08:00:00Z", "alice");
    [
        good.clone(),
        good.replace("\"responseElements\"", "\"errorCode\":\"AccessDenied\",\"responseElements\""),
        good.replace("CreateStack", "DeleteStack"),
        good.replace(",\"userName\":\"alice\"", ""),
        good.replace("\"eventTime\"", "\"eventTimes\""),
        "{\"eventName\":\n".to_owned(),
    ]
    .concat()
}

#[test]
fn explain_each_event() {
    let mut scene = Scene::with(&[("bad", "tests/fixtures/bad")]);
    scene.write("mixed.ndjson", mixed());
    scene.title("for a person");
    scene.run("explain mixed.ndjson --format pretty");
    scene.title("for a machine");
    scene.run("explain mixed.ndjson");
    scene.title("only what matches");
    scene.run("explain mixed.ndjson --matched-only --format pretty");
    scene.pipe("explain - --matched-only", mixed());
    scene.title("into a file");
    scene.run("explain mixed.ndjson --matched-only --output out");
    scene.show("out");
    scene.title("faults");
    scene.run("explain bad/truncated.ndjson.gz --format pretty");
    scene.run("explain bad/invalid-utf8.ndjson --format pretty --matched-only");
    scene.run("explain bad/text.txt");
    scene.run_with("explain mixed.ndjson --format pretty", b"", Out::Closed);
    scene.run_with("explain mixed.ndjson", b"", Out::Full);
    scene.end("explain");
}

#[test]
fn explain_with_a_state() {
    let mut scene = Scene::new();
    scene.write("known.ndjson", stack("a", "2025-04-01T08:00:00Z", "alice"));
    scene.run("run known.ndjson --state s.redb --output out");
    let events = [
        stacks(&[("a", "08:00:00", "alice"), ("b", "08:30:00", "alice"), ("c", "09:00:00", "bob")]),
        stack("d", "2025-04-20T08:00:00Z", "alice"),
        stack("e", "2025-01-01T08:00:00Z", "alice"),
    ];
    scene.write("events.ndjson", events.concat());
    scene.run("explain events.ndjson --state s.redb --format pretty --matched-only");
    scene.run("explain events.ndjson --state s.redb");
    scene.title("a state that is not there");
    scene.run("explain events.ndjson --state none.redb");
    scene.end("explain_state");
}

#[test]
fn explain_with_rules_and_exceptions() {
    let mut scene = Scene::new();
    scene.write("rules/logins.toml", logins());
    scene.write("rules/hosts.toml", hosts());
    scene.run("build rules -o out");
    let text = login("a", "08:00:00", "ann") + &login("b", "09:00:00", "root");
    scene.write("events.ndjson", text);
    scene.title("several rules");
    scene.run("explain --rule out/logins.wasm --rule out/hosts.wasm events.ndjson --format pretty");
    scene.run("explain --rule out/logins.wasm --rule out/hosts.wasm events.ndjson");
    scene.title("exceptions");
    scene.write(
        "e.toml",
        "[[exceptions]]\nname='robots'\nreason='deployments are reviewed'\nexpires=2099-01-31\n\
         query='user.name: bob'\n",
    );
    scene.write("settings.json", r#"{"learn_until": "2025-04-01T08:30:00Z"}"#);
    scene.pipe("explain - --exceptions e.toml --settings settings.json --format pretty", three());
    scene.pipe("explain - --exceptions e.toml --settings settings.json", three());
    scene.end("explain_rules");
}
