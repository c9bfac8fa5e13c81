//! What a crash, a full disk or a second run leave: no alert is lost, and no line stays broken.
//!
//! In: states and outputs of runs that ended in other ways than they should. Out: whether the next run
//! gives what is missing, and refuses what would lose something.

use crate::stream::Live;
use crate::support::{
    Call, Done, Folder, call, create_stack, json_lines, repository, run, stack_lines,
};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::Command;

fn text(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_second_run_over_a_state_never_empties_the_output_of_the_first() {
    let folder = Folder::new();
    let (state, output) = (folder.path("state"), folder.path("alerts"));
    let over = |output: &std::path::Path| {
        let call = run().arg("--state").arg(&state).arg("--output").arg(output);
        call.arg(repository("samples/cloudtrail"))
    };
    assert_eq!(over(&output).ok().count("alerts"), 7);
    let before = text(&output);
    let known = std::fs::read(&state).unwrap();
    over(&output).fails(&["--append", output.to_str().unwrap(), state.to_str().unwrap()]);
    assert_eq!(text(&output), before);
    assert!(std::fs::read(&state).unwrap() == known);
    assert_eq!(over(&output).arg("--append").ok().count("repeats"), 7);
    assert_eq!(text(&output), before);
    assert_eq!(over(&folder.path("other")).ok().count("repeats"), 7);
    // Without alerts to lose it is replaced, and so it is where nothing is remembered.
    assert_eq!(over(&folder.path("other")).ok().count("alerts"), 0);
    let fresh = run().arg("--output").arg(&output).arg(repository("samples/cloudtrail"));
    assert_eq!(fresh.ok().count("alerts"), 7);
    // An explanation knows no alert.
    let explain = call("explain").arg("--state").arg(&state).arg("--output").arg(&output);
    explain.arg(repository("samples/cloudtrail")).ok();
}

/// A run is killed, and what it wrote behind its last commit, whole lines and a piece of one, is there.
#[test]
fn what_no_state_knows_is_cut_and_comes_again() {
    let folder = Folder::new();
    let events = [
        ("a", "2025-04-01T08:00:00Z", "alice"),
        ("b", "2025-04-01T09:00:00Z", "bob"),
        ("c", "2025-04-01T10:00:00Z", "carol"),
    ]
    .map(|event| stack_lines(&[event]));
    let input = folder.write("events.ndjson", events.concat());
    let call = |name: &str| {
        let state = folder.path(&format!("{name} state"));
        let call = run().arg("--append").arg("--output").arg(folder.path(name));
        call.arg("--state").arg(state)
    };
    let over = |name: &str| call(name).arg("-");
    let again = |name: &str| call(name).arg(&input).ok();
    again("whole");
    let whole = text(&folder.path("whole"));
    let mut live = Live::start(over("torn"));
    for (number, event) in events[..2].iter().enumerate() {
        live.write(event);
        while text_if(&folder.path("torn")).matches('\n').count() <= number {
            std::thread::yield_now();
        }
    }
    // The first is known by now, as the second is written.
    live.kill();
    for behind in ["", "{\"an\":\"alert\"}\n", "{\"an\":\"alert\"}\n{\"cut\"", "{\"cut\""] {
        let copy = folder.path("copy");
        std::fs::copy(folder.path("torn state"), folder.path("torn state.kept")).unwrap();
        std::fs::copy(folder.path("torn"), &copy).unwrap();
        let mut file = std::fs::File::options().append(true).open(folder.path("torn")).unwrap();
        file.write_all(behind.as_bytes()).unwrap();
        let done = again("torn");
        assert!(behind.is_empty() || done.stderr.contains("come again"), "{}", done.stderr);
        assert_eq!(text(&folder.path("torn")), whole);
        let moved = text_if(&folder.path("torn.torn"));
        assert_eq!(moved.contains("an\":\"alert"), behind.contains('\n'), "{moved}");
        // A run that ended well is over: what comes behind its output is another's.
        file.write_all(b"{\"of\":\"another\"}\n").unwrap();
        again("torn");
        assert_eq!(text(&folder.path("torn")), format!("{whole}{{\"of\":\"another\"}}\n"));
        // Back to what the kill left, in the same file.
        let mut file = std::fs::File::options().write(true).open(folder.path("torn")).unwrap();
        file.set_len(0).unwrap();
        file.write_all(&std::fs::read(&copy).unwrap()).unwrap();
        std::fs::copy(folder.path("torn state.kept"), folder.path("torn state")).unwrap();
        std::fs::remove_file(folder.path("torn.torn")).ok();
        // A stream may never be sent again: its whole lines stay, and the piece of a line goes.
        file.write_all(behind.as_bytes()).unwrap();
        let done = over("torn").pipe("").ok();
        assert_eq!(done.stderr.contains("comes again"), behind.contains("cut"), "{}", done.stderr);
        let kept = behind.strip_suffix("{\"cut\"").unwrap_or(behind);
        assert_eq!(text(&folder.path("torn")), text(&copy) + kept);
        assert!(!folder.path("torn.torn").exists());
        file.set_len(0).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        file.write_all(&std::fs::read(&copy).unwrap()).unwrap();
        std::fs::rename(folder.path("torn state.kept"), folder.path("torn state")).unwrap();
    }
    // A shorter output, and another at its path, are said and left.
    std::fs::write(folder.path("torn"), "").unwrap();
    let done = again("torn");
    assert!(done.stderr.contains("shorter than the state knows it"), "{}", done.stderr);
    std::fs::rename(folder.path("torn"), folder.path("torn.1")).unwrap();
    folder.write("torn", "{\"of\":\"another\"}\n");
    let done = again("torn");
    assert!(done.stderr.contains("not the file that the state knows"), "{}", done.stderr);
    assert_eq!(text(&folder.path("torn")), "{\"of\":\"another\"}\n");
}

/// What is in a file, where there is one.
fn text_if(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The system ends the process in the middle of a line, as it does at the limit of a file's size.
#[test]
fn a_process_that_dies_while_it_writes_a_line_loses_nothing() {
    let folder = Folder::new();
    let events: String = (0..400)
        .map(|n| {
            let time = format!("2025-04-01T08:{:02}:{:02}Z", n / 60, n % 60);
            format!("{}\n", create_stack(&n.to_string(), &time, &format!("user{n}")))
        })
        .collect();
    let input = folder.write("events", events);
    let over = |call: Call, name: &str| {
        let state = folder.path(&format!("{name} state"));
        let call = call.arg("run").arg("--append").arg("--output").arg(folder.path(name));
        call.arg("--state").arg(state).arg(&input)
    };
    let binary = || Call::of(Command::new(env!("CARGO_BIN_EXE_firstseen")), Folder::new());
    let cached = |mut call: Call| {
        call.command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        call
    };
    over(cached(binary()), "whole").ok();
    let limited = || {
        let call = Call::of(Command::new("bash"), Folder::new());
        let script = "ulimit -c 0; ulimit -f 1600; exec \"$0\" \"$@\"";
        cached(call.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_firstseen")))
    };
    assert_ne!(over(limited(), "torn").end().status, Some(0));
    let torn = text(&folder.path("torn"));
    assert!(!torn.is_empty() && !torn.ends_with('\n'), "cut in the middle of a line");
    let done = over(cached(binary()), "torn").ok();
    assert!(done.stderr.contains("its last line was cut short"), "{}", done.stderr);
    let (whole, again) = (text(&folder.path("whole")), text(&folder.path("torn")));
    json_lines(&again);
    let of = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert!(of(&again) == of(&whole), "each alert is there, with the same bytes");
    assert_eq!(whole.lines().count(), 400);
}

/// States as earlier versions wrote them.
#[test]
fn states_of_every_format_are_read() {
    let folder = Folder::new();
    let mut count = 0;
    for state in std::fs::read_dir(repository("tests/fixtures/states")).unwrap() {
        let state = state.unwrap().path();
        if state.extension().is_none_or(|extension| extension != "redb") {
            continue;
        }
        count += 1;
        let copy = folder.path("state");
        std::fs::copy(&state, &copy).unwrap();
        let done = run().arg("--state").arg(&copy).arg(repository("samples/cloudtrail")).ok();
        assert_eq!((done.count("alerts"), done.count("repeats")), (0, 7), "{}", state.display());
        assert!(done.stderr.contains("existing, 6 terms"), "{}", done.stderr);
    }
    assert!(count > 0);
}

/// What it kept of runs is read too, and gone on with.
#[test]
fn runs_of_an_earlier_version_are_read() {
    let folder = Folder::new();
    let state = folder.path("state");
    std::fs::copy(repository("tests/fixtures/states/format-1-resumed.redb"), &state).unwrap();
    let runs: Vec<_> = json_lines(&call("state").arg("stats").arg(&state).ok().stdout)
        .into_iter()
        .filter(|line| line["run"].is_string())
        .map(|run| (run["run"].clone(), run["inputs"].clone(), run["batch"].clone()))
        .collect();
    let none = serde_json::Value::Null;
    assert_eq!(runs, [("done".into(), 102.into(), none), ("midway".into(), 0.into(), 1.into())]);
    let resume = |name: &str| {
        let call = run().args(&["--resume", "--name", name]).arg("--state").arg(&state);
        call.arg("--output").arg(folder.path(name)).arg(repository("samples/cloudtrail"))
    };
    resume("midway").fails(&["the rules", "--restart-batch"]);
    let done = resume("midway").arg("--restart-batch").ok();
    assert_eq!((done.count("alerts"), done.count("repeats")), (0, 7));
    // The files were elsewhere: they are known by what is in them where they were, and not here.
    let done = resume("done").ok();
    assert_eq!((done.count("alerts"), done.count("repeats")), (0, 7));
    call("state").arg("verify").arg(&state).ok();
}

/// An empty file may have been a state.
#[test]
fn a_state_that_was_emptied_is_warned_of() {
    let folder = Folder::new();
    let state = folder.write("state", "");
    let over = || run().arg("-q").arg("--state").arg(&state).arg(repository("samples/cloudtrail"));
    let words = |done: Done| done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(over().ok()).contains("a new state begins in it"));
    assert!(!words(over().ok()).contains("a new state begins"));
}

/// Whatever became of its bytes: a state answers as it did, or it is refused by name.
#[test]
fn a_damaged_state_is_right_or_refused() {
    let folder = Folder::new();
    let state = folder.path("state");
    let over = || run().arg("--state").arg(&state).arg(repository("samples/cloudtrail"));
    assert_eq!(over().ok().count("alerts"), 7);
    let whole = std::fs::read(&state).unwrap();
    let mut refused = 0;
    for (n, at) in (0..12).map(|n| (n, whole.len() * n / 12 + 37)) {
        let mut bytes = whole.clone();
        match n % 3 {
            0 => bytes[at] ^= 0x40,
            1 => bytes.truncate(at),
            _ => bytes[at..at + 256].fill(0xff),
        }
        std::fs::write(&state, &bytes).unwrap();
        let done = over().end();
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        if done.status == Some(0) {
            assert_eq!((done.count("alerts"), done.count("repeats")), (0, 7), "at {at}");
        } else {
            refused += 1;
            assert_eq!(done.status, Some(2), "{}", done.stderr);
            assert!(done.stderr.contains(state.to_str().unwrap()), "{}", done.stderr);
            assert_eq!(done.stdout, "", "at {at}: no alert without its state");
        }
    }
    assert!(refused >= 4, "{refused} refused");
}

/// Runs over these inputs and a pipe behind them; `meanwhile` is done when all before the pipe was read.
fn run_with_a_pause(folder: &Folder, call: Call, meanwhile: impl FnOnce(), events: &str) -> Done {
    let pipe = folder.path("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let call = call.arg(&pipe);
    std::thread::scope(|scope| {
        let done = scope.spawn(|| call.end());
        // Opening it waits for the reader.
        let mut writer = std::fs::File::options().write(true).open(&pipe).unwrap();
        meanwhile();
        writer.write_all(events.as_bytes()).unwrap();
        drop(writer);
        done.join().unwrap()
    })
}

#[test]
fn a_state_that_is_deleted_or_replaced_during_a_run_ends_it() {
    let events = stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]);
    for replaced in [false, true] {
        let folder = Folder::new();
        let state = folder.path("state");
        let call = run().arg("--state").arg(&state);
        let done = run_with_a_pause(
            &folder,
            call,
            || {
                if replaced {
                    std::fs::copy(&state, folder.path("copy")).unwrap();
                    std::fs::rename(folder.path("copy"), &state).unwrap();
                } else {
                    std::fs::remove_file(&state).unwrap();
                }
            },
            &events,
        );
        assert_eq!(done.status, Some(2), "{}", done.stderr);
        assert!(done.stderr.contains("replaced or deleted"), "{}", done.stderr);
        let again = run().arg("--state").arg(&state).arg("-").pipe(events.clone()).ok();
        assert_eq!(again.lines(), done.lines(), "it comes again, with its id");
    }
}

/// A log is renamed, and another one has its name, between reading it and deciding.
#[test]
fn a_log_that_is_renamed_during_a_run_loses_no_alert() {
    let folder = Folder::new();
    let first = stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]);
    let later = stack_lines(&[("b", "2025-04-03T08:00:00Z", "alice")]);
    let log = folder.write("log", first);
    let call = run().arg("--state").arg(folder.path("state")).arg(&log);
    let done = run_with_a_pause(
        &folder,
        call,
        || {
            std::fs::rename(&log, folder.path("log.1")).unwrap();
            std::fs::write(&log, "another log\n").unwrap();
        },
        &later,
    );
    assert_eq!(done.status, Some(0), "{}", done.stderr);
    assert_eq!(done.alert_ids(), ["a"]);
    assert_eq!((done.count("lost_texts"), done.count("seen")), (0, 1));
}

/// A log is copied and cut: its events are gone when they are to alert. A later sighting is not the
/// first, and the next run gives what is missing.
#[test]
fn a_log_that_is_cut_during_a_run_gives_no_wrong_alert_and_none_is_lost() {
    let folder = Folder::new();
    // Events whose kind is known by their first member are read where they are, and not carried.
    let event = |id, hour| {
        format!(
            r#"{{"eventVersion":"1.08","eventID":"{id}","eventTime":"2025-04-01T{hour}:00:00Z","eventSource":"cloudformation.amazonaws.com","eventName":"CreateStack","recipientAccountId":"111122223333","userIdentity":{{"type":"IAMUser","accountId":"111122223333","userName":"alice"}}}}"#
        )
    };
    let log = folder.write("log", format!("{}\n{}\n", event("a", "08"), event("a2", "09")));
    let later = stack_lines(&[
        ("b", "2025-04-03T08:00:00Z", "alice"),
        ("c", "2025-04-03T09:00:00Z", "carol"),
    ]);
    let over = || run().arg("--state").arg(folder.path("state"));
    let done = run_with_a_pause(
        &folder,
        over().arg(&log),
        || {
            std::fs::copy(&log, folder.path("log.1")).unwrap();
            std::fs::write(&log, "").unwrap();
        },
        &later,
    );
    assert_eq!(done.status, Some(2), "{}", done.stderr);
    assert!(done.stderr.contains("run again over the files"), "{}", done.stderr);
    assert_eq!(done.alert_ids(), ["c"]);
    assert_eq!((done.count("lost_texts"), done.count("after_lost_text")), (1, 2));
    assert_eq!(done.count("bad"), 0);
    let again = over().arg(folder.path("log.1")).arg(folder.write("later", later)).ok();
    assert_eq!((again.alert_ids(), again.count("repeats")), (vec!["a".to_owned()], 1));
}

/// An artifact that says another id, with the keys of the rule whose alerts it would take.
#[test]
fn a_rule_that_takes_the_keys_of_another_is_refused() {
    let folder = Folder::new();
    let state = folder.path("state");
    let original = repository("tests/fixtures/artifacts/flagship-0.1.0.wasm");
    let mut bytes = std::fs::read(&original).unwrap();
    let id = b"\"id\":\"0415258b";
    let at = bytes.windows(id.len()).position(|window| window == id).unwrap();
    bytes[at..at + id.len()].copy_from_slice(b"\"id\":\"evilevil");
    let hostile = folder.write("hostile.wasm", bytes);
    let over = |rule: &std::path::Path| {
        let call = run().arg("--state").arg(&state).arg("--rule").arg(rule);
        call.arg(repository("samples/cloudtrail"))
    };
    let alerts = over(&original).ok().count("alerts");
    assert!(alerts > 0);
    let done = over(&hostile).fails(&["--take-over", "evil"]);
    assert_eq!(done.stdout, "");
    assert_eq!(over(&original).ok().count("repeats"), alerts);
    let taken = over(&hostile).arg("--take-over").end();
    assert!(taken.stderr.contains("takes over the terms"), "{}", taken.stderr);
    over(&original).fails(&["--take-over"]);
    let log = call("state").arg("log").arg(&state).ok();
    assert!(log.stdout.contains("take-over"), "{}", log.stdout);
}

/// Events from before what the state remembers alert again, and the summary says so.
#[test]
fn a_replay_from_before_the_states_memory_is_counted() {
    let folder = Folder::new();
    let over = |user, time| {
        let events = stack_lines(&[(user, time, user)]);
        run().arg("--state").arg(folder.path("state")).arg("-").pipe(events).ok()
    };
    over("alice", "2025-01-01T08:00:00Z");
    over("bob", "2025-04-01T08:00:00Z");
    let again = over("alice", "2025-01-01T08:00:00Z");
    let later = over("carol", "2025-05-01T08:00:00Z");
    assert_eq!((again.count("before_memory"), again.count("alerts")), (1, 1), "{}", again.stderr);
    assert_eq!((later.count("before_memory"), later.count("alerts")), (0, 1));
}
