//! `run --resume`: killed at any moment, it leaves what an undisturbed run leaves.
//!
//! In: inputs, and a process that is killed (SIGKILL) at random moments: when its output has a length, when its
//! state was written so often, or after so many looks. Out: whether output, dead letters and state are, byte for
//! byte, those of a run that nobody disturbed; what is refused, and by which words.

use crate::support::{Call, Done, Folder, call, create_stack, repository, run, stack_lines};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Numbers that look random, from a seed that is printed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}

/// Files out of order, one packed, with lines that cannot be read.
fn write_inputs(folder: &Folder, events: u64) {
    std::fs::create_dir(folder.path("in")).unwrap();
    let mut random = Random(9);
    for file in 0..5 {
        let mut text = String::new();
        for number in 0..events / 5 {
            let (id, minute) = (format!("{file}-{number}"), random.below(40_000));
            let (day, hour, minute) = (1 + minute / 1440, minute / 60 % 24, minute % 60);
            let time = format!("2025-04-{day:02}T{hour:02}:{minute:02}:00Z");
            let user = format!("user{}", random.below(events / 2));
            text += &format!("{}\n", create_stack(&id, &time, &user));
        }
        text += "{\"eventName\":\"CreateStack\",\n";
        if file == 3 {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(text.as_bytes()).unwrap();
            folder.write("in/3.gz", packed.finish().unwrap());
        } else {
            folder.write(&format!("in/{file}"), text);
        }
    }
}

fn over(folder: &Folder, name: &str) -> Call {
    let at = |what: &str| folder.path(&format!("{name}{what}"));
    let call = run().arg("--resume").arg("--output").arg(at("")).arg("--state").arg(at(".state"));
    call.arg("--dead-letter").arg(at(".dead")).arg(folder.path("in"))
}

/// The same inputs, sent through standard input.
fn over_stream(folder: &Folder, name: &str) -> Call {
    let at = |what: &str| folder.path(&format!("{name}{what}"));
    let call = run().arg("--resume").arg("--output").arg(at("")).arg("--state").arg(at(".state"));
    call.arg("-").stdin(&folder.path("stream"))
}

/// Output, dead letters and state.
fn left(folder: &Folder, name: &str) -> (Vec<u8>, Vec<u8>, String) {
    let at = |what: &str| folder.path(&format!("{name}{what}"));
    let state = call("state").arg("export").arg(at(".state")).ok().stdout;
    (std::fs::read(at("")).unwrap(), std::fs::read(at(".dead")).unwrap_or_default(), state)
}

/// When to kill.
#[derive(Debug)]
enum Moment {
    OutputHas(u64),
    StateWasWritten(u64),
    Looks(u64),
}

fn written(path: &Path) -> (u64, Option<std::time::SystemTime>) {
    let meta = path.metadata().ok();
    (meta.as_ref().map_or(0, |m| m.len()), meta.and_then(|m| m.modified().ok()))
}

/// Kills the run at a moment; whether it was there to be killed, and how often it was looked at.
fn kill_at(folder: &Folder, name: &str, moment: &Moment) -> (bool, u64) {
    kill(over(folder, name), folder, name, moment)
}

fn kill(mut call: Call, folder: &Folder, name: &str, moment: &Moment) -> (bool, u64) {
    let (output, state) = (folder.path(name), folder.path(&format!("{name}.state")));
    let null = std::process::Stdio::null;
    let mut child = call.command.stdin(call.input).stdout(null()).stderr(null()).spawn().unwrap();
    let (mut looks, mut writes, mut last) = (0, 0, written(&state));
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{moment:?}");
            return (false, looks);
        }
        let now = written(&state);
        writes += u64::from(now != last);
        last = now;
        looks += 1;
        let is_now = match moment {
            Moment::OutputHas(length) => written(&output).0 >= *length,
            Moment::StateWasWritten(times) => writes >= *times,
            Moment::Looks(times) => looks >= *times,
        };
        if is_now {
            child.kill().unwrap();
            return (!child.wait().unwrap().success(), looks);
        }
        std::thread::yield_now();
    }
}

/// Kills a run at random moments and starts it again, until it comes to its end; how many kills there were,
/// and how many of them with a part of the output. `whole` is how long that gets, and how many looks it takes.
fn kill_to_the_end(
    over: fn(&Folder, &str) -> Call,
    folder: &Folder,
    name: &str,
    (whole, looks): (usize, u64),
    random: &mut Random,
) -> (u64, u64) {
    let (mut killed, mut in_the_middle) = (0, 0);
    let whole = whole as u64;
    loop {
        let length = written(&folder.path(name)).0;
        let moment = match random.below(3) {
            0 => Moment::OutputHas(length + 1 + random.below(whole - length)),
            1 => Moment::StateWasWritten(1 + random.below(12)),
            _ => Moment::Looks(random.below(looks)),
        };
        if !kill(over(folder, name), folder, name, &moment).0 {
            return (killed, in_the_middle);
        }
        killed += 1;
        let length = written(&folder.path(name)).0;
        in_the_middle += u64::from(length > 0 && length < whole);
    }
}

/// Kills runs until there were so many kills; every run that came to its end left the same.
fn kill_often(events: u64, kills: u64) {
    let seed = 20_261_127;
    eprintln!("seed {seed}");
    let mut random = Random(seed);
    let folder = Folder::new();
    write_inputs(&folder, events);
    let (_, looks) = kill_at(&folder, "warm", &Moment::Looks(u64::MAX));
    over(&folder, "whole").ok();
    let whole = left(&folder, "whole");
    assert!(whole == left(&folder, "warm"));
    assert!(whole.0.len() > 1 << 20, "some commits: {}", whole.0.len());
    let (mut killed, mut runs, mut in_the_middle) = (0, 0, 0);
    while killed < kills {
        runs += 1;
        let name = format!("run{runs}");
        let (more, middle) =
            kill_to_the_end(over, &folder, &name, (whole.0.len(), looks), &mut random);
        killed += more;
        in_the_middle += middle;
        assert!(left(&folder, &name) == whole, "run {runs} left something else, seed {seed}");
        // What was read is not read again.
        let again = over(&folder, &name).ok();
        assert_eq!((again.count("already_read"), again.count("events")), (5, 0));
        assert!(left(&folder, &name) == whole);
        std::fs::remove_file(folder.path(&name)).unwrap();
    }
    eprintln!("{killed} kills, {in_the_middle} of them with a part of the output, {runs} runs");
    assert!(in_the_middle > 0);
}

fn decided_before(done: &Done) -> u64 {
    done.summary["decided_before"].as_u64().unwrap_or_default()
}

/// Kills runs over a stream that is sent again from its beginning, whole or packed.
fn kill_stream_often(events: u64, kills: u64) {
    let seed = 20_261_128;
    eprintln!("seed {seed}");
    let mut random = Random(seed);
    let folder = Folder::new();
    write_inputs(&folder, events);
    let mut text = Vec::new();
    for file in ["0", "1", "2", "4"] {
        text.extend(std::fs::read(folder.path(&format!("in/{file}"))).unwrap());
        // Events that are no lines of their own.
        let event = |n: u64| create_stack(&format!("{file}-r{n}"), "2025-04-20T08:00:00Z", file);
        text.extend(format!("{}\n", json!({ "Records": [event(1), event(2)] })).as_bytes());
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&text).unwrap();
    for stream in [text, packed.finish().unwrap()] {
        folder.write("stream", stream);
        let (_, looks) =
            kill(over_stream(&folder, "warm"), &folder, "warm", &Moment::Looks(u64::MAX));
        let whole = left(&folder, "warm");
        let (mut killed, mut runs, mut in_the_middle) = (0, 0, 0);
        while killed < kills {
            runs += 1;
            let name = format!("run{runs}");
            let (more, middle) =
                kill_to_the_end(over_stream, &folder, &name, (whole.0.len(), looks), &mut random);
            killed += more;
            in_the_middle += middle;
            assert!(left(&folder, &name) == whole, "run {runs} left something else, seed {seed}");
            let again = over_stream(&folder, &name).ok();
            assert!(decided_before(&again) > 0 && again.count("alerts") == 0);
            assert!(left(&folder, &name) == whole);
            for what in ["", ".state"] {
                std::fs::remove_file(folder.path(&format!("{name}{what}"))).unwrap();
            }
        }
        for what in ["warm", "warm.state"] {
            std::fs::remove_file(folder.path(what)).unwrap();
        }
        eprintln!("{killed} kills, {in_the_middle} of them with a part of the output, {runs} runs");
        assert!(in_the_middle > 0);
    }
}

#[test]
fn a_stream_that_is_killed_and_sent_again_leaves_what_an_undisturbed_one_leaves() {
    kill_stream_often(3000, 8);
}

/// `just crash` runs it.
#[test]
#[ignore = "takes minutes"]
fn a_stream_that_is_killed_two_hundred_times_leaves_what_an_undisturbed_one_leaves() {
    kill_stream_often(3000, 100);
}

/// What is sent tells whether it is the stream that was decided.
#[test]
fn another_stream_is_decided_from_its_beginning() {
    let folder = Folder::new();
    let event = |id: &str, user: &str| stack_lines(&[(id, "2025-04-01T08:00:00Z", user)]);
    let send = |text: String| {
        folder.write("stream", text);
        over_stream(&folder, "out")
    };
    let ids = || -> Vec<String> {
        let text = std::fs::read_to_string(folder.path("out")).unwrap();
        crate::support::json_lines(&text).iter().map(crate::support::event_id).collect()
    };
    let (a, b, c) = (event("a", "ann"), event("b", "bob"), event("c", "cid"));
    send(a.clone()).ok();
    let done = send(format!("{a}{b}")).ok();
    assert_eq!((ids(), decided_before(&done)), (vec!["a".into(), "b".into()], 1));
    // Another one, in which the same event is a repeat.
    let done = send(format!("{c}{a}{b}")).ok();
    assert_eq!((ids().len(), decided_before(&done), done.count("repeats")), (3, 0, 2));
    send(c.clone()).fails(&["ended", "bytes before", "--restart-batch"]);
    let long = format!("{c}{a}{}", event("d", "d").repeat(3));
    send(long.clone()).fails(&["is another before byte", "--restart-batch"]);
    let done = send(long).arg("--restart-batch").ok();
    assert_eq!((ids().len(), decided_before(&done)), (4, 0));
    let file = folder.write("log", event("e", "eve"));
    // It ended: files are the next batch of the run, and a stream after them is a new one.
    let over_file = || {
        let call = run().arg("--resume").arg("--output").arg(folder.path("out"));
        call.arg("--state").arg(folder.path("out.state")).arg(&file)
    };
    over_file().ok();
    assert_eq!(ids().len(), 5);
    over_file().arg("-").fails(&["a stream stands alone"]);
    send(event("f", "fay")).ok();
    assert_eq!(ids().len(), 6);
}

#[test]
fn a_run_that_is_killed_leaves_what_an_undisturbed_one_leaves() {
    kill_often(4000, 15);
}

/// `just crash` runs it.
#[test]
#[ignore = "takes minutes"]
fn a_run_that_is_killed_two_hundred_times_leaves_what_an_undisturbed_one_leaves() {
    kill_often(4000, 200);
}

#[test]
fn what_was_appended_or_added_is_the_next_batch() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("in")).unwrap();
    let event = |id| stack_lines(&[(id, "2025-04-01T08:00:00Z", id)]);
    let add = |name: &str, text: &str| {
        let path = folder.path(&format!("in/{name}"));
        let mut file = std::fs::File::options().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let ids = || -> Vec<String> {
        let text = std::fs::read_to_string(folder.path("out")).unwrap();
        crate::support::json_lines(&text).iter().map(crate::support::event_id).collect()
    };
    add("log", &event("a"));
    let second = event("b");
    let (begin, rest) = second.split_at(40);
    add("log", begin);
    let done = over(&folder, "out").ok();
    assert!(done.stderr.contains("its last line is not whole"), "{}", done.stderr);
    assert_eq!((ids(), done.count("bad")), (vec!["a".into()], 0));
    add("log", rest);
    add("other", &event("c"));
    let done = over(&folder, "out").ok();
    assert_eq!((ids().len(), done.count("events"), done.count("bad")), (3, 2, 0));
    // Under another name it is the same file; one that is not what it was is read whole.
    std::fs::rename(folder.path("in/log"), folder.path("in/log.1")).unwrap();
    add("log", &event("d"));
    std::fs::write(folder.path("in/other"), event("e")).unwrap();
    let done = over(&folder, "out").ok();
    assert_eq!((ids().len(), done.count("events"), done.count("already_read")), (5, 2, 1));
    assert!(done.stderr.contains("it is not what was read before"), "{}", done.stderr);
    let done = over(&folder, "out").ok();
    assert_eq!((done.count("events"), done.count("already_read")), (0, 3));
}

#[test]
fn what_cannot_be_resumed_is_refused() {
    let folder = Folder::new();
    let (out, state) = (folder.path("out"), folder.path("state"));
    let resume = || run().arg("--resume");
    resume().arg("-").fails(&["--output"]);
    resume().arg("--output").arg(&out).arg("-").fails(&["--state memory:"]);
    let with = || resume().arg("--state").arg(&state);
    with().args(&["--output", "/dev/null", "-"]).fails(&["regular file"]);
    with().arg("--output").arg(&out).args(&["--max-terms", "5", "-"]).fails(&["--max-terms"]);
    run().args(&["--name", "a", "-"]).fails(&["--resume"]);
}

/// A batch that was begun is finished with what it was begun with, or given up by name.
#[test]
fn a_batch_that_was_begun_keeps_to_its_inputs_rules_and_output() {
    let folder = Folder::new();
    write_inputs(&folder, 3000);
    over(&folder, "whole").ok();
    let length = written(&folder.path("whole")).0;
    let mut tries = 0;
    // Killed after a part of the output is known.
    while !(1..length).contains(&written(&folder.path("out")).0) {
        for what in ["", ".state", ".dead"] {
            std::fs::remove_file(folder.path(&format!("out{what}"))).ok();
        }
        kill_at(&folder, "out", &Moment::OutputHas(length / 2));
        tries += 1;
        assert!(tries < 50);
    }
    over(&folder, "out").arg("--compact").fails(&["--compact", "--restart-batch"]);
    let settings = folder.write("settings.json", "{\"future_slack\":\"2h\"}");
    over(&folder, "out").arg("--settings").arg(settings).fails(&["settings", "--restart-batch"]);
    let rule = repository("tests/fixtures/artifacts/flagship-0.1.0.wasm");
    over(&folder, "out").arg("--rule").arg(rule).arg("--take-over").fails(&["the rules"]);
    let moved = |name: &str, words: &[&str]| {
        let (path, away) = (folder.path(name), folder.path("away"));
        std::fs::rename(&path, &away).unwrap();
        over(&folder, "out").fails(words);
        assert!(!path.exists(), "nothing is made by a run that is refused");
        std::fs::rename(away, path).unwrap();
    };
    let before = std::fs::read(folder.path("out")).unwrap();
    moved("in/2", &["in/2", "missing or changed", "--restart-batch"]);
    // What is behind the state's mark comes again from these inputs alone: nothing is cut before they are seen.
    assert!(std::fs::read(folder.path("out")).unwrap() == before);
    moved("out", &["--output", "--restart-batch"]);
    // One that is not what it was is left as it is, a piece at its end too.
    let known = std::fs::read(folder.path("out")).unwrap();
    let other = folder.write("out", "{\"a\":");
    over(&folder, "out").fails(&["--output", "shorter", "--restart-batch"]);
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "{\"a\":");
    assert!(!folder.path("out.torn").exists());
    // A copy, as a backup brings it back, is the same.
    std::fs::remove_file(&other).unwrap();
    std::fs::write(folder.path("copy"), known).unwrap();
    std::fs::rename(folder.path("copy"), &other).unwrap();
    // Another user in a decided event, where no digest of the file looks.
    let path = folder.path("in/0");
    let read = std::fs::read(&path).unwrap();
    let day = memchr::memmem::find_iter(&read, "2025-04-01T").find(|at| *at > 64 << 10).unwrap();
    assert!(day < read.len() - (64 << 10));
    let begin = memchr::memrchr(b'\n', &read[..day]).unwrap();
    let user = begin + memchr::memmem::find(&read[begin..], b":\"user").unwrap() + 2;
    let mut edited = read.clone();
    edited[user..user + 4].copy_from_slice(b"root");
    std::fs::write(&path, edited).unwrap();
    over(&folder, "out").fails(&["not those of its inputs any more", "--restart-batch"]);
    std::fs::write(&path, read).unwrap();
    // What is appended meanwhile is the next batch, and a new name is no other file.
    let mut log = std::fs::File::options().append(true).open(folder.path("in/0")).unwrap();
    log.write_all(stack_lines(&[("z", "2025-05-20T08:00:00Z", "zoe")]).as_bytes()).unwrap();
    std::fs::rename(folder.path("in/1"), folder.path("in/1.old")).unwrap();
    let done = over(&folder, "out").ok();
    assert_eq!((done.count("alerts") > 0, done.count("already_read")), (true, 4));
    let (whole, out) = (left(&folder, "whole").0, left(&folder, "out").0);
    assert!(out.starts_with(&whole) && out.len() > whole.len());
    assert_eq!(
        out.iter().filter(|b| **b == b'\n').count(),
        1 + whole.iter().filter(|b| **b == b'\n').count()
    );
}
