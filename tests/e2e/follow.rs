//! `run --follow`: files that grow, rotate, appear and are half written, and a run that is killed over them.
//!
//! In: files that are changed while a run follows them. Out: whether each event alerts once. The tests wait for what has
//! to be there, never for a time.

use crate::stream::Live;
use crate::support::{Chance, Folder, event_id, gzip, json_lines, run, stack_lines};
use rustix::process::Signal;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

fn event(id: &str) -> String {
    stack_lines(&[(id, "2025-04-01T08:00:00Z", &format!("user-{id}"))])
}

fn append(path: &Path, text: impl AsRef<[u8]>) {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_ref()).unwrap();
}

/// A run that follows these paths of a folder.
fn follow(folder: &Folder, paths: &[&str]) -> Live {
    let call = run().arg("--follow").arg("--state").arg(folder.path("state"));
    let call = call.arg("--output").arg(folder.path("alerts"));
    Live::start(paths.iter().fold(call, |call, path| call.arg(folder.path(path))))
}

fn alerts(folder: &Folder) -> Vec<String> {
    let text = std::fs::read_to_string(folder.path("alerts")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    json_lines(whole).iter().map(event_id).collect()
}

/// Waits until these alerts are there, in any order; each once.
#[track_caller]
fn wait_for(folder: &Folder, live: &mut Live, ids: &[&str]) {
    while alerts(folder).len() < ids.len() {
        assert!(live.is_running(), "it ended, and has {:?} of {ids:?}", alerts(folder));
        std::thread::yield_now();
    }
    let mut found = alerts(folder);
    found.sort();
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    assert_eq!(found, ids);
}

/// Gives a file a time that is this many seconds ago.
fn age(path: &Path, seconds: i64) {
    let now = SystemTime::now();
    let by = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { now + by } else { now - by };
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn files_that_grow_rotate_and_appear_are_followed() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("tree")).unwrap();
    let log = folder.path("app.log");
    append(&log, event("a"));
    let mut live = follow(&folder, &["app.log", "tree", "later.log"]);
    wait_for(&folder, &mut live, &["a"]);
    // Half a line is waited for.
    let line = event("b");
    append(&log, &line[..100]);
    append(&folder.path("tree/one.ndjson"), event("c"));
    wait_for(&folder, &mut live, &["a", "c"]);
    append(&log, &line[100..]);
    wait_for(&folder, &mut live, &["a", "b", "c"]);
    // Renamed, written to once more, and another in its place.
    std::fs::rename(&log, folder.path("app.log.1")).unwrap();
    append(&folder.path("app.log.1"), event("d"));
    append(&log, event("e"));
    wait_for(&folder, &mut live, &["a", "b", "c", "d", "e"]);
    // Cut, and begun anew.
    std::fs::write(&log, event("f")).unwrap();
    wait_for(&folder, &mut live, &["a", "b", "c", "d", "e", "f"]);
    // One that was not there, and one in a folder that was not.
    append(&folder.path("later.log"), event("g"));
    std::fs::create_dir_all(folder.path("tree/2025/04")).unwrap();
    append(&folder.path("tree/2025/04/two.ndjson"), event("h"));
    wait_for(&folder, &mut live, &["a", "b", "c", "d", "e", "f", "g", "h"]);
    let (_, status, errors) = live.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
    assert!(errors.contains("following 3 inputs with 1 rule"), "{errors}");
    // It goes on where it was.
    append(&log, event("i"));
    let mut live = follow(&folder, &["app.log", "tree", "later.log"]);
    wait_for(&folder, &mut live, &["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    let (_, status, errors) = live.signal(Signal::INT);
    assert_eq!(status, Some(130), "{errors}");
    assert!(errors.contains("alerts    1"), "{errors}");
}

#[test]
fn a_packed_file_is_read_once_it_does_not_change_any_more() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("tree")).unwrap();
    let mut live = follow(&folder, &["tree"]);
    let packed = gzip(event("a") + &event("b"));
    let path = folder.path("tree/trail.json.gz");
    std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
    // It will have been written for an hour.
    age(&path, -3600);
    append(&folder.path("tree/plain.ndjson"), event("c"));
    wait_for(&folder, &mut live, &["c"]);
    append(&path, &packed[packed.len() / 2..]);
    age(&path, 60);
    wait_for(&folder, &mut live, &["a", "b", "c"]);
    let (_, status, errors) = live.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
    assert!(!errors.contains("skipped") && !errors.contains("ends early"), "{errors}");
}

/// It may be about to be written: nothing is said of it, and what is written then alerts. One that is emptied and
/// written again begins anew.
#[test]
fn a_file_without_anything_in_it_is_waited_for() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("tree")).unwrap();
    let [made, emptied] = ["tree/made.ndjson", "tree/emptied.ndjson"].map(|name| folder.path(name));
    append(&made, "");
    append(&emptied, event("a"));
    let mut live = follow(&folder, &["tree"]);
    wait_for(&folder, &mut live, &["a"]);
    append(&made, event("b"));
    wait_for(&folder, &mut live, &["a", "b"]);
    File::create(&emptied).unwrap();
    append(&made, event("c"));
    wait_for(&folder, &mut live, &["a", "b", "c"]);
    append(&emptied, event("d") + &event("e"));
    wait_for(&folder, &mut live, &["a", "b", "c", "d", "e"]);
    let (_, status, errors) = live.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
    let said = errors.lines().filter(|line| line.contains("made.ndjson")).count();
    assert_eq!(said, 0, "{errors}");
}

#[test]
fn a_run_that_is_killed_loses_and_doubles_nothing() {
    let folder = Folder::new();
    let seed = 20_261_128;
    println!("seed {seed}");
    let mut chance = Chance(seed);
    std::fs::create_dir(folder.path("logs")).unwrap();
    let mut ids = Vec::new();
    for round in 0..8 {
        let live = follow(&folder, &["logs"]);
        let before = ids.len();
        for n in 0..30 {
            let id = format!("{round}-{n}");
            append(&folder.path(&format!("logs/{}.ndjson", n % 3)), event(&id));
            ids.push(id);
        }
        let until = before + chance.below(30) as usize;
        while alerts(&folder).len() < until {
            std::thread::yield_now();
        }
        live.kill();
        if round % 3 == 2 {
            let name = folder.path(&format!("logs/0.{round}.ndjson"));
            std::fs::rename(folder.path("logs/0.ndjson"), name).unwrap();
        }
    }
    let mut live = follow(&folder, &["logs"]);
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    wait_for(&folder, &mut live, &ids);
    let (_, status, errors) = live.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
}

/// Rotates a log, as numbers do it, and gives the newest name.
fn rotate(folder: &Folder, name: &str) -> String {
    let numbered = |number: u32| [".gz", ""].map(|packed| format!("{name}.{number}{packed}"));
    for number in (1..100).rev() {
        for (from, to) in numbered(number).iter().zip(numbered(number + 1)) {
            if folder.path(from).exists() {
                std::fs::rename(folder.path(from), folder.path(&to)).unwrap();
            }
        }
    }
    format!("{name}.1")
}

/// Packs a file, which is as it is for a minute then.
fn pack(folder: &Folder, name: &str) {
    let packed = folder.path(&format!("{name}.gz"));
    let text = std::fs::read_to_string(folder.path(name)).unwrap();
    let being_made = folder.path("being-made");
    std::fs::write(&being_made, gzip(text)).unwrap();
    age(&being_made, 60);
    std::fs::rename(being_made, packed).unwrap();
    std::fs::remove_file(folder.path(name)).unwrap();
}

#[test]
fn a_log_that_is_rotated_while_the_run_is_down_is_read_to_its_end() {
    let folder = Folder::new();
    let log = folder.path("app.log");
    append(&folder.path("app.log.bak"), event("older"));
    append(&folder.path("app.log.1"), event("old"));
    age(&folder.path("app.log.1"), 3600);
    append(&log, event("a"));
    let mut live = follow(&folder, &["app.log"]);
    wait_for(&folder, &mut live, &["a"]);
    let (_, status, errors) = live.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
    // Once while it is down, and packed at once; once more, and copied and cut.
    append(&log, event("b"));
    let newest = folder.path(&rotate(&folder, "app.log"));
    std::fs::rename(&log, newest).unwrap();
    pack(&folder, "app.log.1");
    append(&log, event("c"));
    let newest = folder.path(&rotate(&folder, "app.log"));
    std::fs::rename(&log, newest).unwrap();
    append(&log, event("d"));
    let newest = folder.path(&rotate(&folder, "app.log"));
    std::fs::copy(&log, newest).unwrap();
    std::fs::write(&log, event("e")).unwrap();
    append(&folder.path("app.log.bak"), event("other"));
    let mut live = follow(&folder, &["app.log"]);
    wait_for(&folder, &mut live, &["a", "b", "c", "d", "e"]);
    let (_, status, errors) = live.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
    assert!(errors.contains("alerts    4, 1 repeated"), "{errors}");
    // Nothing of it is read again.
    pack(&folder, "app.log.1");
    append(&log, event("f"));
    let mut live = follow(&folder, &["app.log"]);
    wait_for(&folder, &mut live, &["a", "b", "c", "d", "e", "f"]);
    let (_, status, errors) = live.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
    assert!(errors.contains("events    1 in 1 input"), "{errors}");
}

/// A restored file, or one of a clock that was wrong: what is rotated until then is newer all the same.
#[test]
fn a_rotated_file_of_a_time_to_come_hides_none() {
    let folder = Folder::new();
    let log = folder.path("app.log");
    append(&folder.path("app.log.9"), event("restored"));
    age(&folder.path("app.log.9"), -86_400);
    let run_until = |ids: &[&str]| {
        let mut live = follow(&folder, &["app.log"]);
        wait_for(&folder, &mut live, ids);
        let (_, status, errors) = live.signal(Signal::TERM);
        assert_eq!(status, Some(143), "{errors}");
    };
    append(&log, event("a"));
    run_until(&["a"]);
    std::fs::rename(&log, folder.path("app.log.2")).unwrap();
    append(&folder.path("app.log.1"), event("b"));
    append(&log, event("c"));
    run_until(&["a", "b", "c"]);
}

#[test]
fn what_a_log_held_that_is_nowhere_is_named_and_harmless_rotations_are_not() {
    let folder = Folder::new();
    let log = folder.path("app.log");
    let run_until = |ids: &[&str]| {
        let mut live = follow(&folder, &["app.log", "mark.log"]);
        wait_for(&folder, &mut live, ids);
        let (_, status, errors) = live.signal(Signal::TERM);
        assert_eq!(status, Some(143), "{errors}");
        errors
    };
    let is_calm = |errors: &str| {
        let said = ["warning", "read before", "not read", "empty input"];
        said.iter().all(|words| !errors.contains(words))
    };
    append(&log, event("a"));
    run_until(&["a"]);
    append(&log, event("b"));
    std::fs::rename(&log, folder.path("app.log_20261128")).unwrap();
    pack(&folder, "app.log_20261128");
    append(&log, event("c"));
    let errors = run_until(&["a", "b", "c"]);
    assert!(is_calm(&errors), "{errors}");
    // Copied and cut; it is empty when it is looked at next.
    std::fs::copy(&log, folder.path("app.log.1")).unwrap();
    File::create(&log).unwrap();
    append(&folder.path("mark.log"), event("1"));
    let errors = run_until(&["a", "b", "c", "1"]);
    assert!(is_calm(&errors), "{errors}");
    append(&log, event("d"));
    let errors = run_until(&["a", "b", "c", "1", "d"]);
    assert!(is_calm(&errors), "{errors}");
    append(&log, event("lost"));
    let other = folder.path("elsewhere");
    std::fs::create_dir(&other).unwrap();
    std::fs::rename(&log, other.join("app.log")).unwrap();
    append(&log, event("e"));
    let errors = run_until(&["a", "b", "c", "1", "d", "e"]);
    let said = format!("the file that was read up to byte {} is gone", event("d").len());
    assert!(errors.contains(&said) && errors.contains("was not read"), "{errors}");
    append(&folder.path("mark.log"), event("2"));
    let errors = run_until(&["a", "b", "c", "1", "d", "e", "2"]);
    assert!(is_calm(&errors), "said once: {errors}");
}

#[test]
fn a_run_that_is_killed_over_a_log_that_rotates_loses_and_doubles_nothing() {
    let folder = Folder::new();
    let seed = 20_261_129;
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let log = folder.path("app.log");
    let mut ids = vec!["first".to_owned()];
    append(&log, event("first"));
    let mut live = follow(&folder, &["app.log"]);
    wait_for(&folder, &mut live, &["first"]);
    for round in 0..40 {
        for n in 0..=chance.below(8) {
            let id = format!("{round}-{n}");
            append(&log, event(&id));
            ids.push(id);
        }
        match chance.below(6) {
            0 => {
                live.kill();
                live = follow(&folder, &["app.log"]);
            }
            1..=3 => {
                let newest = folder.path(&rotate(&folder, "app.log"));
                std::fs::rename(&log, newest).unwrap();
            }
            4 if log.exists() => {
                let newest = folder.path(&rotate(&folder, "app.log"));
                std::fs::copy(&log, newest).unwrap();
                File::create(&log).unwrap();
            }
            _ => {
                let oldest = (1..100).rev().map(|n| format!("app.log.{n}"));
                if let Some(name) = oldest.into_iter().find(|name| folder.path(name).exists()) {
                    pack(&folder, &name);
                }
            }
        }
        let until = chance.below(2) as usize * chance.below(ids.len() as u64 + 1) as usize;
        while alerts(&folder).len() < until {
            assert!(live.is_running(), "it ended in round {round}");
            std::thread::yield_now();
        }
    }
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    wait_for(&folder, &mut live, &ids);
    let (_, status, errors) = live.signal(Signal::TERM);
    assert_eq!(status, Some(143), "{errors}");
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let folder = Folder::new();
    let refuse = |args: &[&str], words: &[&str]| {
        run().arg("--follow").args(args).fails(words);
    };
    let (state, output) = (folder.path("state"), folder.path("alerts"));
    let [state, output] = [&state, &output].map(|path| path.to_str().unwrap());
    refuse(&["x"], &["--output"]);
    refuse(&["--output", output, "x"], &["memory:"]);
    refuse(&["--output", output, "--state", state, "-"], &["--follow"]);
    refuse(&["--output", output, "--state", state, "--annotate", "x"], &["--annotate"]);
    refuse(&["--output", output, "--schedule", "x"], &["--schedule"]);
    let (log, rotated) = (folder.path("x.log"), folder.path("x.log.1"));
    let [log, rotated] = [&log, &rotated].map(|path| path.to_str().unwrap());
    refuse(&["--output", rotated, "--state", state, log], &["--output", "x.log.1", "another file"]);
}
