//! `test`: reports of what passes, fails and cannot be tested, in each format.

use super::scene::Scene;
use crate::build::rule;
use crate::testing::{FAILING, GOOD, QUERY};

/// A scene with the rule `r.toml` and this test of it.
fn scene(test: &str) -> Scene {
    let scene = Scene::new();
    scene.write("r.toml", rule("r", QUERY, &["user.name"]));
    scene.write("r.test.toml", test);
    scene
}

#[test]
fn test_that_passes() {
    let mut scene = scene(GOOD);
    scene.run("test");
    scene.run("test r.toml");
    scene.title("formats");
    scene.run("test --format json");
    scene.run("test --format junit");
    scene.run("test --format github");
    scene.title("into a file");
    scene.run("test --format junit --output report.xml");
    scene.show("report.xml");
    scene.title("a part of it");
    scene.run("test --run not.root");
    scene.title("coverage");
    scene.run("test --coverage");
    scene.run("test --coverage --format json");
    scene.run("test --coverage-min 100");
    scene.title("a rule without a test");
    scene.write("s.toml", rule("s", QUERY, &["user.name"]));
    scene.run("test");
    scene.run("test --require-tests");
    scene.run("test --require-tests --format junit");
    scene.run("test --require-tests --format github");
    scene.end("test_passing");
}

#[test]
fn test_that_fails() {
    let mut scene = scene(FAILING);
    scene.run("test");
    scene.title("formats");
    scene.run("test --format json");
    scene.run("test --format junit");
    scene.run("test --format github");
    scene.title("coverage that is too low");
    scene.write("r.test.toml", GOOD.replace(", \"event.action\" = \"delete\"", ""));
    scene.run("test --coverage-min 100");
    scene.run("test --coverage-min 100 --format json");
    scene.run("test --coverage-min 100 --format github");
    scene.title("one side only");
    let one = "[base]\nevent.action = 'create'\nuser.name = 'bob'\n[[case]]\nname = 'a'\n\
               [[case.event]]\nalert = true\n";
    scene.write("r.test.toml", one);
    scene.run("test");
    scene.run("test --allow-one-sided");
    scene
        .write("r.test.toml", one.replace("alert = true", "set.event.action = 'x'\nalert = false"));
    scene.run("test");
    scene.end("test_failing");
}

/// Each outcome that an event can have, expected where it is another.
#[test]
fn test_outcomes() {
    let mut scene = scene(
        r#"start = 2025-03-03T09:00:00Z
allow_one_sided = true
[base]
event.action = "create"
user.name = "bob"
[[case]]
name = "all"
now = "+2d"
learn_until = "+1h"
exceptions = [{ name = "ci", query = "user.name: ci-*" }]
[[case.event]]
outcome = "no_match"
[[case.event]]
at = "+2h"
set.user.name = "eve"
set.event.id = "one"
outcome = "seen"
[[case.event]]
set = { user.name = "eve", event.id = "one" }
outcome = "alert"
[[case.event]]
set.user.name = "ci-1"
outcome = "alert"
[[case.event]]
unset = ["user.name"]
outcome = "alert"
[[case.event]]
set.event.action = "x"
outcome = "excepted"
[[case.event]]
at = "+3d"
set.user.name = "later"
outcome = "alert"
[[case.event]]
json = '{"event":{"action":"create"},"user":{"name":"x"}}'
outcome = "alert"
[[case.event]]
json = '{"event":'
outcome = "missing"
"#,
    );
    scene.run("test");
    scene.run("test --format json");
    scene.end("test_outcomes");
}

#[test]
fn test_what_cannot_be_tested() {
    let mut scene = scene(GOOD);
    let case = "[[case]]\nname = 'x'\n[[case.event]]\nalert = true\n";
    for (title, text) in [
        ("an unknown key", format!("rule = 'r.toml'\n{}", case.replace("alert", "alret"))),
        ("no rule of its name", case.to_owned()),
        ("no rule of that name", format!("rule = 'none.toml'\n{case}")),
        ("another rule's id", format!("rule = 'r.toml'\nrule_id = 's'\n{case}")),
        (
            "a term of two values",
            "rule = 'r.toml'\n[[case]]\nname = 'x'\n[[case.before]]\nterms = ['a', 'b']\n\
             last = '-1d'\n[[case.event]]\nalert = true\n"
                .to_owned(),
        ),
        ("no TOML", "[[case]\n".to_owned()),
        ("no case", "rule = 'r.toml'\n".to_owned()),
        ("no event", "rule = 'r.toml'\n[[case]]\nname = 'x'\n".to_owned()),
        ("the same name twice", format!("rule = 'r.toml'\n{case}{case}")),
        ("nothing expected", "rule = 'r.toml'\n[[case]]\nname = 'x'\n[[case.event]]\n".to_owned()),
        (
            "a contradiction",
            format!("rule = 'r.toml'\n{}", case.replace("true", "true\noutcome = 'seen'")),
        ),
        ("an unknown outcome", format!("rule = 'r.toml'\n{}outcome = 'new'\n", &case)),
        ("a wrong time", format!("rule = 'r.toml'\n{case}at = 'soon'\n")),
        ("no such file", format!("rule = 'r.toml'\n{case}file = 'none.ndjson'\n")),
    ] {
        scene.title(title);
        scene.write("bad.test.toml", text);
        scene.run("test bad.test.toml");
    }
    scene.title("in each format");
    for format in ["pretty", "json", "junit", "github"] {
        scene.run(&format!("test --format {format}"));
    }
    scene.title("a rule that cannot be built");
    scene.write("bad.test.toml", case);
    scene.write("bad.toml", rule("r", "a: (b", &["user.name"]));
    scene.run("test bad.test.toml");
    scene.run("test bad.toml --format json");
    scene.title("arguments");
    scene.write("none/readme.md", "nothing");
    for words in [
        "test none",
        "test missing",
        "test r.test.toml --run nothing",
        "test r.test.toml --run (",
        "test r.test.toml --coverage-min 101",
        "test r.test.toml --format tap",
        "test r.test.toml --output none/no/report",
        "test r.test.toml --output full",
    ] {
        scene.run(words);
    }
    scene.end("test_faults");
}
