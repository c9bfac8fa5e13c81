//! `run --resume` at its edges: outputs that were edited, inputs that are gone or grew, dead letters that come late.
//!
//! In: runs that end in the middle of a batch or of a stream, because `--on-error fail` meets an event that cannot
//! be read; what a person or a rotation does in between. Out: what the next run says, and what it leaves.

use crate::support::{Call, Folder, call, event_id, json_lines, run, stack_lines};
use serde_json::Value;
use std::io::Write;
use std::path::Path;

const BAD: &str = "no event\n";

fn event(id: &str) -> String {
    stack_lines(&[(id, "2025-04-01T08:00:00Z", id)])
}

/// A run over the folder `in`.
fn over(folder: &Folder) -> Call {
    let call = run().arg("--resume").arg("--output").arg(folder.path("out"));
    call.arg("--state").arg(folder.path("state")).arg(folder.path("in"))
}

fn over_stream(folder: &Folder, text: &str) -> Call {
    folder.write("stream", text);
    let call = run().arg("--resume").arg("--output").arg(folder.path("out"));
    call.arg("--state").arg(folder.path("state")).arg("-").stdin(&folder.path("stream"))
}

fn add(folder: &Folder, name: &str, text: &str) {
    std::fs::create_dir_all(folder.path("in")).unwrap();
    let path = folder.path(&format!("in/{name}"));
    let mut file = std::fs::File::options().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn ids(folder: &Folder) -> Vec<String> {
    let text = std::fs::read_to_string(folder.path("out")).unwrap();
    json_lines(&text).iter().map(event_id).collect()
}

/// Another letter near the beginning, as an editor leaves it.
fn edit(path: &Path) {
    let mut text = std::fs::read(path).unwrap();
    assert!(text.len() > 8 << 10);
    text[20] ^= 1;
    std::fs::write(path, text).unwrap();
}

#[test]
fn an_output_that_was_edited_far_from_its_end_is_noticed() {
    let folder = Folder::new();
    let out = folder.path("out");
    for id in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        add(&folder, "log", &event(id));
    }
    over(&folder).ok();
    let whole = std::fs::read(&out).unwrap();
    // Between batches it is said, once, and the run goes on.
    edit(&out);
    add(&folder, "log", &event("i"));
    let done = over(&folder).ok();
    let words = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("was changed since the state was committed"), "{words}");
    assert!(words.contains("--repeats emit"), "{words}");
    assert_eq!(done.count("alerts"), 1);
    let told = over(&folder).ok().stderr;
    assert!(!told.contains("was changed"), "{told}");
    // In the middle of a batch it is refused, and left as it is.
    add(&folder, "log", &format!("{BAD}{}", event("j")));
    over(&folder).arg("--on-error").arg("fail").fails(&["not_json"]);
    let before = std::fs::read(&out).unwrap();
    edit(&out);
    let edited = std::fs::read(&out).unwrap();
    over(&folder).fails(&["--output", "was changed", "--restart-batch"]);
    assert!(std::fs::read(&out).unwrap() == edited);
    std::fs::write(&out, before).unwrap();
    over(&folder).ok();
    // The file as it was, restored.
    std::fs::write(&out, [&whole[..], &std::fs::read(&out).unwrap()[whole.len()..]].concat())
        .unwrap();
    assert_eq!(ids(&folder).len(), 10);
}

/// Rotated files are known for as long as they may matter, and `state stats` counts them.
#[test]
fn inputs_that_are_gone_are_counted_and_known_when_they_come_back() {
    let folder = Folder::new();
    add(&folder, "a", &event("a"));
    add(&folder, "b", &event("b"));
    over(&folder).ok();
    let stats = || -> Value {
        let text = call("state").arg("stats").arg(folder.path("state")).ok().stdout;
        json_lines(&text).into_iter().find(|line| line["run"].is_string()).unwrap()
    };
    assert_eq!((&stats()["inputs"], &stats()["missing"]), (&2.into(), &0.into()));
    std::fs::rename(folder.path("in/a"), folder.path("away")).unwrap();
    for _ in 0..2 {
        over(&folder).ok();
        assert_eq!((&stats()["inputs"], &stats()["missing"]), (&2.into(), &1.into()));
        assert!(stats()["missing_since"].is_string());
    }
    let page = call("state").arg("stats").arg("--format").arg("pretty").arg(folder.path("state"));
    assert!(page.ok().stdout.contains("2 read, 1 not found since"));
    std::fs::rename(folder.path("away"), folder.path("in/a")).unwrap();
    let done = over(&folder).ok();
    assert_eq!((done.count("events"), done.count("already_read")), (0, 2));
    assert_eq!(stats()["missing"], 0);
}

#[test]
fn lines_of_what_was_appended_are_those_of_the_file() {
    let folder = Folder::new();
    let letters = folder.path("dead");
    let lines = || -> Vec<(u64, u64)> {
        let text = std::fs::read_to_string(&letters).unwrap();
        let number = |letter: &Value, name: &str| letter[name].as_u64().unwrap();
        json_lines(&text).iter().map(|l| (number(l, "line"), number(l, "offset"))).collect()
    };
    let with = || over(&folder).arg("--dead-letter").arg(&letters);
    add(&folder, "log", &format!("{}{}", event("a"), BAD));
    with().ok();
    let first = lines();
    assert_eq!(first[0].0, 2);
    let length = folder.path("in/log").metadata().unwrap().len();
    add(&folder, "log", &format!("{}{BAD}", event("b")));
    let done = with().ok();
    assert!(done.stderr.contains("line 4, byte"), "{}", done.stderr);
    let second = lines();
    assert_eq!((second.len(), second[1].0), (2, 4));
    assert_eq!(second[1].1, length + event("b").len() as u64);
    add(&folder, "log", &format!("{}{BAD}", event("c")));
    with().ok();
    assert_eq!(lines()[2].0, 6);
}

#[test]
fn dead_letters_that_come_late_come_once() {
    let folder = Folder::new();
    add(&folder, "log", &format!("{}{BAD}{}{BAD}{}", event("a"), event("b"), event("c")));
    let letters = |name: &str| {
        let text = std::fs::read_to_string(folder.path(name)).unwrap();
        json_lines(&text).iter().map(|l| l["line"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let fails = |call: Call| call.arg("--on-error").arg("fail").fails(&["not_json"]);
    let with = |name: &str| over(&folder).arg("--dead-letter").arg(folder.path(name));
    fails(over(&folder));
    fails(with("dead"));
    assert_eq!(letters("dead"), [2]);
    fails(with("dead"));
    assert_eq!(letters("dead"), [2]);
    // In another file all of the batch's.
    fails(with("other"));
    fails(with("other"));
    assert_eq!(letters("other"), [2]);
    let told = fails(over(&folder)).stderr;
    assert!(told.contains("is ended without"), "{told}");
    let done = with("other").ok();
    assert_eq!((letters("other"), letters("dead"), done.count("alerts")), (vec![2, 4], vec![2], 3));
}

#[test]
fn a_stream_that_was_not_over_is_given_up_with_a_word() {
    let folder = Folder::new();
    let told = |done: &crate::support::Done| {
        let words = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        words.contains("that position is given up") && words.contains("--name")
    };
    let (a, b) = (event("a"), event("b"));
    let failed = over_stream(&folder, &format!("{a}{BAD}")).arg("--on-error").arg("fail");
    failed.fails(&["not_json"]);
    assert_eq!(ids(&folder), ["a"]);
    assert!(told(&over_stream(&folder, &b).ok()));
    // That one was over: another after it is nothing to tell of.
    let done = over_stream(&folder, &a).ok();
    assert!(!told(&done));
    assert_eq!((ids(&folder).len(), done.count("repeats")), (2, 1));
}
