//! The state file: it persists, one process at a time uses it, and other files are left alone.
//!
//! In: paths of a state, of another file, or of nothing. Out: whether the state persists, and
//! whether files that are not a state stay unchanged.

use crate::stream::Live;
use crate::support::{Folder, call, repository, run, stack_lines};

#[test]
fn file_that_is_not_a_state_is_refused_and_unchanged() {
    let folder = Folder::new();
    let events = stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]);
    let long = "garbage ".repeat(10_000);
    // The header of a redb file, followed by garbage.
    let half = b"redb\x1a\x0a\xa9\x0d\x0a garbage".repeat(1000);
    for bytes in [b"x".as_slice(), long.as_bytes(), &half, events.as_bytes()] {
        let path = folder.write("state", bytes);
        let input = repository("samples/cloudtrail");
        let done = run().arg("--state").arg(&path).arg(&input).fails(&[path.to_str().unwrap()]);
        assert_eq!(done.stdout, "", "no alert without a state");
        let output = folder.write("alerts", "of an earlier run");
        let write = run().arg("--output").arg(&output).arg("--state").arg(&path).arg(&input);
        write.fails(&[path.to_str().unwrap()]);
        assert_eq!(std::fs::read(&output).unwrap(), b"of an earlier run");
        call("explain").arg("--state").arg(&path).arg(&input).fails(&[path.to_str().unwrap()]);
        assert!(std::fs::read(&path).unwrap() == bytes, "the file is unchanged");
    }
}

#[test]
fn state_that_cannot_be_created_is_refused() {
    let folder = Folder::new();
    let file = folder.write("file", "x");
    for path in [file.join("state"), folder.path("no/such/folder/state"), folder.path(".")] {
        let done = run().arg("--state").arg(&path).arg(repository("samples/cloudtrail"));
        done.fails(&[path.to_str().unwrap()]);
    }
}

#[test]
fn only_one_process_uses_a_state() {
    let folder = Folder::new();
    let path = folder.path("state");
    let mut live = Live::start(run().arg("--state").arg(&path).arg("-"));
    live.write(stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]));
    assert_eq!(live.next_id(), "a");
    let second = || run().arg("--state").arg(&path).arg(repository("samples/cloudtrail"));
    second().fails(&[path.to_str().unwrap(), "another process"]);
    live.write(stack_lines(&[("b", "2025-04-01T09:00:00Z", "bob")]));
    assert_eq!(live.next_id(), "b");
    assert_eq!(live.end(), (vec![], Some(0)));
    assert_eq!(second().ok().count("alerts"), 7);
}

/// After a kill in the middle of a stream, a written alert is known or is written again.
#[test]
fn killed_process_leaves_a_usable_state() {
    let folder = Folder::new();
    let path = folder.path("state");
    let events = stack_lines(&[("a", "2025-04-01T08:00:00Z", "alice")]);
    let mut live = Live::start(run().arg("--state").arg(&path).arg("-"));
    live.write(&events);
    assert_eq!(live.next_id(), "a");
    live.kill();
    let again = run().arg("--state").arg(&path).arg("-").pipe(events).ok();
    assert_eq!(again.count("alerts") + again.count("repeats"), 1, "{}", again.stderr);
}

/// The window is ten days, including both ends.
#[test]
fn window_spans_several_runs() {
    let folder = Folder::new();
    let path = folder.path("state");
    for (id, time, alerts) in [
        ("a", "2025-04-01T08:00:00Z", 1),
        ("b", "2025-04-11T08:00:00Z", 0),
        ("c", "2025-04-21T08:00:01Z", 1),
    ] {
        let call = run().arg("--state").arg(&path).arg("-");
        let done = call.pipe(stack_lines(&[(id, time, "alice")])).ok();
        assert_eq!(done.count("alerts"), alerts, "{id}");
        assert!(
            done.stderr.contains("1 term"),
            "the summary counts the stored terms: {}",
            done.stderr
        );
        if id == "c" {
            let previous = &done.lines()[0]["firstseen"]["previous_sighting"];
            assert_eq!(previous, "2025-04-11T08:00:00.000Z");
        }
    }
}

/// Who was written the longest ago goes, is counted, and is new again.
#[test]
fn a_rule_has_at_most_as_many_terms_as_it_may() {
    let folder = Folder::new();
    let path = folder.path("state");
    let send = |state: &std::path::Path, users: &[(&str, &str)]| {
        let lines: String = (users.iter())
            .map(|(id, user)| {
                stack_lines(&[(id, &format!("2025-04-01T{}:00:00Z", &id[1..]), user)])
            })
            .collect();
        let file = folder.write("lines", lines);
        run().arg("--state").arg(state).args(&["--max-terms", "2"]).arg(&file).ok()
    };
    let memory = std::path::Path::new("memory:");
    for state in [path.as_path(), memory] {
        let done = send(state, &[("e01", "ann"), ("e02", "bob"), ("e03", "ann"), ("e05", "cid")]);
        assert_eq!(done.count("alerts"), 3);
        assert_eq!(done.summary["rules"][0]["forgotten"], 1, "{}", done.summary);
        let said = "1 term went over --max-terms 2";
        assert!(done.stderr.contains(said), "{}", done.stderr);
    }
    let listed = call("state").arg("list").arg(&path).ok().stdout;
    assert!(listed.contains("ann") && listed.contains("cid") && !listed.contains("bob"));
    // Whoever was forgotten is new; the limit is kept over runs.
    let done = send(&path, &[("e06", "ann"), ("e07", "bob"), ("e09", "dan")]);
    assert_eq!(done.alert_ids(), ["e07", "e09"]);
    let listed = call("state").arg("list").arg(&path).ok().stdout;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    // A run without it counts none, and the next one counts anew.
    run()
        .arg("--state")
        .arg(&path)
        .arg("-")
        .pipe(stack_lines(&[("f", "2025-04-01T12:00:00Z", "f")]))
        .ok();
    let done = send(&path, &[("e13", "gil")]);
    assert_eq!(done.summary["rules"][0]["forgotten"], 2);
    call("state").arg("verify").arg(&path).ok();
    run().args(&["--max-terms", "0", "-"]).fails(&["--max-terms"]);
}
