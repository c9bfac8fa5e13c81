//! What a person meets by mistake: wrong arguments, files that are missing, states that are not
//! ours, files that would be two things at once.

use super::events::{stack, three};
use super::scene::Scene;
use crate::stream::Live;
use crate::support::{Call, Folder};
use redb::{Database, TableDefinition};

#[test]
fn wrong_arguments() {
    let mut scene = Scene::new();
    scene.cut_long_lines();
    scene.write("events.ndjson", three());
    for words in [
        "no-such-command",
        "run --no-such-option",
        "run --max-event 12 -",
        "run --max-event 99G -",
        "run --max-event much -",
        "run --hold soon -",
        "run --hold 5 -",
        "run --format xml -",
        "run --on-error ignore -",
        "run --repeats keep -",
        "run --append -",
        "run --rule",
        "explain --hold 1m -",
        "inspect",
        "rebuild",
        "rebuild a.wasm b.wasm",
    ] {
        scene.run(words);
    }
    scene.title("inputs that are not there");
    for command in ["run", "explain"] {
        scene.run(&format!("{command} events.ndjson missing"));
        scene.run(&format!("{command} events.ndjson/inside"));
    }
    scene.title("outputs that cannot be made");
    scene.run("run events.ndjson --output none/alerts");
    scene.run("run events.ndjson --dead-letter none/dead");
    scene.run("run events.ndjson --summary none/summary");
    scene.run("explain events.ndjson --output none/out");
    std::fs::create_dir(scene.folder.path("folder")).unwrap();
    scene.run("run events.ndjson --output folder");
    scene.end("arguments");
}

#[test]
fn one_file_as_two_things() {
    let mut scene = Scene::new();
    scene.cut_long_lines();
    scene.write("events.ndjson", three());
    for option in ["--output", "--dead-letter", "--summary", "--state"] {
        scene.run(&format!("run events.ndjson {option} events.ndjson"));
    }
    scene.run("explain events.ndjson --output events.ndjson");
    scene.title("outputs and what else is written or read");
    scene.write("e.toml", "");
    scene.write("s.json", "{}");
    for words in [
        "run events.ndjson --output a --summary a",
        "run events.ndjson --output a --dead-letter ./a",
        "run events.ndjson --output a --state a",
        "run events.ndjson --state a --summary a",
        "run events.ndjson --output s.json --settings s.json",
        "run events.ndjson --output e.toml --exceptions e.toml",
    ] {
        scene.run(words);
    }
    scene.title("and nothing was written");
    scene.list(".");
    scene.show("events.ndjson");
    scene.end("collisions");
}

/// A file of redb's with these rows in its table `meta`.
fn database(scene: &Scene, name: &str, rows: &[(&str, &str)]) {
    const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
    let database = Database::create(scene.folder.path(name)).unwrap();
    let transaction = database.begin_write().unwrap();
    for (key, value) in rows {
        transaction.open_table(META).unwrap().insert(key, value).unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn states_that_cannot_be_used() {
    let mut scene = Scene::new();
    scene.cut_long_lines();
    scene.write("events.ndjson", stack("a", "2025-04-01T08:00:00Z", "alice"));
    scene.write("short", "x");
    scene.write("garbage", "garbage ".repeat(10_000));
    scene.write("half", b"redb\x1a\x0a\xa9\x0d\x0a garbage".repeat(1000));
    database(&scene, "other-product", &[("product", "other"), ("format", "1")]);
    database(&scene, "newer", &[("product", "firstseen"), ("format", "99")]);
    database(&scene, "no-format", &[("product", "firstseen")]);
    std::fs::create_dir(scene.folder.path("folder")).unwrap();
    for name in [
        "short",
        "garbage",
        "half",
        "other-product",
        "newer",
        "no-format",
        "folder",
        "events.ndjson/state",
        "none/state",
        "null",
    ] {
        scene.title(name);
        for command in ["run", "explain"] {
            scene.run(&format!("{command} events.ndjson --state {name}"));
        }
    }
    scene.title("in use by another process");
    let command = scene.command("run - --state used");
    let mut live = Live::start(Call::of(command, Folder::new()));
    live.write(stack("a", "2025-04-01T08:00:00Z", "alice"));
    assert_eq!(live.next_id(), "a");
    scene.run("run events.ndjson --state used");
    scene.run("explain events.ndjson --state used");
    assert_eq!(live.end(), (vec![], Some(0)));
    scene.end("states");
}
