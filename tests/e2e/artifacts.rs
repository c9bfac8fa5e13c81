//! `inspect`, `rebuild`, and files that are not artifacts.
//!
//! In: artifacts, valid, damaged and changed. Out: whether the commands show them or refuse them
//! with the right message.

use crate::build::{FLAGSHIP, artifact, build, rule};
use crate::support::{Folder, call, read_json, repository, run, stack_lines};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn flagship(folder: &Folder) -> PathBuf {
    let path = folder.path("flagship.wasm");
    build(&repository(FLAGSHIP), &path);
    path
}

/// A number in LEB128, as in WebAssembly.
pub(crate) fn leb(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// A custom section.
pub(crate) fn custom(name: &str, data: &[u8]) -> Vec<u8> {
    let body = [leb(name.len()), name.as_bytes().to_vec(), data.to_vec()].concat();
    [vec![0], leb(body.len()), body].concat()
}

/// A module with these sections after its header.
pub(crate) fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
}

pub(crate) fn one(key_prefix: &str) -> String {
    format!(
        r#"{{"id":"r","name":"n","severity":"low","new_terms":["a"],"window":"1d",
            "window_ms":86400000,"key_prefix":"{key_prefix}","literals":[]}}"#
    )
}

pub(crate) fn meta(abi: u32, rule: &str) -> Vec<u8> {
    let text = format!(r#"{{"format":1,"abi":{abi},"engine":"0.1.0","rules":[{rule}]}}"#);
    custom("firstseen.rules", text.as_bytes())
}

/// Every command that reads an artifact refuses this file with these words.
#[track_caller]
fn refused(path: &Path, words: &[&str]) {
    let events = stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]);
    let name = path.file_name().unwrap().to_str().unwrap();
    let words: Vec<_> = words.iter().copied().chain([name]).collect();
    let calls = [
        run().arg("--rule").arg(path).arg("-").pipe(events.clone()),
        call("explain").arg("--rule").arg(path).arg("-").pipe(events),
        call("inspect").arg(path),
    ];
    for call in calls {
        let done = call.fails(&words);
        assert_eq!(done.stderr.lines().count(), 1, "one line of message: {}", done.stderr);
        assert_eq!(done.stdout, "");
    }
}

#[test]
fn every_command_refuses_files_that_are_not_artifacts() {
    let folder = Folder::new();
    let write = |name: &str, bytes: &[u8]| folder.write(name, bytes);
    let whole = fs::read(flagship(&folder)).unwrap();
    let rule = one("r:0011:");
    let no_wasm = ["not a WebAssembly module"];
    refused(&write("empty.wasm", b""), &["an empty file"]);
    refused(&write("text.wasm", b"no module"), &no_wasm);
    call("inspect").arg(write("rule.toml", b"[rule]")).fails(&["rule.toml", "firstseen build"]);
    refused(&write("component.wasm", b"\0asm\x0d\0\x01\0"), &["component", "core module"]);
    refused(&write("bare.wasm", &module(&[])), &["not a rule", "firstseen.rules"]);
    refused(&write("other-abi.wasm", &module(&[meta(2, &rule)])), &["contract 2"]);
    let bare = module(&[meta(1, &rule)]);
    refused(&write("no-exports.wasm", &bare), &["does not export `abi_version`", "rebuild"]);
    let twice = module(&[meta(1, &rule), meta(1, &rule)]);
    refused(&write("twice.wasm", &twice), &["firstseen.rules", "twice"]);
    let prefix = module(&[meta(1, &one("*"))]);
    refused(&write("prefix.wasm", &prefix), &["key prefix"]);
    refused(&write("cut.wasm", &whole[..whole.len() / 2]), &["ends too early", "build it again"]);
    // Every section twice.
    let doubled = [whole.as_slice(), &whole[8..]].concat();
    refused(&write("doubled.wasm", &doubled), &[]);
    refused(&folder.path("missing.wasm"), &["No such file"]);
    fs::create_dir_all(folder.path("folder.wasm")).unwrap();
    refused(&folder.path("folder.wasm"), &["folder"]);
    // A sparse file of 1 GB; no command may read it.
    let huge = folder.path("huge.wasm");
    fs::File::create(&huge).unwrap().set_len(1 << 30).unwrap();
    refused(&huge, &["too many for a rule"]);
}

#[test]
fn wrong_signature_is_found_without_running_the_module() {
    let folder = Folder::new();
    // One type, () -> (), one function of it, exported as `abi_version`.
    let types = [vec![1], leb(4), vec![1, 0x60, 0, 0]].concat();
    let functions = [vec![3], leb(2), vec![1, 0]].concat();
    let name = b"abi_version";
    let export = [vec![1, name.len() as u8], name.to_vec(), vec![0, 0]].concat();
    let exports = [vec![7], leb(export.len()), export].concat();
    let code = [vec![10], leb(4), vec![1, 2, 0, 0x0b]].concat();
    let wasm = module(&[types, functions, exports, code, meta(1, &one("r:0011:"))]);
    let path = folder.write("signature.wasm", wasm);
    refused(&path, &["`abi_version` is () -> ()", "instead of () -> i32"]);
}

/// The number of sources differs from the number of rules in the metadata.
#[test]
fn inconsistent_metadata_is_refused() {
    let folder = Folder::new();
    let bytes = fs::read(flagship(&folder)).unwrap();
    let more = [bytes.as_slice(), &custom("firstseen.source", b"[rule]")].concat();
    let path = folder.write("lies.wasm", more);
    call("inspect").arg(&path).fails(&["lies.wasm", "1 rule(s)", "the source of 2"]);
    call("rebuild").arg(&path).fails(&["lies.wasm", "1 rule(s)", "the source of 2"]);
    refused(&path, &["1 rule(s)", "the source of 2"]);
    let not_text = module(&[meta(1, &one("r:0011:")), custom("firstseen.source", b"\xff")]);
    let path = folder.write("bytes.wasm", not_text);
    call("rebuild").arg(&path).fails(&["bytes.wasm", "not UTF-8"]);
}

#[test]
fn inspect_shows_an_artifact_without_running_it() {
    let folder = Folder::new();
    let path = flagship(&folder);
    let pretty = call("inspect").arg(&path).ok().stdout;
    for word in [
        "First Time AWS Cloudformation Stack Creation by User",
        "0415258b-a7b2-48a6-891a-3367cd9d4d31",
        "cloud.account.id, user.name",
        "TA0002",
        "Apache-2.0",
        "firstseen_v1.kv_get (i32, i32, i32, i32) -> i32",
        "evaluate (i32, i32, i64) -> i64",
    ] {
        assert!(pretty.contains(word), "`{word}` is not in\n{pretty}");
    }
    assert!(pretty.lines().all(|line| line.chars().count() <= 80), "{pretty}");
    let json = call("inspect").args(&["--format", "json"]).arg(&path).ok().stdout;
    let shown: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(shown["bytes"], fs::metadata(&path).unwrap().len());
    assert_eq!(shown["rules"][0]["window"], "10d");
    assert_eq!(shown["rules"][0]["version"], 2);
    assert_eq!(shown["standard"]["version"], "2");
    assert_eq!(shown["standard"]["licenses"], "Apache-2.0");
    assert!(pretty.contains(shown["digest"].as_str().unwrap()));
    let rule = &shown["rules"][0];
    let prefix =
        format!("{}:{}:", rule["id"].as_str().unwrap(), rule["fingerprint"].as_str().unwrap());
    assert_eq!(rule["key_prefix"], prefix);
}

#[test]
fn inspect_prints_source_and_guide() {
    let folder = Folder::new();
    let path = flagship(&folder);
    let source = call("inspect").arg("--source").arg(&path).ok().stdout;
    assert_eq!(source, fs::read_to_string(repository(FLAGSHIP)).unwrap());
    let guide = call("inspect").arg("--guide").arg(&path).ok().stdout;
    for word in ["Triage and analysis", "\n1. Who: ", "Known false positives", "References"] {
        assert!(guide.contains(word), "`{word}` is not in\n{guide}");
    }
    let long = |line: &&str| line.chars().count() > 80 && !line.contains("https://");
    assert_eq!(guide.lines().find(long), None);

    artifact(&folder, "a", "x: y", &["user.name"]);
    artifact(&folder, "b", "x: z", &["user.name"]);
    let pack = folder.path("pack.wasm");
    let both = call("build").args(&["--pack", "-o"]).arg(&pack);
    both.arg(folder.path("a.toml")).arg(folder.path("b.toml")).ok();
    call("inspect").arg("--source").arg(&pack).fails(&["2 rules", "--rule ID", "a, b"]);
    call("inspect").args(&["--source", "--rule", "c"]).arg(&pack).fails(&["no such rule", "a, b"]);
    let b = call("inspect").args(&["--source", "--rule", "b"]).arg(&pack).ok().stdout;
    assert_eq!(b, fs::read_to_string(folder.path("b.toml")).unwrap());
}

/// Text from a file never controls the terminal.
#[test]
fn text_from_the_file_is_escaped() {
    let folder = Folder::new();
    let path = artifact(&folder, "a", "x: y", &["user.name"]);
    let text = fs::read_to_string(folder.path("a.toml")).unwrap();
    let evil =
        text.replace("A rule of a test.", "A\\u001b[2Jrule").replace("Rule a", "R\\u001b[2J");
    let source = folder.write("a.toml", evil);
    build(&source, &path);
    for option in [None, Some("--guide")] {
        let done = call("inspect").arg(&path).args(option.as_slice()).ok();
        assert!(done.stdout.contains("\\u{1b}[2J"), "{}", done.stdout);
        assert!(!done.stdout.contains('\x1b'));
    }
}

#[test]
fn provenance_is_shown_and_kept_by_rebuild() {
    let folder = Folder::new();
    let path = folder.path("a.wasm");
    let build = |url: &str| {
        let build = call("build").args(&["--revision", "0a1b2c", "--source", url]);
        build.arg(repository(FLAGSHIP)).arg("-o").arg(&path)
    };
    build("no url").fails(&["--source", "not a URL"]);
    build("https://example.org/rules").ok();
    let shown = call("inspect").arg(&path).ok().stdout;
    assert!(shown.contains("https://example.org/rules") && shown.contains("0a1b2c"));
    let before = fs::read(&path).unwrap();
    call("rebuild").arg(&path).ok();
    assert!(before == fs::read(&path).unwrap(), "the same engine, the same artifact");
}

#[test]
fn rebuild_keeps_the_state_or_is_refused() {
    let folder = Folder::new();
    let path = artifact(&folder, "a", "event.action: CreateStack", &["user.name"]);
    let events = stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]);
    let state = folder.path("state");
    let run_with = |rule: &Path| {
        let run = run().arg("--rule").arg(rule).arg("--state").arg(&state).arg("-");
        run.pipe(events.clone()).ok()
    };
    assert_eq!(run_with(&path).count("alerts"), 1);
    let new = folder.path("new.wasm");
    let done = call("rebuild").arg(&path).arg("-o").arg(&new).ok();
    assert!(done.stderr.contains("the state stays valid"), "{}", done.stderr);
    assert_eq!(run_with(&new).count("repeats"), 1);

    // Of an engine that made another fingerprint.
    let bytes = fs::read(&path).unwrap();
    let meta = call("inspect").args(&["--format", "json"]).arg(&path).ok().lines().remove(0);
    let fingerprint = meta["rules"][0]["fingerprint"].as_str().unwrap();
    let mut other = replaced(&bytes, fingerprint, "0123456789abcdef");
    let code = other.len() / 2;
    other[code] ^= 1;
    let other = folder.write("other.wasm", other);
    let words = ["other.wasm", "0123456789abcdef", "--accept-new-state"];
    call("rebuild").arg(&other).fails(&words);
    let done = call("rebuild").arg("--accept-new-state").arg(&other).ok();
    assert!(done.stderr.contains("the rule begins with no memory"), "{}", done.stderr);
}

/// The bytes with another text, of the same length, wherever one is.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = bytes.to_vec();
    let places: Vec<_> = (0..=bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from.as_bytes()))
        .collect();
    assert!(!places.is_empty(), "{from}");
    places.iter().for_each(|at| out[*at..*at + to.len()].copy_from_slice(to.as_bytes()));
    out
}

/// A changed byte anywhere is found, whether it is of the source, of the plan, of the metadata or of
/// the engine; and `rebuild` makes nothing of an artifact that is not what its source makes.
#[test]
fn verify_finds_a_changed_byte() {
    let folder = Folder::new();
    let source = rule("a", "event.action: (CreateStack or Zebra)", &["user.name"]);
    let toml = folder.write("a.toml", format!("# A comment.\n{source}"));
    let path = folder.path("a.wasm");
    build(&toml, &path);
    let good = fs::read(&path).unwrap();
    let done = call("inspect").arg("--verify").arg(&path).ok();
    assert!(done.stdout.contains("a.wasm: verified"), "{}", done.stdout);
    let at = |text: &str, nth: usize| {
        let text = text.as_bytes();
        let mut places = (0..good.len() - text.len()).filter(|at| good[*at..].starts_with(text));
        places.nth(nth).unwrap_or_else(|| panic!("{nth} times {text:?}"))
    };
    let code = good.len() / 2;
    for (what, at, words) in [
        // The source follows the plan in the file.
        ("plan", at("Zebra", 0), "plan is not what its source makes"),
        ("comment", at("A comment.", 0), "its source was changed after it was built"),
        ("engine", code, "the code of its engine differs from the one of this version"),
        ("digest", at("source_sha256", 0) + 17, "its source was changed after it was built"),
        ("window", at("\"window_ms\":6", 0) + 12, "its source differ in the window"),
    ] {
        let mut bytes = good.clone();
        bytes[at] = if bytes[at] == b'7' { b'8' } else { bytes[at] ^ 1 };
        let changed = folder.write("changed.wasm", &bytes);
        let done = call("inspect").arg("--verify").arg(&changed).end();
        // A changed engine may be no module any more.
        if what == "engine" && done.status == Some(2) {
            continue;
        }
        let shown = done.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(done.status, Some(1), "{what}: {}", done.stderr);
        assert!(shown.contains("not verified") && shown.contains(words), "{what}: {shown}");
        if what != "engine" {
            call("rebuild").arg(&changed).fails(&["not rebuilt", "not what its source makes"]);
            assert!(fs::read(&changed).unwrap() == bytes, "it is as it was");
        }
    }
    // Every byte of the source and of the plan.
    let start = at("# A comment.", 0);
    for at in (start..start + source.len()).step_by(37) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let changed = folder.write("changed.wasm", &bytes);
        let done = call("inspect").arg("--verify").arg(&changed).end();
        assert!(matches!(done.status, Some(1 | 2)), "{at}: {}", done.stdout);
    }
}

/// What decides beside the query is shown in full: filters, exceptions, settings.
#[test]
fn inspect_shows_filters_and_exceptions() {
    let folder = Folder::new();
    let text = rule("a", "event.action: CreateStack", &["user.name"])
        + r#"
[[rule.filters]]
[rule.filters.meta]
negate = true
[rule.filters.query.match_phrase]
"cloud.region" = "us-east-1"

[[rule.exceptions]]
name = "the scanner"
reason = "It is ours."
expires = 2030-01-31
entries = [{ field = "user.name", type = "wildcard", value = "scan-*" }]

[[rule.exceptions]]
name = "the office"
reason = "Everybody there is known."
query = 'source.ip: "10.0.0.0/8"'
"#;
    let toml = folder.write("a.toml", text);
    let path = folder.path("a.wasm");
    build(&toml, &path);
    let shown = call("inspect").arg(&path).ok().stdout;
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "with filters event.action: CreateStack and not cloud.region: us-east-1",
        "exceptions 2 name the scanner leaves out user.name: scan-* because It is ours. until 2030-02-01T00:00:00Z",
        "name the office leaves out source.ip: 10.0.0.0/8 because Everybody there is known.",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let json = call("inspect").args(&["--format", "json"]).arg(&path).ok().lines().remove(0);
    let rule = &json["rules"][0];
    assert_eq!(rule["exception_list"][0]["expires"], "2030-02-01T00:00:00Z");
    assert_eq!(rule["exception_list"][1]["name"], "the office");
    assert_eq!(
        rule["query_with_filters"],
        "event.action: CreateStack and not cloud.region: us-east-1"
    );
    // Without filters there is nothing to add to the query.
    let plain = call("inspect").arg(flagship(&folder)).ok().stdout;
    assert!(!plain.contains("with filters"), "{plain}");
}

/// The event of the samples in which a service-linked role creates a stack.
const SERVICE_LINKED_ROLE: &str = "8caf8741-f5b5-41c9-a48a-b2f87892e5a7";

/// The artifacts of earlier versions in tests/fixtures/artifacts still run.
#[test]
fn old_artifact_gives_the_same_alerts() {
    let mut count = 0;
    for entry in fs::read_dir(repository("tests/fixtures/artifacts")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        let done = run().arg("--rule").arg(&path).arg(repository("samples/cloudtrail")).ok();
        let expected = read_json("samples/expected.json");
        let ids = expected["alerts"].as_array().unwrap().iter().map(|alert| &alert["event_id"]);
        let ids: Vec<_> = ids.map(|id| id.as_str().unwrap().to_owned()).collect();
        // To an earlier engine a service-linked role is a user: one more alert.
        let mut found = done.alert_ids();
        found.retain(|id| id != SERVICE_LINKED_ROLE);
        assert_eq!((found, done.count("alerts")), (ids, 8));
        // With the current engine it keeps its state.
        let folder = Folder::new();
        let new = folder.path("new.wasm");
        let rebuilt = call("rebuild").arg(&path).arg("-o").arg(&new).ok();
        assert!(rebuilt.stderr.contains("the state stays valid"), "{}", rebuilt.stderr);
        count += 1;
    }
    assert!(count > 0);
}
