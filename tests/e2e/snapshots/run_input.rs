//! `run`: standard input, order, faults in what is read.

use super::events::{logins, stack, stacks, three};
use super::scene::Scene;
use std::path::Path;

#[test]
fn run_over_standard_input() {
    let mut scene = Scene::new();
    scene.cut_long_lines();
    scene.title("a dash, and no argument at all");
    scene.pipe("run -", three());
    scene.pipe("run", three());
    let late = stacks(&[
        ("second", "08:10:00", "alice"),
        ("first", "08:00:00", "alice"),
        ("other", "08:05:00", "bob"),
    ]);
    scene.title("out of order, as it comes");
    scene.pipe("run - --format pretty", &late);
    scene.title("out of order, held back");
    scene.pipe("run - --format pretty --hold 15m", &late);
    scene.title("files first");
    scene.write("before.ndjson", stack("x", "2025-03-31T08:00:00Z", "alice"));
    scene.pipe("run - before.ndjson --format pretty", three());
    scene.end("run_stdin");
}

#[test]
fn run_annotate() {
    let mut scene = Scene::new();
    scene.cut_long_lines();
    let mixed = [
        three().as_str(),
        "{\"eventName\":\"DescribeStacks\",  \"n\": 1}\n\n",
        "<134>syslog, CreateStack cloudformation.amazonaws.com\n[1, 2]\n",
        &stack("u", "2025-04-01T11:00:00Z", "ulf").replace("\"eventTime\"", "\"eventTimes\""),
        stack("d", "2025-04-01T12:00:00Z", "dan").trim_end(),
    ]
    .concat();
    scene.title("every line again, some with alerts or an error");
    scene.pipe("run --annotate -", &mixed);
    scene.title("with the counts, what was skipped, and a status");
    scene.pipe("run --annotate - --dead-letter dead --summary sum --fail-on-alert", &mixed);
    scene.show("dead");
    scene.show("sum");
    scene.title("an end at the first fault");
    scene.pipe("run --annotate - --on-error fail", &mixed);
    scene.title("a line over the limit");
    let long = format!("{{\"long\":\"{}\"}}\n", "x".repeat(1100));
    scene.pipe("run --annotate - --max-event 1K", stack("a", "2025-04-01T08:00:00Z", "a") + &long);
    scene.title("what does not go together");
    scene.write("file", "{}\n");
    scene.run("run --annotate file");
    scene.run("run --annotate --hold 1m -");
    scene.run("run --annotate --format pretty -");
    scene.end("run_annotate");
}

#[test]
fn run_over_faults() {
    let mut scene =
        Scene::with(&[("bad", "tests/fixtures/bad"), ("none", "tests/fixtures/no-events")]);
    scene.cut_long_lines();
    scene.title("a folder of faults");
    scene.run("run bad --output alerts");
    scene.title("documents without events");
    scene.run("run none");
    scene.title("an end at the first fault");
    for name in [
        "cut-line.ndjson",
        "invalid-utf8.ndjson",
        "no-time.ndjson",
        "future.ndjson",
        "records-element.json",
        "truncated.ndjson.gz",
        "corrupt.ndjson.gz",
        "checksum.ndjson.gz",
        "text.txt",
    ] {
        scene.run(&format!("run bad/{name} --on-error fail --output alerts"));
    }
    scene.title("over standard input");
    let text = "no event\n".to_owned() + &stack("a", "2025-04-01T08:00:00Z", "alice");
    scene.pipe("run - --output alerts", &text);
    scene.pipe("run - --output alerts --on-error fail", &text);
    scene.title("very many faults");
    scene.pipe("run -", "{\"no\": event\n".repeat(500));
    scene.title("an event over the limit");
    scene.write("large.ndjson", stack(&"l".repeat(2000), "2025-04-01T08:00:00Z", "alice"));
    scene.run("run large.ndjson --max-event 2K --dead-letter dead");
    scene.title("a link that leads nowhere");
    scene.write("links/1", stack("a", "2025-04-01T08:00:00Z", "alice"));
    scene.link("links/2", Path::new("nowhere"));
    scene.run("run links --output alerts");
    scene.run("run links --output alerts --on-error fail");
    scene.end("run_faults");
}

#[test]
fn run_what_cannot_be_judged() {
    let mut scene = Scene::new();
    scene.cut_long_lines();
    scene.write("logins.toml", logins());
    scene.run("build logins.toml");
    let event = |time: &str, user: &str| {
        format!(
            "{{\"@timestamp\":\"{time}\",\"event\":{{\"action\":\"login\"}}{user}}}\n",
            user = if user.is_empty() {
                String::new()
            } else {
                format!(",\"user\":{{\"name\":{user}}}")
            }
        )
    };
    let many = (0..257).map(|n| format!("\"u{n}\"")).collect::<Vec<_>>().join(",");
    scene.title("no user, too many users, a date in the future");
    let text = [
        event("2025-04-01T08:00:00Z", ""),
        event("2025-04-01T08:00:00Z", &format!("[{many}]")),
        event("2099-01-01T00:00:00Z", "\"later\""),
    ];
    // While it learns, an event with many terms gives no alerts.
    scene.write("learn.json", r#"{"learn_until": "2025-04-02T00:00:00Z"}"#);
    let learn = "run --rule logins.wasm - --settings learn.json --summary sum";
    scene.pipe(learn, text.concat());
    scene.show("sum");
    scene.title("older than all that the state remembers");
    let text = [
        event("2025-04-01T08:00:00Z", "\"ann\""),
        event("2025-03-01T08:00:00Z", "\"ann\""),
        event("2025-01-01T08:00:00Z", "\"ann\""),
        event("2025-01-01T08:00:00Z", "\"ann\""),
    ];
    scene.pipe("run --rule logins.wasm - --format pretty", text.concat());
    scene.end("run_not_judged");
}
