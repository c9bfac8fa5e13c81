//! `run`: what is remembered, learned, taken out.

use super::events::{stack, stacks, three};
use super::scene::Scene;

#[test]
fn run_on_a_state() {
    let mut scene = Scene::new();
    scene.cut_long_lines();
    scene.write("events.ndjson", three());
    scene.title("a new state, the same again, the alerts once more");
    scene.run("run events.ndjson --state s.redb --format pretty");
    scene.run("run events.ndjson --state s.redb --format pretty");
    scene.run("run events.ndjson --state s.redb --format pretty --repeats emit");
    scene.run("run events.ndjson --state s.redb --fail-on-alert");
    scene.title("within the window, and behind it");
    scene.write("later.ndjson", stack("d", "2025-04-11T09:00:00Z", "alice"));
    scene.write("much-later.ndjson", stack("e", "2025-04-21T09:00:01Z", "alice"));
    scene.run("run later.ndjson --state s.redb --format pretty");
    scene.run("run much-later.ndjson --state s.redb --format pretty");
    scene.end("run_state");
}

#[test]
fn run_with_settings() {
    let mut scene = Scene::new();
    scene.cut_long_lines();
    scene.write("events.ndjson", three());
    scene.title("learning");
    scene.write("learn.json", r#"{"learn_until": "2025-04-01T09:30:00Z"}"#);
    scene.run("run events.ndjson --settings learn.json --format pretty");
    scene.title("tenants");
    for tenant in ["red", "blue"] {
        scene.write(&format!("{tenant}.json"), format!("{{\"tenant\": \"{tenant}\"}}"));
        scene.run(&format!(
            "run events.ndjson --settings {tenant}.json --state s --output out-{tenant}"
        ));
    }
    scene.title("dates ahead of the clock");
    scene.write("slack.json", r#"{"future_slack": "36500d"}"#);
    scene.write("future.ndjson", stack("f", "2099-01-01T00:00:00Z", "fay"));
    scene.run("run future.ndjson");
    scene.run("run future.ndjson --settings slack.json --format pretty");
    scene.write("slack.json", r#"{"future_slack": "3650d"}"#);
    scene.run("run future.ndjson --settings slack.json --format pretty");
    scene.title("settings that cannot be used");
    for (number, text) in [
        "{",
        r#"{"tenants": "a"}"#,
        r#"{"tenant": "a:b"}"#,
        r#"{"tenant": 1}"#,
        r#"{"learn_until": "soon"}"#,
        r#"{"future_slack": "much"}"#,
        r#"{"exceptions": [{"name": "ci", "query": "user.name: ("}]}"#,
    ]
    .iter()
    .enumerate()
    {
        scene.write(&format!("wrong-{number}.json"), format!("{text}\n"));
        scene.show(&format!("wrong-{number}.json"));
        scene.run(&format!("run events.ndjson --settings wrong-{number}.json"));
    }
    scene.run("run events.ndjson --settings missing.json");
    scene.end("run_settings");
}

const EXCEPTIONS: &str = r#"
[[exceptions]]
name = "the office"
reason = "everything there is known"
query = "user.name: alice and event.id: office-*"

[[exceptions]]
name = "robots"
reason = "deployments are reviewed before they run"
expires = 2099-01-31
entries = [{ field = "user.name", type = "wildcard", value = "ci-*" }]
"#;

#[test]
fn run_with_exceptions() {
    let mut scene = Scene::new();
    scene.cut_long_lines();
    let events = stacks(&[
        ("office-1", "08:00:00", "alice"),
        ("home", "09:00:00", "alice"),
        ("robot", "10:00:00", "ci-7"),
        ("bob", "11:00:00", "bob"),
    ]);
    scene.write("events.ndjson", events);
    scene.write("e.toml", EXCEPTIONS);
    scene.write(
        "e.json",
        r#"{"exceptions": [{"name": "b", "reason": "c", "fields": {"user.name": "bob"}}]}"#,
    );
    scene.title("one file, two files");
    scene.run("run events.ndjson --exceptions e.toml --format pretty --summary sum");
    scene.show("sum");
    scene.run("run events.ndjson --exceptions e.toml --exceptions e.json --format pretty");
    scene.title("an end in the past, and a rule that is not here");
    scene.write(
        "old.toml",
        "[[exceptions]]\nname='x'\nreason='y'\nexpires=2025-04-01T09:00:00Z\nquery='*'\n\
         [[exceptions]]\nname='z'\nreason='y'\nrules=['none']\nquery='*'\n",
    );
    scene.run("run events.ndjson --exceptions old.toml --output out");
    scene.title("over standard input");
    scene.pipe("run - --exceptions e.toml --output out", three());
    scene.title("many names");
    let many =
        |n: usize| format!("[[exceptions]]\nname='n{n}'\nreason='y'\nquery='event.id: e{n}'\n");
    scene.write("many.toml", (0..8).map(many).collect::<String>());
    let events = (0..8).map(|n| stack(&format!("e{n}"), "2025-04-01T08:00:00Z", "alice"));
    scene.pipe("run - --exceptions many.toml", events.collect::<String>());
    scene.title("files that cannot be used");
    for (number, text) in [
        "[[exceptions]]\nname = 'x'\nreason = 'y'\nquery = 'a: ('\n",
        "[[exceptions]]\nname = 'x'\nquery = 'a: b'\n",
        "[[exceptions]]\nname = 'x'\nreason = 'y'\nexpires = 'soon'\nquery = 'a: b'\n",
        "[[exceptions]]\nname = 'x'\nreason = 'y'\n",
        "{\"exceptions\": [{\"name\": 1}]}",
        "{ ]",
        "exceptions",
        "[[exception]]\n",
    ]
    .iter()
    .enumerate()
    {
        scene.write(&format!("wrong-{number}"), text);
        scene.run(&format!("run events.ndjson --exceptions wrong-{number}"));
    }
    scene.run("run events.ndjson --exceptions missing.toml");
    scene.end("run_exceptions");
}
