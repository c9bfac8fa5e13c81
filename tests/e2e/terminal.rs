//! No text that comes from outside drives a terminal.
//!
//! In: a terminal's control sequences in every option, in every field of events, rules, artifacts,
//! exceptions, settings and tests, and in the names of files. Out: whether any of them reaches a
//! terminal on standard output, or standard error. Standard output is a real (pseudo) terminal here.

use crate::artifacts::{custom, meta, module, one};
use crate::build::{build, rule};
use crate::support::{Call, Folder, call, create_stack, run};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

/// Clears the screen, sets the title, and clears the screen as one character; then a forged line.
const EVIL: &str = "x\x1b[2J\x1b]0;title\x07\u{9b}2J\u{202e}y\nerror: forged\r";

/// What a call wrote to a terminal of this width, and to standard error.
pub(crate) fn on_terminal(call: Call, columns: u16) -> (String, String) {
    on_terminal_of(call, 24, columns)
}

/// The same on a terminal that says that it has so many rows.
pub(crate) fn on_terminal_of(call: Call, rows: u16, columns: u16) -> (String, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).and_then(|()| unlockpt(&master)).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = File::options()
        .read(true)
        .write(true)
        .open(std::ffi::OsStr::from_bytes(name.to_bytes()))
        .unwrap();
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).unwrap();
    // As it is written: no carriage return before a line feed.
    let mut modes = tcgetattr(&terminal).unwrap();
    modes.make_raw();
    tcsetattr(&terminal, OptionalActions::Now, &modes).unwrap();
    let reader = std::thread::spawn(move || {
        let (mut master, mut shown) = (File::from(master), Vec::new());
        // Its end is an error: nobody has the terminal open any more.
        let _ = master.read_to_end(&mut shown);
        String::from_utf8(shown).unwrap()
    });
    let done = call.to(Stdio::from(terminal)).end();
    (reader.join().unwrap(), done.stderr)
}

/// Runs with and without a terminal, without colours, and looks at all that was written for a person.
#[track_caller]
fn is_tame(make: impl Fn() -> Call) -> String {
    let (shown, errors) = on_terminal(make().args(&["--color", "never"]), 80);
    let acts = |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}';
    for text in [&shown, &errors] {
        assert!(!text.contains(acts), "{text:?}");
        assert!(!text.contains("\nerror: forged"), "{text}");
    }
    // With colours only the codes of colours.
    let (coloured, errors) = on_terminal(make().args(&["--color", "always"]), 80);
    for text in [&coloured, &errors] {
        for code in text.split('\x1b').skip(1) {
            let end = code.trim_start_matches(|c: char| c == '[' || c == ';' || c.is_ascii_digit());
            assert!(code.starts_with('[') && end.starts_with('m'), "{text:?}");
        }
        assert!(!text.contains(['\u{9b}', '\u{202e}', '\x07', '\r']), "{text:?}");
    }
    shown + &errors
}

/// Options that take a value, of a command; from its help.
fn options(command: &str) -> Vec<String> {
    let help = call(command).arg("--help").ok().stdout;
    let lines = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("-").filter(|_| line.starts_with('-'))?;
        let name = line.split_whitespace().find(|word| word.starts_with('-'))?;
        line.contains('<').then(|| format!("-{name}").replace("---", "--"))
    });
    lines.collect()
}

#[test]
fn every_option_with_a_control_sequence_is_shown_escaped() {
    let folder = Folder::new();
    let toml = folder.write("r.toml", rule("r", "a: b", &["user.name"]));
    let wasm = folder.path("r.wasm");
    build(&toml, &wasm);
    let events = folder.write("events", create_stack("a", "2025-04-01T08:00:00Z", "a").to_string());
    let mut count = 0;
    for (command, input) in [
        ("run", Some(&events)),
        ("explain", Some(&events)),
        ("build", Some(&toml)),
        ("test", None),
        ("inspect", Some(&wasm)),
        ("rebuild", Some(&wasm)),
        ("new", Some(&toml)),
        ("completions", None),
        ("man", None),
        ("no\x1b[2Jsuch\u{9b}", None),
    ] {
        let options = if command.starts_with("no") { Vec::new() } else { options(command) };
        count += options.len();
        let values = options.iter().map(|option| [option.as_str(), EVIL]);
        let values = values.map(|pair| pair.to_vec());
        let positional = [vec![EVIL], vec!["--no-such-option\x1b[2J"], vec!["--=\x1b[2J"]];
        for args in values.chain(positional) {
            let make = || {
                let mut call = call(command).args(&args);
                call.command.current_dir(folder.path("."));
                match input {
                    Some(input) => call.arg(input),
                    None => call,
                }
            };
            is_tame(make);
        }
    }
    assert!(count > 30, "{count} options were found in the help");
}

/// The value with the sequence in every string and every name.
fn poisoned(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(format!("{text}{EVIL}")),
        Value::Array(list) => list.iter().map(poisoned).collect(),
        Value::Object(members) => {
            let names = members.iter().map(|(name, value)| (name.clone(), poisoned(value)));
            let mut members: serde_json::Map<_, _> = names.collect();
            members.insert(EVIL.to_owned(), json!(EVIL));
            Value::Object(members)
        }
        other => other.clone(),
    }
}

#[test]
fn every_field_of_an_event_is_shown_escaped() {
    let mut events = String::new();
    let whole = create_stack("a", "2025-04-01T08:00:00Z", "a");
    for (name, value) in whole.as_object().unwrap() {
        let mut event = whole.clone();
        event["eventID"] = json!(name);
        event["userIdentity"]["userName"] = json!(format!("{name}{EVIL}"));
        event[name] = match name.as_str() {
            // What has to be as it is for the rule to match, and once not.
            "eventTime" | "eventSource" | "eventName" | "eventVersion" => value.clone(),
            _ => poisoned(value),
        };
        events += &format!("{event}\n");
        event[name] = poisoned(value);
        events += &format!("{event}\n");
    }
    // Copied as it is where it is no JSON; its lines are the input's own.
    events += &format!("{{\"no\": \"JSON\"{}\n", EVIL.replace('\n', ""));
    let folder = Folder::new();
    let name = "events\x1b[2J\u{9b}";
    folder.write(name, &events);
    for args in [
        &["run", "--format", "pretty"][..],
        &["run", "--format", "line"],
        &["run", "--format", "csv"],
        &["run", "--format", "ndjson"],
        &["run", "--format", "ndjson", "--compact"],
        &["run", "--log-level", "debug"],
        &["explain", "--format", "pretty"],
        &["explain", "--format", "ndjson"],
    ] {
        let shown = is_tame(|| call(args[0]).args(&args[1..]).arg(folder.path(name)));
        assert!(shown.contains("\\u{1b}") || shown.contains("\\u001b"), "{args:?}: {shown}");
    }
    is_tame(|| call("run").args(&["--annotate", "-"]).pipe(events.clone()));
    is_tame(|| call("run").arg("--on-error").arg("fail").arg(folder.path(name)));
    // What takes the output as data gets all of it.
    let done = run().args(&["--format", "ndjson"]).arg(folder.path(name)).end();
    assert!(done.stdout.contains('\u{9b}'), "{}", done.stdout);
}

#[test]
fn every_text_of_a_rule_and_its_artifact_is_shown_escaped() {
    let folder = Folder::new();
    // Raw in the file where TOML allows it, and escaped where it does not.
    let evil = "x\\u001b[2J\\u009b2J\\u202ey\\nerror: forged";
    let text = rule("r", "event.action: CreateStack", &["user.name"])
        .replace("somebody", evil)
        .replace("A rule of a test.", evil)
        .replace("Rule r", &format!("Rule {evil}"))
        .replace("severity", &format!("note = \"{evil}\"\nreferences = [\"{evil}\"]\ntags = [\"{evil}\"]\nsetup = \"{evil}\"\nfalse_positives = [\"{evil}\"]\nlicense = \"{evil}\"\nseverity"));
    let text = format!(
        "# \u{9b}2J\u{202e}\n{text}\n[[rule.exceptions]]\nname = \"{evil}\"\nreason = \"{evil}\"\n\
         fields = {{ 'user.name' = \"{evil}\" }}\n"
    );
    let toml = folder.write("r.toml", &text);
    let wasm = folder.path("r.wasm");
    let events = create_stack("a", "2025-04-01T08:00:00Z", EVIL).to_string();
    is_tame(|| call("build").arg(&toml).arg("-o").arg(&wasm));
    for args in [
        &["inspect"][..],
        &["inspect", "--format", "json"],
        &["inspect", "--source"],
        &["inspect", "--guide"],
        &["inspect", "--verify"],
        &["rebuild"],
    ] {
        is_tame(|| call(args[0]).args(&args[1..]).arg(&wasm));
    }
    for format in ["pretty", "line", "csv", "ndjson"] {
        let make = || call("run").args(&["--format", format, "--rule"]).arg(&wasm).arg("-");
        is_tame(|| make().pipe(events.clone()));
        let explain = || call("explain").arg("--rule").arg(&wasm).arg("-");
        is_tame(|| explain().pipe(events.clone()));
    }
    // To a pipe the source goes byte for byte.
    assert_eq!(call("inspect").arg("--source").arg(&wasm).ok().stdout, text);
    // Two that share a state are named.
    let twin = folder.path("twin\x1b[2J.wasm");
    std::fs::copy(&wasm, &twin).unwrap();
    let shown = is_tame(|| call("run").arg("--rule").arg(&wasm).arg("--rule").arg(&twin).arg("-"));
    assert!(shown.contains("would share one state"), "{shown}");
    // Unknown keys, and what else is wrong in a rule.
    for fault in [
        format!("\"{evil}\" = 1"),
        format!("query = \"{evil}: (\""),
        format!("severity = \"{evil}\""),
        "\x1b[2J\u{9b}".to_owned(),
    ] {
        let toml = folder.write("bad.toml", format!("[rule]\n{fault}\n"));
        for command in ["build", "test"] {
            is_tame(|| call(command).arg(&toml));
        }
    }
}

/// A guest of the contract that answers `configure` with a control sequence.
const GUEST: &str = r#"(module
  (import "firstseen_v1" "IMPORT" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 4096) "no\1b[2J\c2\9b2J\0aerror: forged")
  (func (export "abi_version") (result i32) i32.const 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 131072))
  (func (export "reset"))
  (func (export "keys") (param i32 i32 i32 i32 i64) (result i64) (i64.const 0))
  (func (export "decide") (param i32 i32) (result i64) (i64.const 0))
  (func (export "explain") (param i32 i32) (result i64) (i64.const 0))
  (func (export "configure") (param i32 i32) (result i64)
    (i64.or (i64.shl (i64.const 4096) (i64.const 32)) (i64.const 25)))
  (func (export "evaluate") (param i32 i32 i64) (result i64) (i64.const 0)))"#;

#[test]
fn what_a_foreign_artifact_says_is_shown_escaped() {
    let folder = Folder::new();
    let evil = "x\\u001b[2J\\u009b2J\\u202ey\\nerror: forged";
    let guest = |import: &str| wat::parse_str(GUEST.replace("IMPORT", import)).unwrap();
    let of_rule = |rule: &str| [meta(1, rule), custom("firstseen.source", b"x")].concat();
    let good = one("r:0011:");
    let id = good.replace(r#""id":"r""#, &format!(r#""id":"{evil}""#));
    let prefix = one(&format!("r:{evil}:"));
    let artifacts = [
        ("configure", [guest("kv_get"), of_rule(&good)].concat()),
        ("id", [guest("kv_get"), of_rule(&id)].concat()),
        ("import", [guest("kv\\1b[2J\\c2\\9b"), of_rule(&good)].concat()),
        ("prefix", module(&[meta(1, &prefix)])),
        ("id-and-prefix", module(&[meta(1, &prefix.replace(r#""id":"r""#, &format!(r#""id":"{evil}""#)))])),
        ("section", [guest("kv_get"), of_rule(&good), custom("\x1b[2J\u{9b}", b"x")].concat()),
        ("description", [guest("kv_get"), of_rule(&good), custom("description", EVIL.as_bytes())].concat()),
        ("target", [guest("kv_get"), custom("firstseen.rules", format!(r#"{{"format":1,"abi":1,"engine":"{evil}","target":"{evil}","options":"{evil}","rules":[{good}]}}"#).as_bytes()), custom("firstseen.source", b"x")].concat()),
    ];
    let mut all = String::new();
    for (name, bytes) in artifacts {
        let path = folder.write(&format!("{name}.wasm"), bytes);
        for args in [
            &["run", "-", "--learn-until", "2025-01-01T00:00:00Z", "--rule"][..],
            &["explain", "-", "--rule"],
            &["inspect"],
            &["inspect", "--format", "json"],
            &["inspect", "--verify"],
            &["inspect", "--source"],
            &["rebuild"],
        ] {
            all += &is_tame(|| call(args[0]).args(&args[1..]).arg(&path).pipe("{}\n"));
        }
    }
    for words in ["the settings: no\\u{1b}[2J", "key prefix of rule x\\u{1b}[2J", "kv\\u{1b}[2J"] {
        assert!(all.contains(words), "{words}: {all}");
    }
}

#[test]
fn every_text_of_settings_exceptions_and_tests_is_shown_escaped() {
    let folder = Folder::new();
    let evil = "x\\u001b[2J\\u009b2J\\u202ey\\nerror: forged";
    let events = create_stack("a", "2025-04-01T08:00:00Z", "a").to_string();
    for settings in [
        format!("{{\"{evil}\": 1}}"),
        format!("{{\"tenant\": \"{evil}\"}}"),
        format!("{{\"learn_until\": \"{evil}\"}}"),
        format!("{{\"future_slack\": \"{evil}\"}}"),
        format!("{{\"exceptions\": [{{\"name\": \"{evil}\", \"query\": \"(\"}}]}}"),
        format!(
            "{{\"exceptions\": [{{\"name\": \"{evil}\", \"query\": \"*\", \"rule_id\": \"{evil}\"}}]}}"
        ),
        "\x1b[2J".to_owned(),
    ] {
        let file = folder.write("settings\x1b[2J", &settings);
        let call = || call("run").arg("--settings").arg(&file).arg("-").pipe(events.clone());
        is_tame(call);
    }
    for exceptions in [
        format!(
            "[[exceptions]]\nname = \"{evil}\"\nreason = \"{evil}\"\nquery = \"*\"\nrules = [\"{evil}\"]\nexpires = 2020-01-01"
        ),
        format!("[[exceptions]]\nname = \"{evil}\"\nreason = \"{evil}\"\nquery = \"*\""),
        format!("[[exceptions]]\n\"{evil}\" = \"{evil}\""),
        format!("\"{evil}\" = 1"),
        format!("{{\"exceptions\": [{{\"{evil}\": 1}}]}}"),
        "\x1b[2J".to_owned(),
    ] {
        let file = folder.write("exceptions\x1b[2J", &exceptions);
        is_tame(|| call("run").arg("--exceptions").arg(&file).arg("-").pipe(events.clone()));
        is_tame(|| call("explain").arg("--exceptions").arg(&file).arg("-").pipe(events.clone()));
    }
    let toml = folder.write("t.toml", rule("t", "event.action: CreateStack", &["user.name"]));
    for case in [
        format!("name = \"{evil}\"\nevents = []"),
        format!("name = \"{evil}\"\n\"{evil}\" = 1"),
        format!("name = \"a\"\n[[case.events]]\n\"{evil}\" = \"{evil}\""),
    ] {
        folder.write("t.test.toml", format!("rule = \"t.toml\"\n[[case]]\n{case}\n"));
        for format in ["pretty", "json", "junit", "github"] {
            is_tame(|| call("test").args(&["--format", format]).arg(&toml));
        }
    }
}
