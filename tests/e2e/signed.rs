//! Signed artifacts: `keygen`, `sign`, `verify`, and `--require-signed` wherever rules are run.
//!
//! In: artifacts and keys made here. Out: whether what a key signed runs as it did before, and nothing else
//! runs where that key is required. What a signature is, and every way to damage one, is in the tests of
//! crate signature.

use crate::artifacts::{custom, leb};
use crate::build::{FLAGSHIP, artifact, rule};
use crate::support::{Call, Folder, call, repository, run};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A pair of keys; the name without an ending.
fn keys(folder: &Folder, name: &str) -> PathBuf {
    let path = folder.path(name);
    call("keygen").arg(&path).ok();
    path
}

fn ending(name: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}.{ending}", name.display()))
}

fn sign(artifact: &Path, key: &Path) {
    call("sign").arg("--key").arg(ending(key, "key")).arg(artifact).ok();
}

/// An artifact that user.name is new to, unsigned, and an event that it matches.
fn scene() -> (Folder, PathBuf, PathBuf, PathBuf) {
    let folder = Folder::new();
    let artifact = artifact(&folder, "one", "event.action: one", &["user.name"]);
    let event = json!({ "@timestamp": "2025-01-01T08:00:00Z", "event": { "id": "e", "action": "one" },
                        "user": { "name": "alice" } });
    let events = folder.write("events.ndjson", format!("{event}\n"));
    let key = keys(&folder, "ci");
    (folder, artifact, events, key)
}

#[test]
fn keys_are_private_and_never_replaced_unasked() {
    let folder = Folder::new();
    let name = keys(&folder, "ci");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let (secret, public) = (ending(&name, "key"), ending(&name, "pub"));
    assert_eq!((mode(&secret), fs::read(&secret).unwrap().len()), (0o600, 65));
    assert_eq!(fs::read(&public).unwrap().len(), 33);
    let before = fs::read(&secret).unwrap();
    call("keygen").arg(&name).fails(&["ci.key", "--force"]);
    fs::remove_file(&secret).unwrap();
    call("keygen").arg(&name).fails(&["ci.pub", "--force"]);
    assert!(!secret.exists(), "half a pair");
    // What was open to others is not, once it is replaced.
    fs::write(&secret, before).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    call("keygen").arg("--force").arg("--pem").arg(&name).ok();
    assert_eq!(mode(&secret), 0o600);
    assert!(fs::read_to_string(&secret).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
    assert!(fs::read_to_string(&public).unwrap().starts_with("-----BEGIN PUBLIC KEY-----"));
    call("keygen").arg(folder.path("none/ci")).fails(&["none/ci.key"]);
    assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), 2, "nothing beside them");
}

#[test]
fn a_signed_artifact_is_the_same_rule() {
    let (folder, path, events, key) = scene();
    let plain = fs::read(&path).unwrap();
    let state = folder.path("state.redb");
    let before = run().arg("--rule").arg(&path).arg("--state").arg(&state).arg(&events).ok();
    sign(&path, &key);
    let signed = fs::read(&path).unwrap();
    assert!(signed.ends_with(&plain[8..]) && signed != plain);
    let after = run().arg("--rule").arg(&path).arg(&events).ok();
    assert_eq!(after.stdout, before.stdout);
    // The state knows the rule, and it is no other build.
    let again = run().arg("--rule").arg(&path).arg("--state").arg(&state).arg(&events).ok();
    assert!(again.stdout.is_empty() && !again.stderr.contains("another build"), "{}", again.stderr);
    call("inspect").arg("--verify").arg(&path).ok();
    // Signing again changes nothing; another key adds its own.
    sign(&path, &key);
    assert_eq!(fs::read(&path).unwrap(), signed);
    let other = keys(&folder, "other");
    let both = folder.path("both.wasm");
    call("sign").arg("--key").arg(ending(&other, "key")).arg("-o").arg(&both).arg(&path).ok();
    for key in [&key, &other] {
        let valid = call("verify").arg(&both).arg("--keys").arg(ending(key, "pub")).ok().stdout;
        assert!(valid.contains("both.wasm: valid, signed by key "), "{valid}");
    }
    assert_eq!(fs::read(&path).unwrap(), signed, "only the output was written");
    let rebuilt = call("rebuild").arg(&both).ok();
    assert!(rebuilt.stderr.contains("the signature is gone"), "{}", rebuilt.stderr);
    assert_eq!(fs::read(&both).unwrap(), plain);
    assert!(!call("rebuild").arg(&both).ok().stderr.contains("signature"));
}

#[test]
fn inspect_tells_who_signed() {
    let (folder, path, _, key) = scene();
    let look = |keys: Option<&Path>| {
        let json = ["--format", "json"];
        let with = |mut call: Call| {
            if let Some(keys) = keys {
                call = call.arg("--keys").arg(keys);
            }
            call.arg(&path).ok().stdout
        };
        let shown: Value = serde_json::from_str(&with(call("inspect").args(&json))).unwrap();
        (with(call("inspect")), shown["signature"].clone())
    };
    let (page, json) = look(None);
    assert!(page.contains("\n  signature    none\n") && json.is_null(), "{page}");
    sign(&path, &key);
    let (page, json) = look(None);
    assert!(page.contains("not checked"), "{page}");
    assert_eq!((&json["valid"], json["keys"].as_array().unwrap().len()), (&Value::Null, 1));
    let (page, valid) = look(Some(&ending(&key, "pub")));
    assert!(page.contains("signature    valid, by key"), "{page}");
    assert_eq!(valid, json!({ "valid": true, "keys": json["keys"] }));
    let (page, json) = look(Some(&ending(&keys(&folder, "other"), "pub")));
    assert!(page.contains("signature    not valid: it is signed by key"), "{page}");
    assert_eq!(json["valid"], false);
}

/// Every command that runs rules, with this rule and these keys.
fn all_commands(folder: &Folder, rule: Option<&Path>, events: &Path, keys: &Path) -> Vec<Call> {
    let ways = ["run", "explain", "learn", "bench"];
    ways.map(|name| {
        let mut call = call(name).arg("--require-signed").arg(keys);
        if let Some(rule) = rule {
            call = call.arg("--rule").arg(rule);
        }
        match name {
            "learn" => call.arg("--state").arg(folder.path("learned.redb")).arg(events),
            "bench" => call.args(&["--rounds", "1", "--events", "1"]).arg(events),
            _ => call.arg(events),
        }
    })
    .into()
}

#[test]
fn where_keys_are_required_nothing_else_runs() {
    let (folder, path, events, key) = scene();
    let public = ending(&key, "pub");
    let refused = |rule: Option<&Path>, keys: &Path, words: &[&str]| {
        for call in all_commands(&folder, rule, &events, keys) {
            let done = call.fails(words);
            assert_eq!(done.stdout, "");
        }
    };
    refused(Some(&path), &public, &["one.wasm", "--require-signed", "it is not signed"]);
    refused(None, &public, &["the built-in rule", "--require-signed", "--rule"]);
    refused(Some(&repository(FLAGSHIP)), &public, &["toml", "--require-signed", "firstseen sign"]);
    fs::create_dir(folder.path("rules")).unwrap();
    folder.write("rules/two.toml", rule("two", "event.action: two", &["user.name"]));
    refused(Some(&folder.path("rules")), &public, &["two.toml", "firstseen build"]);
    sign(&path, &keys(&folder, "other"));
    refused(Some(&path), &public, &["one.wasm", "by none of the keys"]);
    sign(&path, &key);
    for call in all_commands(&folder, Some(&path), &events, &public) {
        call.ok();
    }
    // Two keys of which one signed; a folder of keys.
    fs::create_dir(folder.path("trusted")).unwrap();
    fs::copy(&public, folder.path("trusted/ci.pub")).unwrap();
    let third = ending(&keys(&folder, "third"), "pub");
    run()
        .arg("--rule")
        .arg(&path)
        .arg("--require-signed")
        .arg(&third)
        .arg("--require-signed")
        .arg(&public)
        .arg(&events)
        .ok();
    run()
        .arg("--rule")
        .arg(&path)
        .arg("--require-signed")
        .arg(folder.path("trusted"))
        .arg(&events)
        .ok();
    // No keys are never "no keys required".
    fs::create_dir(folder.path("empty")).unwrap();
    refused(Some(&path), &folder.path("empty"), &["--require-signed", "empty", "no key"]);
    refused(Some(&path), &folder.path("missing"), &["--require-signed", "missing"]);
    refused(Some(&path), &ending(&key, "key"), &["--require-signed", "a secret key"]);
    let unsigned = artifact(&folder, "two", "event.action: two", &["user.name"]);
    run()
        .arg("--rule")
        .arg(&path)
        .arg(&unsigned)
        .arg("--require-signed")
        .arg(&public)
        .arg(&events)
        .fails(&["two.wasm", "it is not signed"]);
}

#[test]
fn tests_run_over_signed_artifacts_alone() {
    let (folder, path, _, key) = scene();
    let test = r#"
rule = "one.wasm"
[[case]]
name = "alice"
[[case.event]]
at = "2025-01-01T08:00:00Z"
set.event.action = "one"
set.user.name = "alice"
alert = true
"#;
    folder.write("one.test.toml", test);
    let public = ending(&key, "pub");
    let tested = || {
        let call = call("test").arg(folder.path("one.test.toml")).arg("--allow-one-sided");
        call.arg("--require-signed").arg(&public).end()
    };
    let refused = tested();
    assert!(refused.stdout.contains("refused by --require-signed"), "{}", refused.stdout);
    assert_eq!(refused.status, Some(2));
    sign(&path, &key);
    let signed = tested();
    assert_eq!(signed.status, Some(0), "{}{}", signed.stdout, signed.stderr);
    // Built on the spot, it has no signature.
    folder.write("one.test.toml", test.replace("one.wasm", "one.toml"));
    let built = tested();
    assert!(built.stdout.contains("firstseen build"), "{}", built.stdout);
    assert_eq!(built.status, Some(2));
}

/// The sections of an artifact: where each begins and ends.
fn sections(wasm: &[u8]) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut at = 8;
    while at < wasm.len() {
        let (mut length, mut shift, mut next) = (0, 0, at + 1);
        loop {
            length |= usize::from(wasm[next] & 0x7f) << shift;
            shift += 7;
            next += 1;
            if wasm[next - 1] < 0x80 {
                break;
            }
        }
        out.push((at, next + length));
        at = next + length;
    }
    out
}

#[test]
fn a_changed_artifact_is_refused() {
    let (folder, path, events, key) = scene();
    sign(&path, &key);
    let signed = fs::read(&path).unwrap();
    let mut changed: Vec<(String, Vec<u8>)> = Vec::new();
    let all = sections(&signed);
    for (number, (from, to)) in all.iter().copied().enumerate() {
        for at in [from, (from + to) / 2, to - 1] {
            let mut one = signed.clone();
            one[at] ^= 1;
            changed.push((format!("{number}-byte-{at}"), one));
        }
        changed.push((format!("{number}-gone"), [&signed[..from], &signed[to..]].concat()));
    }
    changed.push(("behind".into(), [&signed, custom("more", b"").as_slice()].concat()));
    changed.push(("byte".into(), [&signed, &[0][..]].concat()));
    changed.push(("front".into(), [&signed[..8], &custom("more", b""), &signed[8..]].concat()));
    let last = *all.last().unwrap();
    changed.push(("moved".into(), [&signed[..8], &signed[last.0..], &signed[8..last.0]].concat()));
    let twice = &signed[all[0].0..all[0].1];
    changed.push(("twice".into(), [&signed[..8], twice, &signed[8..]].concat()));
    let claim = [vec![0], leb(u32::MAX as usize), b"\x09signature".to_vec()].concat();
    changed.push(("claim".into(), [&signed[..8], &claim, &signed[8..]].concat()));
    let mut verify = call("verify").arg("--keys").arg(ending(&key, "pub"));
    let count = changed.len();
    let mut names = Vec::new();
    for (name, bytes) in changed {
        // A file that is no module at all is refused before.
        names.push(folder.write(&format!("{name}.changed.wasm"), bytes));
    }
    for name in &names {
        verify = verify.arg(name);
    }
    let done = verify.end();
    assert_eq!(done.status, Some(1), "{}", done.stderr);
    assert_eq!(
        done.stdout.lines().filter(|line| line.contains(": refused: ")).count(),
        count,
        "{}",
        done.stdout
    );
    // A few through the loader as well.
    for name in names.iter().step_by(count / 4) {
        let keys = ending(&key, "pub");
        run()
            .arg("--rule")
            .arg(name)
            .arg("--require-signed")
            .arg(keys)
            .arg(&events)
            .fails(&["refused by --require-signed"]);
    }
}

#[test]
fn what_cannot_be_signed_or_verified_is_named() {
    let (folder, path, _, key) = scene();
    let (secret, public) = (ending(&key, "key"), ending(&key, "pub"));
    let sign = |artifact: &Path, key: &Path| call("sign").arg("--key").arg(key).arg(artifact);
    sign(&path, &public).fails(&["--key", "ci.pub", "a public key"]);
    sign(&path, &folder.path("none.key")).fails(&["--key", "none.key", "No such file"]);
    sign(&path, &folder.write("text.key", "text")).fails(&[
        "--key",
        "text.key",
        "not an Ed25519 key",
    ]);
    let module = folder.write("module.wasm", b"\0asm\x01\0\0\0");
    sign(&module, &secret).fails(&["module.wasm", "not a rule"]);
    sign(&path, &secret)
        .arg(&module)
        .arg("-o")
        .arg(folder.path("x"))
        .fails(&["--output", "2 artifacts"]);
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
    let warned = sign(&path, &secret).ok();
    assert!(
        warned.stderr.contains("warning: ") && warned.stderr.contains("chmod 600"),
        "{}",
        warned.stderr
    );
    let mut wasm = fs::read(&path).unwrap();
    *wasm.last_mut().unwrap() ^= 1;
    let changed = folder.write("changed.wasm", wasm);
    sign(&changed, &secret).fails(&[
        "changed.wasm",
        "not signed: it was changed",
        "build it again",
    ]);
    call("verify").arg(&path).fails(&["--keys"]);
    call("verify").arg(folder.path("none.wasm")).arg("--keys").arg(&public).fails(&["none.wasm"]);
}
