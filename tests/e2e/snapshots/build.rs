//! `build`: what is said of what is built, and of what cannot be.

use super::events::{hosts, logins};
use super::scene::Scene;
use crate::build::{FLAGSHIP, rule};

#[test]
fn build_what_is_right() {
    let mut scene = Scene::with(&[("flagship.toml", FLAGSHIP)]);
    scene.write("rules/a.toml", logins());
    scene.write("rules/aws/b.toml", hosts());
    scene.write("rules/tool.toml", "[tool]\nname = \"a linter\"\n");
    scene.write("rules/a.test.toml", "[[event]]\n");
    scene.write("rules/readme.md", "no rule");
    scene.title("one");
    scene.run("build flagship.toml -o flagship.wasm");
    scene.run("build flagship.toml -o out/flagship.wasm --source https://example.com --revision 1");
    scene.run("build rules/a.toml");
    scene.title("a folder");
    scene.run("build rules -o out");
    scene.list("out");
    scene.run("build rules -o out --verbose");
    scene.title("a pack");
    scene.run("build rules --pack -o pack.wasm");
    scene.run("build rules/a.toml rules/aws/b.toml --pack -o pack.wasm --verbose");
    scene.title("a check");
    scene.run("build --check rules/a.toml");
    scene.run("build --check rules");
    scene.run("build --check --verbose rules");
    scene.run("build --check rules --pack");
    scene.run("build --check rules -o out");
    scene.end("build");
}

/// A binary that holds the core engine alone says how to get the others.
#[cfg(not(feature = "targets"))]
#[test]
fn build_for_targets_that_are_not_there() {
    let mut scene = Scene::new();
    scene.write("rule.toml", logins());
    for target in ["core", "wasi", "js"] {
        scene.run(&format!("build rule.toml --target {target}"));
        scene.run(&format!("build rule.toml --target {target} --check"));
    }
    scene.end("build_core_alone");
}

#[cfg(feature = "targets")]
#[test]
fn build_for_targets() {
    let mut scene = Scene::new();
    scene.write("rule.toml", logins());
    scene.write("settings.json", r#"{"tenant": "red"}"#);
    for target in
        ["core", "fluent-bit", "redpanda-connect", "bento", "redpanda", "wasi", "js", "extism"]
    {
        scene.title(target);
        scene.run(&format!("build rule.toml --target {target} -o out/{target}"));
        scene.run(&format!("build rule.toml --target {target}"));
        for option in
            ["--records alerts", "--state folder", "--state-limit 64M", "--settings settings.json"]
        {
            scene.run(&format!("build rule.toml --target {target} {option} --check"));
        }
    }
    scene.title("all files");
    scene.list(".");
    scene.title("what does not go together");
    scene.write("other.toml", hosts());
    scene.run("build rule.toml other.toml --pack -o pack.wasm --target wasi");
    scene.run("build rule.toml --target fluent-bit --state-limit much");
    scene.run("build rule.toml --target fluent-bit --state-limit 1");
    scene.run("build rule.toml --target fluent-bit --settings missing.json");
    scene.write("wrong.json", "{\"tenant\": \"a:b\"}");
    scene.run("build rule.toml --target fluent-bit --settings wrong.json");
    scene.end("build_targets");
}

#[test]
fn build_what_is_wrong() {
    let mut scene = Scene::new();
    scene.write("good.toml", rule("good", "a: b", &["user.name"]));
    scene.write("wrong.toml", rule("wrong", "a: (b", &["user.name"]));
    let suppressed = "\n[rule.alert_suppression]\ngroup_by = [\"user.name\"]\n";
    scene.write("warned.toml", rule("warned", "a: b", &["user.name"]) + suppressed);
    scene.title("a fault");
    scene.run("build wrong.toml");
    scene.run("build wrong.toml good.toml -o out");
    scene.run("build --check wrong.toml good.toml");
    scene.run("build wrong.toml good.toml --pack -o pack.wasm");
    scene.title("a warning");
    scene.run("build warned.toml");
    scene.run("build warned.toml --warnings deny");
    scene.run("build warned.toml good.toml -o out");
    scene.run("build --check warned.toml good.toml --warnings deny");
    scene.title("an event time that the rule does not name");
    scene.run("build good.toml --event-time timestamp_override");
    scene.title("paths");
    scene.write("other/good.toml", rule("good", "a: b", &["user.name"]));
    scene.write("file", "of somebody");
    scene.write("empty/readme.md", "no rule");
    scene.write("bytes.toml", b"a = \"\xff\"");
    scene.write("module.toml", b"\0asm\x01\0\0\0");
    scene.write("tool.toml", "[tool]\nname = \"a linter\"\n");
    for words in [
        "build",
        "build missing.toml",
        "build good.toml other/good.toml -o out",
        "build good.toml warned.toml -o file",
        "build good.toml warned.toml --pack",
        "build good.toml warned.toml --pack -o other",
        "build good.toml other/good.toml --pack -o pack.wasm",
        "build good.toml -o good.toml",
        "build good.toml -o file/out.wasm",
        "build empty",
        "build bytes.toml",
        "build module.toml",
        "build tool.toml",
        "build good.toml --source no-url",
        "build good.toml --target none",
    ] {
        scene.run(words);
    }
    scene.end("build_wrong");
}
