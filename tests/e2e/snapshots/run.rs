//! `run`: alerts for a person and for a machine, and where they go.

use super::events::{hosts, login, logins, stack, three};
use super::scene::{Out, Scene};

#[test]
fn run_for_a_person() {
    let mut scene = Scene::with(&[
        ("samples", "samples/cloudtrail"),
        ("nested.ndjson", "tests/fixtures/envelopes/ecs-nested.ndjson"),
    ]);
    scene.title("the samples");
    scene.run("run samples --format pretty");
    scene.title("ECS documents");
    scene.run("run nested.ndjson --format pretty");
    scene.title("text that a terminal would act on");
    scene.write("evil.json", stack(r"a\u001b[2J", "2025-04-01T08:00:00Z", r"eve\u001b]0;x\u0007"));
    scene.run("run evil.json --format pretty");
    scene.title("names that do not fit the line");
    let (id, user) = ("i".repeat(90), "long-".repeat(30));
    scene.write("long.json", stack(&id, "2025-04-01T08:00:00Z", &user));
    scene.run("run long.json --format pretty");
    scene.title("a rule over other fields");
    scene.write("logins.toml", logins());
    scene.write("login.ndjson", login("a", "08:00:00", "ann"));
    scene.run("build logins.toml");
    scene.run("run --rule logins.wasm login.ndjson --format pretty");
    scene.end("run_pretty");
}

#[test]
fn run_for_a_machine() {
    let mut scene = Scene::new();
    scene.write("events.ndjson", three());
    scene.title("one alert a line");
    scene.run("run events.ndjson");
    scene.title("nothing to read");
    scene.write("empty.ndjson", "");
    scene.run("run empty.ndjson --format ndjson");
    scene.title("no alert");
    scene.write("other.ndjson", "{\"eventName\":\"DescribeStacks\"}\n");
    scene.run("run other.ndjson");
    scene.title("an empty folder");
    std::fs::create_dir(scene.folder.path("none")).unwrap();
    scene.run("run none");
    scene.end("run_ndjson");
}

#[test]
fn run_into_files() {
    let mut scene = Scene::with(&[("bad", "tests/fixtures/bad")]);
    scene.cut_long_lines();
    scene.write("one.ndjson", stack("a", "2025-04-01T08:00:00Z", "alice"));
    scene.write("two.ndjson", stack("b", "2025-04-01T09:00:00Z", "bob"));
    scene.title("alerts to a file, the counts to another");
    scene.run("run one.ndjson --output alerts.ndjson --summary summary.json");
    scene.show("alerts.ndjson");
    scene.show("summary.json");
    scene.title("more alerts behind them");
    scene.run("run two.ndjson --output alerts.ndjson --append");
    scene.show("alerts.ndjson");
    scene.title("for a person, into a file");
    scene.run("run two.ndjson --format pretty --output alerts.txt");
    scene.show("alerts.txt");
    scene.title("what was skipped");
    scene.run("run bad --output alerts.ndjson --dead-letter dead.ndjson --summary summary.json");
    scene.show("dead.ndjson");
    scene.show("summary.json");
    scene.end("run_files");
}

#[test]
fn run_status() {
    let mut scene = Scene::with(&[("samples", "samples/cloudtrail")]);
    scene.cut_long_lines();
    scene.write("events.ndjson", stack("a", "2025-04-01T08:00:00Z", "alice"));
    scene.write("none.ndjson", "");
    scene.write("broken.ndjson", stack("a", "2025-04-01T08:00:00Z", "alice") + "{\"broken\n");
    scene.title("alerts, and no status for them");
    scene.run("run events.ndjson --output alerts");
    scene.title("alerts, and a status for them");
    scene.run("run events.ndjson --output alerts --fail-on-alert");
    scene.run("run none.ndjson --output alerts --fail-on-alert");
    scene.title("an error outweighs alerts");
    scene.run("run broken.ndjson --output alerts --fail-on-alert --on-error fail");
    scene.title("a reader that has gone");
    scene.run_with("run samples --format ndjson", b"", Out::Closed);
    scene.run_with("run samples --format pretty", b"", Out::Closed);
    scene.title("a full disk");
    scene.run_with("run samples --format ndjson", b"", Out::Full);
    scene.run_with("run samples --format pretty", b"", Out::Full);
    scene.run("run samples --output full");
    scene.run("run broken.ndjson --dead-letter full");
    scene.run("run none.ndjson --summary full");
    scene.end("run_status");
}

#[test]
fn run_with_several_rules() {
    let mut scene = Scene::new();
    scene.cut_long_lines();
    scene.write("rules/logins.toml", logins());
    scene.write("rules/hosts.toml", hosts());
    scene.write(
        "events.ndjson",
        [("a", "08:00:00", "ann"), ("b", "09:00:00", "ann"), ("c", "10:00:00", "root")]
            .map(|(id, time, user)| login(id, time, user))
            .concat(),
    );
    scene.run("build rules -o out");
    scene.run("build rules --pack -o pack.wasm");
    scene.title("two artifacts");
    scene.run("run --rule out/logins.wasm --rule out/hosts.wasm events.ndjson");
    scene.title("a pack of the two");
    scene.run("run --rule pack.wasm events.ndjson --format pretty");
    scene.title("the same rule twice");
    scene.run("run --rule pack.wasm --rule out/hosts.wasm events.ndjson");
    scene.run("run --rule pack.wasm --rule pack.wasm events.ndjson");
    scene.end("run_rules");
}
