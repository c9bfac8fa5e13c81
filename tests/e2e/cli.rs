//! What scripts rely on: exit status, messages, and where output goes.
//!
//! In: arguments, valid and invalid. Out: whether the exit status, the streams and the files are
//! right. Other tests check the content of alerts.

use crate::support::{
    Folder, call, json_file, json_lines, read_json, repository, run, stack_lines,
};
use serde_json::{Value, json};
use std::process::Stdio;

const ALICE: (&str, &str, &str) = ("a", "2025-04-01T08:00:00Z", "alice");
const BOB: (&str, &str, &str) = ("b", "2025-04-01T09:00:00Z", "bob");

#[test]
fn alerts_change_the_exit_status_only_with_fail_on_alert() {
    let folder = Folder::new();
    let alerts = folder.write("alerts", stack_lines(&[ALICE]));
    let none = folder.write("none", "");
    assert_eq!(run().arg(&alerts).end().status, Some(0));
    let done = run().arg("--fail-on-alert").arg(&alerts).end();
    assert_eq!((done.status, done.count("alerts")), (Some(1), 1));
    assert_eq!(run().arg("--fail-on-alert").arg(&none).end().status, Some(0));
    // A repeat does not count as an alert.
    let repeat = || run().arg("--fail-on-alert").arg("--state").arg(folder.path("s")).arg(&alerts);
    assert_eq!([repeat().end().status, repeat().end().status], [Some(1), Some(0)]);
}

#[test]
fn error_takes_precedence_over_alerts() {
    let folder = Folder::new();
    let path = folder.write("broken", stack_lines(&[ALICE]) + "{\"broken\n");
    let both = run().args(&["--fail-on-alert", "--on-error", "fail"]).arg(&path);
    let done = both.fails(&["broken: line 2, byte "]);
    assert_eq!(done.alert_ids(), ["a"], "the alerts before the error are written");
}

#[test]
fn wrong_arguments_exit_with_2_and_a_message() {
    call("run").arg("--no-such-option").fails(&["--no-such-option"]);
    call("no-such-command").fails(&["no-such-command"]);
    for (option, value) in [
        ("--max-event", "12"),
        ("--max-event", "99G"),
        ("--hold", "soon"),
        ("--format", "xml"),
        ("--on-error", "ignore"),
        ("--repeats", "keep"),
    ] {
        call("run").args(&[option, value, "-"]).fails(&[option, value]);
    }
}

#[test]
fn help_and_version_exit_with_0() {
    for (what, word) in [("--help", "explain"), ("--version", env!("CARGO_PKG_VERSION"))] {
        assert!(call(what).ok().stdout.contains(word));
    }
    for line in call("run").arg("--help").ok().stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn missing_input_is_named_and_nothing_is_read() {
    let folder = Folder::new();
    let there = folder.write("there", stack_lines(&[ALICE]));
    for wrong in [folder.path("missing"), there.join("inside-a-file")] {
        let done = run().arg(&there).arg(&wrong).fails(&[wrong.to_str().unwrap(), "give a file"]);
        assert_eq!(done.stdout, "");
    }
}

#[test]
fn dangling_link_does_not_stop_the_run() {
    let folder = Folder::new();
    folder.write("1", stack_lines(&[ALICE]));
    folder.write("3", stack_lines(&[BOB]));
    std::os::unix::fs::symlink(folder.path("nowhere"), folder.path("2")).unwrap();
    let done = run().arg(folder.path(".")).ok();
    assert_eq!(done.alert_ids(), ["a", "b"]);
    assert_eq!(done.count("failed_inputs"), 1);
    assert!(done.stderr.contains("/2: "), "{}", done.stderr);
    run().args(&["--on-error", "fail"]).arg(folder.path(".")).fails(&["/2: "]);
}

/// The root user can read every folder; then the test checks less.
#[test]
fn unreadable_folder_does_not_stop_the_run() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.write("open", stack_lines(&[ALICE]));
    let closed = folder.path("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o0)).unwrap();
    let root = std::fs::read_dir(&closed).is_ok();
    let done = run().arg(folder.path(".")).end();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!((done.status, done.alert_ids()), (Some(0), vec!["a".to_owned()]));
    if root {
        eprintln!("skipped: root can read a folder without permissions");
    } else {
        assert_eq!(done.count("failed_inputs"), 1);
        assert!(done.stderr.contains("/closed: "), "{}", done.stderr);
    }
}

#[test]
fn summary_has_every_count() {
    let done = run().arg(repository("samples/cloudtrail")).ok();
    let Value::Object(summary) = &done.summary else { panic!("{}", done.summary) };
    let counts = "files bytes events matched alerts repeats seen missing_terms bad suppressed_by_exception \
                  future older_than_state too_many_terms learned failed_inputs dead_letters records_cut \
                  released_early elapsed_ms events_per_second";
    for name in counts.split_whitespace() {
        assert!(summary[name].is_u64(), "{name}: {summary:?}");
    }
    assert_eq!(summary["missing_by_field"], json!({ "user.name": 2 }));
    assert_eq!(summary["no_events"], json!({ "CloudTrail digest": 1 }));
    assert!(summary["bytes"].as_u64() > Some(100_000));
}

#[test]
fn unwritable_summary_is_an_error() {
    let done = call("run").args(&["--summary", "/dev/full", "-"]).fails(&["/dev/full", "summary"]);
    assert_eq!(done.stdout, "");
}

#[test]
fn output_file_equals_standard_output() {
    let folder = Folder::new();
    let sample = repository("samples/cloudtrail");
    let path = folder.write("alerts", "of an earlier run");
    for format in ["auto", "pretty", "ndjson"] {
        let piped = run().args(&["--format", format]).arg(&sample).ok();
        let filed = run().args(&["--format", format, "--output"]).arg(&path).arg(&sample).ok();
        assert_eq!(filed.stdout, "");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), piped.stdout);
        let is_json = piped.stdout.starts_with('{');
        assert_eq!(is_json, format != "pretty", "a pipe and a file get NDJSON by default");
    }
}

#[test]
fn input_is_never_overwritten() {
    let folder = Folder::new();
    let text = stack_lines(&[ALICE]);
    let path = folder.write("events", &text);
    for option in ["--output", "--dead-letter", "--summary", "--state"] {
        let done = call("run").arg(option).arg(&path).arg(&path).end();
        assert_eq!(done.status, Some(2), "{option}: {}", done.stderr);
        assert!(done.stderr.contains("events"), "{option}: {}", done.stderr);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{option}");
    }
}

#[test]
fn full_disk_is_reported() {
    let sample = repository("samples/cloudtrail");
    for format in ["ndjson", "pretty"] {
        let file = run().args(&["--format", format, "--output", "/dev/full"]).arg(&sample);
        file.fails(&["/dev/full", "the disk is full"]);
        let mut piped = call("run").args(&["--format", format]).arg(&sample);
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let out = piped.command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).output();
        let out = out.unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2));
        assert!(stderr.contains("standard output: the disk is full"), "{stderr}");
    }
    let bad = repository("tests/fixtures/bad/text-line.ndjson");
    run().args(&["--dead-letter", "/dev/full"]).arg(bad).fails(&["/dev/full", "the disk is full"]);
}

/// Like `| head -1`, but the pipe is closed from the start.
#[test]
fn closed_pipe_ends_silently_with_0() {
    for (command, format) in
        [("run", "ndjson"), ("run", "pretty"), ("explain", "ndjson"), ("explain", "pretty")]
    {
        let mut call = call(command).args(&["--format", format]);
        call = call.arg(repository("samples/cloudtrail"));
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        call.command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let out = call.command.output().unwrap();
        assert_eq!(out.status.code(), Some(0), "{command} {format}");
        assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{command} {format}");
    }
}

/// Like `2>&1 | head -1`, or a log on a full disk: the work is still done.
#[test]
fn unwritable_standard_error_is_ignored() {
    let folder = Folder::new();
    let bad = repository("tests/fixtures/bad");
    let missing = folder.path("missing");
    let artifact = folder.path("rule.wasm");
    let rule = repository("plugin/rules/first_time_cloudformation_stack_creation.toml");
    let cases = || {
        [
            (run().arg(&bad), 0),
            (call("explain").arg(&bad), 0),
            (call("build").arg("-o").arg(&artifact).arg(&rule), 0),
            (run().arg(&missing), 2),
        ]
    };
    for (mut call, status) in cases() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        call.command.stdin(Stdio::null()).stderr(full);
        assert_eq!(call.command.output().unwrap().status.code(), Some(status), "a full disk");
    }
    for (mut call, status) in cases() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        call.command.stdin(Stdio::null()).stderr(writer);
        let out = call.command.output().unwrap();
        assert_eq!(out.status.code(), Some(status), "a closed pipe");
    }
    assert!(artifact.exists());
}

/// The state must not contain alerts that nobody received.
#[test]
fn alerts_lost_to_a_closed_pipe_come_with_the_next_run() {
    let folder = Folder::new();
    let mut lost = run().arg("--state").arg(folder.path("state"));
    lost = lost.arg(repository("samples/cloudtrail"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    lost.command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    let next = run().arg("--state").arg(folder.path("state"));
    assert_eq!(next.arg(repository("samples/cloudtrail")).ok().count("alerts"), 7);
}

#[test]
fn on_error_fail_names_the_place_and_keeps_earlier_alerts() {
    let expected = read_json("tests/fixtures/index.json");
    let folder = Folder::new();
    for (name, place) in [
        ("cut-line.ndjson", "line 3, byte "),
        ("invalid-utf8.ndjson", "line 3, byte "),
        ("no-time.ndjson", "line 3, byte "),
        ("future.ndjson", "line 3, byte "),
        ("records-element.json", "record 2"),
        ("truncated.ndjson.gz", "ends early"),
        ("checksum.ndjson.gz", "checksum"),
    ] {
        let path = repository("tests/fixtures/bad").join(name);
        let state = folder.path(name);
        let failing = || run().args(&["--on-error", "fail", "--state"]).arg(&state).arg(&path);
        let done = failing().fails(&[name, place]);
        let whole = run().arg(&path).ok();
        assert_eq!(json!(whole.alert_ids()), expected[format!("bad/{name}")]["alert_ids"]);
        assert!(whole.alert_ids().starts_with(&done.alert_ids()), "{name}");
        assert!(!done.alert_ids().is_empty(), "{name}: earlier alerts are written");
        // ... and stored.
        let again = failing().fails(&[name, place]);
        assert_eq!(again.count("repeats"), done.count("alerts"), "{name}");
    }
}

#[test]
fn dead_letters_contain_the_skipped_events() {
    let folder = Folder::new();
    let path = folder.path("dead");
    let bad = repository("tests/fixtures/bad");
    let done = run().arg("--dead-letter").arg(&path).arg(&bad).ok();
    let letters = json_lines(&std::fs::read_to_string(&path).unwrap());
    assert_eq!(letters.len() as u64, done.count("bad") + done.count("future"));
    assert_eq!(letters.len() as u64, done.count("dead_letters"));
    for (name, line) in [("cut-line.ndjson", 3), ("text-line.ndjson", 3)] {
        let file = bad.join(name);
        let letter = letters.iter().find(|l| l["file"] == json!(file)).expect(name);
        let text = std::fs::read_to_string(&file).unwrap();
        let raw = letter["raw"].as_str().unwrap();
        assert_eq!(letter["line"], line, "{letter}");
        let offset = letter["offset"].as_u64().unwrap() as usize;
        assert!(text[offset..].starts_with(raw), "the place leads to the event: {letter}");
        assert!(letter["code"].is_string() && letter["reason"].is_string(), "{letter}");
    }
}

#[test]
fn file_that_is_not_a_rule_is_refused() {
    let folder = Folder::new();
    let refused = |path, words: &[&str]| {
        let done = run().arg("--rule").arg(path).arg(repository("samples/cloudtrail")).fails(words);
        assert_eq!(done.stderr.lines().count(), 1, "one line of message: {}", done.stderr);
        assert_eq!(done.stdout, "");
    };
    refused(folder.write("text.json", "{}"), &["text.json", "not a WebAssembly module"]);
    refused(folder.path("missing.wasm"), &["missing.wasm"]);
    refused(folder.path("."), &["no rule in this folder"]);
    refused(folder.write("empty.wasm", ""), &["empty.wasm", "not a WebAssembly module"]);
    refused(folder.write("text.wasm", "no module"), &["text.wasm", "not a WebAssembly module"]);
    // A module without a rule.
    refused(folder.write("bare.wasm", b"\0asm\x01\0\0\0"), &["bare.wasm"]);
}

#[test]
fn invalid_settings_are_refused() {
    let folder = Folder::new();
    for (text, word) in [
        ("{", "settings"),
        (r#"{"tenants": "a"}"#, "tenants"),
        (r#"{"tenant": "a:b"}"#, "tenant"),
        (r#"{"learn_until": "soon"}"#, "learn_until"),
        (r#"{"exceptions": [{"name": "ci", "query": "user.name: ("}]}"#, "ci"),
    ] {
        let path = folder.write("settings.json", text);
        run().arg("--settings").arg(path).arg("-").fails(&["settings.json", word]);
    }
    run().arg("--settings").arg(folder.path("missing")).arg("-").fails(&["missing"]);
}

#[test]
fn summary_is_written_to_its_own_file() {
    let folder = Folder::new();
    let path = folder.path("summary.json");
    call("run").arg("--summary").arg(&path).arg(repository("samples/cloudtrail")).ok();
    assert_eq!(json_file(&path)["alerts"], 7);
}

#[test]
fn the_log_level_decides_what_standard_error_has() {
    let folder = Folder::new();
    let path = folder.write("broken", stack_lines(&[ALICE]) + "{\"broken\n");
    let stderr = |args: &[&str]| {
        let done = run().args(args).arg(&path).ok();
        assert_eq!(done.alert_ids(), ["a"]);
        done.stderr
    };
    assert_eq!(stderr(&["--log-level", "error"]), "");
    let warnings = stderr(&["--log-level", "warn"]);
    assert!(warnings.starts_with("skipped: ") && warnings.lines().count() == 2, "{warnings}");
    assert!(warnings.ends_with("  1 event could not be judged: truncated 1\n"), "{warnings}");
    assert_eq!(stderr(&["--quiet"]), warnings);
    assert!(stderr(&["--log-level", "info"]).contains("\n  events    1 in 1 input"));
    assert!(!stderr(&[]).contains("loaded "));
    assert!(stderr(&["--log-level", "debug"]).contains("loaded the built-in rule: 1 rule, engine"));
    run().arg("-q").arg(folder.path("missing")).fails(&["error: ", "missing"]);
    run().args(&["--quiet", "--log-level", "info"]).arg(&path).fails(&["--log-level"]);
    // They hold for every command, and may stand before it.
    let done = call("--quiet").args(&["new"]).arg(folder.path("x")).ok();
    assert_eq!((&*done.stdout, &*done.stderr), ("", ""));
}

#[test]
fn colours_are_where_they_are_asked_for() {
    let folder = Folder::new();
    let path = folder.write("one", stack_lines(&[ALICE]));
    let rule = folder.write("wrong.toml", "[rule]\n");
    let coloured = |args: &[&str], variable: &str| {
        let with = |mut call: crate::support::Call| {
            if !variable.is_empty() {
                call.command.env(variable, "1");
            }
            call
        };
        let alerts = with(call("run")).args(&["--format", "pretty"]).args(args).arg(&path).end();
        let faults = with(call("build")).args(args).arg(&rule).end();
        let both = [alerts.stdout.contains('\x1b'), faults.stderr.contains('\x1b')];
        assert_eq!(both[0], both[1], "{args:?} {variable}");
        both[0]
    };
    assert!(!coloured(&[], ""));
    assert!(coloured(&["--color", "always"], ""));
    assert!(coloured(&["--color", "always"], "NO_COLOR"));
    assert!(coloured(&[], "CLICOLOR_FORCE"));
    assert!(!coloured(&["--color", "never"], "CLICOLOR_FORCE"));
    assert!(!coloured(&["--color", "auto"], "NO_COLOR"));
    // A file is not a terminal, whatever the terminal is asked for.
    let output = folder.path("alerts");
    let run = call("run").args(&["--color", "always", "--format", "pretty", "--output"]);
    run.arg(&output).arg(&path).ok();
    assert!(!std::fs::read_to_string(&output).unwrap().contains('\x1b'));
}

#[test]
fn a_dash_is_no_file_to_write() {
    for option in ["--output", "--dead-letter", "--summary"] {
        let call =
            call("run").args(&["--state", "memory:", option, "-"]).arg(repository("samples"));
        call.fails(&[option, "./-", "standard output"]);
    }
    assert!(!std::path::Path::new("-").exists());
}
