//! `build`: a rule's TOML becomes an artifact, always with the same bytes, or an error with its
//! place.
//!
//! In: rules, valid and invalid. Out: whether the artifacts run and the messages are right.

use crate::support::{Folder, call, repository, run, stack_lines};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(crate) const FLAGSHIP: &str = "plugin/rules/first_time_cloudformation_stack_creation.toml";

/// A rule in Elastic's form, with this id, query and new-terms fields.
pub(crate) fn rule(id: &str, query: &str, fields: &[&str]) -> String {
    format!(
        r#"[rule]
author = ["somebody"]
description = "A rule of a test."
name = "Rule {id}"
rule_id = "{id}"
risk_score = 21
severity = "low"
type = "new_terms"
query = '''
{query}
'''

[rule.new_terms]
field = "new_terms_fields"
value = {fields:?}

[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-7d"
"#
    )
}

/// Builds a rule; the build must succeed.
pub(crate) fn build(rule: &Path, to: &Path) {
    call("build").arg("-o").arg(to).arg(rule).ok();
}

/// The artifact of a rule as from [`rule`].
pub(crate) fn artifact(folder: &Folder, id: &str, query: &str, fields: &[&str]) -> PathBuf {
    let source = folder.write(&format!("{id}.toml"), rule(id, query, fields));
    let to = folder.path(&format!("{id}.wasm"));
    build(&source, &to);
    to
}

/// The rule and the term of each alert.
fn rule_and_term(alerts: &[Value]) -> Vec<(String, Value)> {
    let pairs = alerts.iter().map(|alert| {
        let rule = alert["kibana.alert.rule.rule_id"].as_str().expect("the rule's id").to_owned();
        (rule, alert["kibana.alert.new_terms"].clone())
    });
    pairs.collect()
}

#[test]
fn building_the_flagship_is_reproducible() {
    let folder = Folder::new();
    let (a, b) = (folder.path("a.wasm"), folder.path("b.wasm"));
    build(&repository(FLAGSHIP), &a);
    build(&repository(FLAGSHIP), &b);
    assert!(std::fs::read(&a).unwrap() == std::fs::read(&b).unwrap(), "byte for byte");
    let sample = repository("samples/cloudtrail");
    let built = run().arg("--rule").arg(&a).arg(&sample).ok();
    assert_eq!(built.stdout, run().arg(&sample).ok().stdout);
}

#[test]
fn loading_a_rule_twice_is_refused() {
    let folder = Folder::new();
    let (a, b) = (folder.path("a.wasm"), folder.path("b.wasm"));
    build(&repository(FLAGSHIP), &a);
    std::fs::copy(&a, &b).unwrap();
    let twice = |path: &Path| run().arg("--rule").arg(&a).arg("--rule").arg(path).arg("-");
    twice(&a).fails(&["a.wasm", "share one state"]);
    twice(&b).fails(&["a.wasm", "b.wasm", "share one state"]);
    let to = folder.path("c.wasm");
    let both = call("build").args(&["--pack", "-o"]).arg(&to).arg(repository(FLAGSHIP));
    both.arg(repository(FLAGSHIP)).fails(&["share its state"]);
    assert!(!to.exists());
}

/// Each rule has its own state, whether it is in its own file or in a pack.
#[test]
fn several_rules_read_each_event_in_one_pass() {
    let folder = Folder::new();
    let users = artifact(&folder, "users", "event.action: CreateStack", &["user.name"]);
    let places = artifact(&folder, "places", "event.action: *", &["cloud.region", "user.name"]);
    let events = stack_lines(&[
        ("a", "2025-04-01T08:00:00Z", "alice"),
        ("b", "2025-04-01T09:00:00Z", "alice"),
        ("c", "2025-04-01T10:00:00Z", "bob"),
    ]);
    let expected = [
        ("users".to_owned(), json!(["alice"])),
        ("places".to_owned(), json!(["us-east-1", "alice"])),
        ("users".to_owned(), json!(["bob"])),
        ("places".to_owned(), json!(["us-east-1", "bob"])),
    ];
    let events = folder.write("events", events);
    let done = run().arg("--rule").arg(&users).arg("--rule").arg(&places).arg(&events).ok();
    assert_eq!(rule_and_term(&done.lines()), expected);
    assert_eq!((done.count("events"), done.count("matched"), done.count("seen")), (3, 6, 2));

    let pack = folder.path("pack.wasm");
    let call = call("build").args(&["--pack", "-o"]).arg(&pack);
    call.arg(folder.path("users.toml")).arg(folder.path("places.toml")).ok();
    let packed = run().arg("--rule").arg(&pack).arg(&events).ok();
    assert_eq!(packed.stdout, done.stdout);
    assert_eq!(packed.count("matched"), 6);
}

/// Three fields with arrays give the cartesian product; each term is separate.
#[test]
fn arrays_give_a_term_for_each_combination() {
    let folder = Folder::new();
    let fields = ["host.ip", "user.name", "process.name"];
    let rule = artifact(&folder, "arrays", "event.action: login", &fields);
    let event = json!({
        "@timestamp": "2025-04-01T08:00:00Z",
        "event": { "action": "login", "id": "a" },
        "host.ip": ["10.0.0.1", "10.0.0.2"],
        "user": { "name": ["alice", "alice", "bob"] },
        "process.name": "sh",
    });
    let done = run().arg("--rule").arg(&rule).arg("-").pipe(event.to_string()).ok();
    let mut terms: Vec<_> =
        rule_and_term(&done.lines()).into_iter().map(|(_, terms)| terms).collect();
    terms.sort_by_key(Value::to_string);
    let expected =
        [("10.0.0.1", "alice"), ("10.0.0.1", "bob"), ("10.0.0.2", "alice"), ("10.0.0.2", "bob")];
    assert_eq!(terms, expected.map(|(ip, user)| json!([ip, user, "sh"])));
}

/// The summary names the missing field of an event without a term.
#[test]
fn missing_field_is_named_in_the_summary() {
    let folder = Folder::new();
    let rule = artifact(&folder, "hosts", "event.action: *", &["user.name", "host.id"]);
    let events = stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]);
    let done = run().arg("--rule").arg(&rule).arg("-").pipe(events).ok();
    assert_eq!((done.count("alerts"), done.count("missing_terms")), (0, 1));
    assert!(done.stderr.contains("no host.id"), "{}", done.stderr);
}

#[test]
fn error_is_shown_at_its_place_and_nothing_is_written() {
    let folder = Folder::new();
    let good = rule("r", "event.action: x", &["user.name"]);
    let cases = [
        (
            rule("r", "event.action: (a or b", &["user.name"]),
            vec!["error[unclosed]", "wrong.toml:10:15", "wrong.toml: not built: 1 error"],
        ),
        (rule("r", "a: b and\nc: \"d", &["user.name"]), vec!["error[unterminated]", ":11:4"]),
        (rule("r", "a: b", &[]), vec!["error[bad_fields]", ":15:9"]),
        (rule("r", "a: b", &["a", "b", "c", "d"]), vec!["error[bad_fields]", ":15:9"]),
        (
            good.replace("new_terms\"\nquery", "query\"\nquery"),
            vec!["not built: the rule is of type `query`", "only `new_terms` rules"],
        ),
        (good.replace("now-7d", "7 days ago"), vec!["bad_date_math", ":19:9", "7 days ago"]),
        (good.replace("risk_score = 21", "risk_score = "), vec!["error[toml_syntax]", ":6:1"]),
        (good.replace("rule_id = \"r\"\n", ""), vec!["error[missing_key]", "rule.rule_id"]),
        (String::new(), vec!["error[missing_key]", "`rule` is missing"]),
    ];
    let to = folder.write("out.wasm", "of an earlier build");
    for (text, words) in cases {
        let path = folder.write("wrong.toml", &text);
        let done = call("build").arg(&path).arg("-o").arg(&to).fails(&words);
        assert!(done.stderr.contains("wrong.toml"), "{}", done.stderr);
        assert_eq!(std::fs::read(&to).unwrap(), b"of an earlier build");
    }
    call("build").arg(folder.path("missing.toml")).arg("-o").arg(&to).fails(&["missing.toml"]);
    let place = folder.write("file", "no folder").join("out.wasm");
    call("build").arg(repository(FLAGSHIP)).arg("-o").arg(&place).fails(&["out.wasm"]);
}

/// A folder with other files besides rules, and one invalid rule.
#[test]
fn folder_is_built_despite_a_wrong_rule() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("rules/aws")).unwrap();
    for id in ["a", "aws/b", "aws/c", "d"] {
        let text = rule(&id.replace('/', "-"), "event.action: x", &["user.name"]);
        folder.write(&format!("rules/{id}.toml"), text);
    }
    folder.write("rules/aws/c.toml", rule("c", "event.action: (x", &["user.name"]));
    folder.write("rules/tool.toml", "[tool]\nname = \"a linter\"\n");
    folder.write("rules/a.test.toml", "[[event]]\n");
    folder.write("rules/readme.md", "no rule");
    let out = folder.path("out");
    let done = call("build").arg(folder.path("rules")).arg("-o").arg(&out);
    let done = done.fails(&[
        "aws/c.toml",
        "tool.toml: skipped: it has no [rule]",
        "4 rules: 3 built, 1 failed",
    ]);
    assert_eq!(done.stdout, "");
    let names = ["a.wasm", "aws/b.wasm", "d.wasm"];
    assert!(names.iter().all(|name| out.join(name).is_file()));
    assert!(!out.join("aws/c.wasm").exists() && !out.join("tool.wasm").exists());
    // Errors are in the order of the names, not in the order of completion.
    let (c, tool) = (done.stderr.find("aws/c.toml"), done.stderr.find("tool.toml"));
    assert!(c < tool, "{}", done.stderr);

    let pack = folder.path("pack.wasm");
    let packed = || call("build").arg(folder.path("rules")).args(&["--pack", "-o"]).arg(&pack);
    packed().fails(&["aws/c.toml", "pack.wasm: not written"]);
    assert!(!pack.exists());
    std::fs::remove_file(folder.path("rules/aws/c.toml")).unwrap();
    assert!(packed().ok().stderr.contains("3 rules: 3 built, 1 skipped"));
    assert!(pack.exists());
}

/// The artifact depends only on the rule: not on its path, on other rules or on the time.
#[test]
fn artifact_bytes_depend_only_on_the_rule() {
    let folder = Folder::new();
    let names = ["a", "b", "c"];
    for place in ["here", "there/deeper"] {
        std::fs::create_dir_all(folder.path(place)).unwrap();
        for name in names {
            let text = rule(name, "event.action: (x or y*)", &["user.name", "host.id"]);
            folder.write(&format!("{place}/{name}.toml"), text);
        }
    }
    let built = |args: &[&str], out: &str| -> Vec<Vec<u8>> {
        let mut build = call("build").arg("-o").arg(folder.path(out));
        for path in args {
            build = build.arg(folder.path(path));
        }
        build.ok();
        names.map(|name| std::fs::read(folder.path(&format!("{out}/{name}.wasm"))).unwrap()).into()
    };
    let first = built(&["here"], "1");
    assert_eq!(first, built(&["there/deeper"], "2"));
    assert_eq!(first, built(&["here/c.toml", "there/deeper/a.toml", "here/b.toml"], "3"));
    // Without `--output` the artifact is written beside its rule.
    call("build").arg(folder.path("here/b.toml")).ok();
    assert_eq!(first[1], std::fs::read(folder.path("here/b.wasm")).unwrap());
    assert_ne!(first[0], first[1]);
}

/// No toolchain, no network, no home folder.
/// `-o /dev/null` as root must not make a file of it: what is no regular file is written into.
#[test]
fn output_that_is_a_pipe_or_a_link_is_not_replaced() {
    let folder = Folder::new();
    let expected = std::fs::read(artifact(&folder, "plain", "event.action: a", &["user.name"]));
    let source = folder.path("plain.toml");
    let (pipe, link) = (folder.path("pipe"), folder.path("link"));
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let reader = pipe.clone();
    let reader = std::thread::spawn(move || std::fs::read(reader).unwrap());
    build(&source, &pipe);
    assert_eq!(reader.join().unwrap(), *expected.as_ref().unwrap());
    std::os::unix::fs::symlink("target", &link).unwrap();
    folder.write("target", "old");
    build(&source, &link);
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(std::fs::read(folder.path("target")).unwrap(), expected.unwrap());
}

#[test]
fn build_needs_only_the_binary() {
    let folder = Folder::new();
    let to = folder.path("a.wasm");
    let mut build = call("build").arg(repository(FLAGSHIP)).arg("-o").arg(&to);
    build.command.env_clear().env("PATH", "");
    assert!(build.ok().stderr.contains("a.wasm: "));
    assert!(to.is_file());
}

#[test]
fn unusable_arguments_are_reported_before_building() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("other")).unwrap();
    std::fs::create_dir_all(folder.path("empty")).unwrap();
    let text = rule("a", "a: b", &["user.name"]);
    let (a, other) = (folder.write("a.toml", &text), folder.write("other/a.toml", &text));
    let both = || call("build").arg(&a).arg(&other);
    both().arg("-o").arg(folder.path("out")).fails(&["a.wasm: the artifact of", "other/a.toml"]);
    assert!(!folder.path("out").exists());
    let file = folder.write("file", "of somebody");
    both().arg("-o").arg(&file).fails(&["file: a file", "--pack"]);
    both().arg("--pack").fails(&["--output"]);
    both().args(&["--pack", "-o"]).arg(folder.path("other")).fails(&["other: a folder"]);
    call("build").arg(&a).arg("-o").arg(&a).fails(&["a.toml: a rule's source"]);
    call("build").arg(folder.path("empty")).fails(&["empty: no rule in this folder"]);
    call("build").fails(&["RULE.toml"]);
    assert_eq!(std::fs::read_to_string(&a).unwrap(), text);
}

/// `--check` prints what a build would print and writes nothing.
#[test]
fn without_simd_a_rule_answers_the_same() {
    let folder = Folder::new();
    let to = folder.path("rule.no-simd.wasm");
    let built = || call("build").arg(repository(FLAGSHIP)).arg("--no-simd").arg("-o").arg(&to);
    if cfg!(not(feature = "targets")) {
        built().fails(&["--no-simd: this build of firstseen has only the core engine"]);
        return;
    }
    built().ok();
    let plain = std::fs::read(&to).unwrap();
    let usual = folder.path("rule.wasm");
    build(&repository(FLAGSHIP), &usual);
    assert!(!firstseen_artifact::needs_simd(&plain));
    assert!(firstseen_artifact::needs_simd(&std::fs::read(&usual).unwrap()));
    let alerts = |rule: &Path| {
        let run = call("run").arg("--rule").arg(rule).args(&["--format", "ndjson"]);
        run.arg(repository("samples")).ok().stdout
    };
    assert!(!alerts(&to).is_empty());
    assert_eq!(alerts(&to), alerts(&usual));
    // It stays one without SIMD.
    call("inspect").arg("--verify").arg(&to).ok();
    call("rebuild").arg(&to).ok();
    assert_eq!(std::fs::read(&to).unwrap(), plain);
    // Beside a rule the two have names of their own.
    let rule = folder.path("beside.toml");
    std::fs::copy(repository(FLAGSHIP), &rule).unwrap();
    call("build").arg(&rule).arg("--no-simd").ok();
    assert_eq!(std::fs::read(folder.path("beside.no-simd.wasm")).unwrap(), plain);
    let other = |target: &str, why: &str| {
        call("build").arg(&rule).args(&["--no-simd", "--target", target]).fails(&[why]);
    };
    other("wasi", "never need SIMD");
    other("extism", "--target core");
}

#[test]
fn check_writes_nothing() {
    let folder = Folder::new();
    let good = folder.write("good.toml", rule("a", "a: b", &["user.name"]));
    let wrong = folder.write("wrong.toml", rule("a", "a: (b", &["user.name"]));
    assert!(call("build").arg("--check").arg(&good).ok().stderr.contains("good.toml: ok"));
    let done = call("build").arg("--check").arg(&good).arg(&wrong);
    done.fails(&["wrong.toml", "this bracket is never closed", "2 rules: 1 ok, 1 failed"]);
    assert!(!folder.path("good.wasm").exists());
}

/// Unsupported parts of a rule are warnings; `--warnings deny` makes them errors.
#[test]
fn warnings_are_shown_and_can_be_denied() {
    let folder = Folder::new();
    let suppressed = "\n[rule.alert_suppression]\ngroup_by = [\"user.name\"]\n";
    let text = rule("a", "a: b", &["user.name"]) + suppressed;
    let path = folder.write("a.toml", text);
    let to = folder.path("a.wasm");
    let build = || call("build").arg(&path);
    build().args(&["--warnings", "deny"]).fails(&["error[not_done]", "a.toml: not built: 1 error"]);
    assert!(!to.exists());
    assert!(build().ok().stderr.contains("warning["));
    assert!(to.exists());
}
