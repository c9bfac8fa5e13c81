//! Whatever the number of threads, a run says and writes the same.
//!
//! In: the fixtures, and a folder that is made up: large plain and packed files, small ones, broken ones. Out:
//! whether alerts, dead letters, messages, summary and state of one thread, of two, three and eight are equal.

use crate::build::artifact;
use crate::support::{Call, Chance, Folder, call, create_stack, repository, run};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const THREADS: [&str; 4] = ["1", "2", "3", "8"];

/// An event that the flagship matches, mostly.
fn event(dice: &mut Chance, id: &str) -> Value {
    let (day, second) = (1 + dice.below(28), dice.below(60));
    let time = format!("2025-02-{day:02}T08:00:{second:02}Z");
    let user = format!("user-{}", dice.below(9));
    let mut event = create_stack(id, &time, &user);
    match dice.below(12) {
        0..=5 => event["eventName"] = json!("DescribeStacks"),
        6 => event["userIdentity"] = json!({ "type": "Root", "accountId": "111122223333" }),
        7 => event["eventTime"] = json!("yesterday"),
        _ => {}
    }
    event
}

/// Lines, some of which are no events, or are told in another way.
fn lines(dice: &mut Chance, name: &str, count: u64) -> String {
    let line = |number: u64| {
        // The same id twice is the same event again.
        let id = format!("{name}-{}", number - dice.below(2).min(number));
        let event = event(dice, &id);
        match dice.below(40) {
            0 => format!("{}\n", &event.to_string()[..60]),
            1 => "no event at all\n".to_owned(),
            2 => format!("{event:#}\n"),
            3 => format!("{}\n", json!({ "Records": [event] })),
            4 => format!("{}\n", json!([event])),
            _ => format!("{event}\n"),
        }
    };
    (0..count).map(line).collect()
}

fn packed(text: &str) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

/// Files of all kinds; none of them is dated after the clock, which messages name.
fn made_up(folder: &Folder, seed: u64) -> PathBuf {
    println!("seed {seed}");
    let mut dice = Chance(seed);
    let to = folder.path("logs");
    std::fs::create_dir(&to).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(to.join(name), bytes).unwrap();
    write("a-large.ndjson", lines(&mut dice, "large", 3000).as_bytes());
    for number in 0..12 {
        let count = dice.below(300);
        let text = lines(&mut dice, &format!("small-{number}"), count);
        match dice.below(3) {
            0 => write(&format!("{number:02}.ndjson"), text.as_bytes()),
            1 => write(&format!("{number:02}.ndjson.gz"), &packed(&text)),
            _ => {
                let mut records = Vec::new();
                records.resize_with(count as usize, || event(&mut dice, &number.to_string()));
                write(
                    &format!("{number:02}.json"),
                    json!({ "Records": records }).to_string().as_bytes(),
                );
            }
        }
    }
    let mut cut = packed(&lines(&mut dice, "cut", 400));
    cut.truncate(cut.len() / 2);
    write("cut.ndjson.gz", &cut);
    write("large.ndjson.gz", &packed(&lines(&mut dice, "packed", 4000)));
    to
}

/// All that a run says and writes, but for how long it took. A run with a schedule has no state.
fn all_with(
    folder: &Folder,
    threads: &str,
    rules: &[&Path],
    options: &[&str],
    inputs: &[&Path],
) -> Vec<String> {
    let name = |what: &str| folder.path(&format!("{what}-by-{threads}-threads"));
    let (state, dead, output) = (name("state"), name("dead"), name("alerts"));
    let has_state = !options.contains(&"--schedule");
    let mut call_run = run().args(&["--threads", threads, "--format", "ndjson"]).args(options);
    if has_state {
        let _ = std::fs::remove_file(&state);
        call_run = call_run.arg("--state").arg(&state);
    }
    for path in [&dead, &output] {
        let _ = std::fs::remove_file(path);
    }
    call_run = call_run.arg("--dead-letter").arg(&dead).arg("--output").arg(&output);
    for rule in rules {
        call_run = call_run.arg("--rule").arg(rule);
    }
    for input in inputs {
        call_run = call_run.arg(input);
    }
    let mut done = call_run.ok();
    let summary = done.summary.as_object_mut().unwrap();
    for time in ["elapsed_ms", "events_per_second"] {
        assert!(summary.remove(time).is_some());
    }
    let words = |text: String| {
        let text = text.replace(&format!("by-{threads}-threads"), "by-N-threads");
        let is_timed = |line: &&str| !line.starts_with("  events ");
        text.lines().filter(is_timed).map(|line| format!("{line}\n")).collect::<String>()
    };
    let states = match has_state {
        true => call("state").arg("export").arg(&state).ok().stdout,
        false => String::new(),
    };
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    let summary = words(done.summary.to_string());
    vec![read(output), read(dead), words(done.stderr), summary, words(states)]
}

fn assert_same(folder: &Folder, rules: &[&Path], inputs: &[&Path]) -> Vec<String> {
    assert_same_with(folder, rules, &[], inputs)
}

fn assert_same_with(
    folder: &Folder,
    rules: &[&Path],
    options: &[&str],
    inputs: &[&Path],
) -> Vec<String> {
    let one = all_with(folder, THREADS[0], rules, options, inputs);
    for threads in &THREADS[1..] {
        let many = all_with(folder, threads, rules, options, inputs);
        for (what, (one, many)) in one.iter().zip(&many).enumerate() {
            let differs = one.lines().zip(many.lines()).find(|(one, many)| one != many);
            assert!(one == many, "{threads} threads, part {what}: {differs:?}");
        }
    }
    one
}

#[test]
fn fixtures_give_the_same_whatever_the_number_of_threads() {
    let folder = Folder::new();
    let inputs: Vec<PathBuf> = [
        "bad/checksum.ndjson.gz",
        "bad/corrupt.ndjson.gz",
        "bad/text.txt",
        "bad/truncated-records.json",
        "bad/invalid-utf8.ndjson",
        "envelopes",
        "lenient",
        "no-events",
    ]
    .iter()
    .map(|name| repository("tests/fixtures").join(name))
    .chain([repository("samples/cloudtrail")])
    .collect();
    let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    let all = assert_same(&folder, &[], &inputs);
    assert!(all[0].lines().count() > 2 && all[1].lines().count() > 2, "they cover too little");
}

#[test]
fn large_and_small_files_give_the_same_whatever_the_number_of_threads() {
    for seed in [1, 2] {
        let folder = Folder::new();
        let logs = made_up(&folder, seed);
        let all = assert_same(&folder, &[], &[&logs]);
        assert!(
            all[0].lines().count() > 8 && all[1].lines().count() > 100,
            "they cover too little"
        );
    }
}

#[test]
fn several_rules_give_the_same_whatever_the_number_of_threads() {
    let folder = Folder::new();
    let logs = made_up(&folder, 3);
    let stacks = artifact(&folder, "stacks", "event.action: CreateStack", &["user.name"]);
    let all = artifact(&folder, "all", "event.provider: *", &["event.action", "user.name"]);
    let none = artifact(&folder, "none", "event.action: Never", &["user.name"]);
    let told = assert_same(&folder, &[&stacks, &all, &none], &[&logs]);
    assert!(told[0].lines().count() > 20, "they cover too little");
}

/// Files of events that a broad rule all matches: many users, few of whom have most events.
fn broad(folder: &Folder, seed: u64) -> PathBuf {
    println!("seed {seed}");
    let mut dice = Chance(seed);
    let to = folder.path("broad");
    std::fs::create_dir(&to).unwrap();
    for (number, count) in [4000, 900, 1].into_iter().enumerate() {
        let line = |at: u64| {
            let (minute, second) = (dice.below(60), dice.below(60));
            let time = format!("2025-02-{:02}T08:{minute:02}:{second:02}Z", 1 + dice.below(20));
            let most = [3, 30, 300][dice.below(3) as usize];
            let user = format!("user-{}", dice.below(most));
            format!("{}\n", create_stack(&format!("{number}-{}", at - at % 50 / 49), &time, &user))
        };
        let text: String = (0..count).map(line).collect();
        match number {
            0 => std::fs::write(to.join("a.ndjson"), text).unwrap(),
            _ => std::fs::write(to.join(format!("{number}.gz")), packed(&text)).unwrap(),
        }
    }
    to
}

#[test]
fn a_rule_that_matches_everything_decides_the_same_whatever_the_number_of_threads() {
    let folder = Folder::new();
    let logs = broad(&folder, 7);
    let users = artifact(&folder, "users", "event.provider: *", &["user.name"]);
    let both = artifact(&folder, "both", "event.action: *", &["event.action", "user.name"]);
    let rules: [&Path; 2] = [&users, &both];
    for (rules, options) in [
        (&rules[..1], &["--repeats", "emit"][..]),
        (&rules, &[]),
        (&rules[..1], &["--learn-for", "5d"]),
        (&rules[..1], &["--learn-events", "1500"]),
        (&rules[1..], &["--learn-events", "3", "--learn-by", "user.name"]),
        (&rules, &["--max-terms", "20"]),
        (&rules, &["--schedule"]),
    ] {
        let told = assert_same_with(&folder, rules, options, &[&logs]);
        assert!(told[0].lines().count() > 20, "{options:?}: {}", told[0].lines().count());
    }
}

/// All that a run over standard input says and writes.
fn all_of_stream(
    folder: &Folder,
    threads: &str,
    rule: &Path,
    options: &[&str],
    text: &str,
) -> Vec<String> {
    let state = folder.path(&format!("stream-{threads}"));
    let _ = std::fs::remove_file(&state);
    let call_run = run().args(&["--threads", threads]).args(options);
    let call_run = call_run.arg("--rule").arg(rule).arg("--state").arg(&state).arg("-");
    let mut done = call_run.pipe(text).ok();
    let summary = done.summary.as_object_mut().unwrap();
    for time in ["elapsed_ms", "events_per_second"] {
        assert!(summary.remove(time).is_some());
    }
    let words = |text: String| {
        let text = text.replace(&format!("stream-{threads}"), "stream-N");
        let is_timed = |line: &&str| !line.starts_with("  events ");
        text.lines().filter(is_timed).map(|line| format!("{line}\n")).collect::<String>()
    };
    let states = call("state").arg("export").arg(&state).ok().stdout;
    // How long a term is kept depends on the newest event of its block, and blocks on the pipe.
    let kept = |line: &str| match line.split_once(",\"expires\":") {
        Some((before, after)) => format!("{before}{}\n", after.get(26..).unwrap_or_default()),
        None => format!("{line}\n"),
    };
    let states: String = states.lines().map(kept).collect();
    vec![done.stdout, words(done.stderr), words(done.summary.to_string()), words(states)]
}

#[test]
fn standard_input_gives_the_same_whatever_the_number_of_threads() {
    let folder = Folder::new();
    let mut dice = Chance(8);
    // Over less than two windows and a week, beyond which blocks matter.
    let text = lines(&mut dice, "stream", 2500).replace("2025-02-2", "2025-02-1");
    let users = artifact(&folder, "users", "event.action: *", &["user.name"]);
    for options in [
        &[][..],
        &["--hold", "3d"],
        &["--learn-events", "4"],
        &["--learn-for", "3000d"],
        &["--annotate"],
    ] {
        let one = all_of_stream(&folder, "1", &users, options, &text);
        assert!(one[2].contains("bad_json"), "{options:?}: {}", one[2]);
        assert!(one[3].lines().count() > 3, "{options:?}: {}", one[3]);
        for threads in &THREADS[1..] {
            let many = all_of_stream(&folder, threads, &users, options, &text);
            for (one, many) in one.iter().zip(&many) {
                let differs = one.lines().zip(many.lines()).find(|(one, many)| one != many);
                assert!(one == many, "{threads} threads, {options:?}: {differs:?}");
            }
        }
    }
}

#[test]
fn a_fault_ends_the_run_whatever_the_number_of_threads() {
    let folder = Folder::new();
    let logs = made_up(&folder, 4);
    for threads in THREADS {
        let full =
            run().args(&["--threads", threads, "--state", "memory:", "--dead-letter", "/dev/full"]);
        full.arg(&logs).fails(&["--dead-letter", "--dead-letter"]);
        let strict =
            run().args(&["--threads", threads, "--state", "memory:", "--on-error", "fail"]);
        strict.arg(&logs).fails(&["error: ", "line "]);
    }
}

#[test]
fn a_resumed_batch_gives_the_same_whatever_the_number_of_threads() {
    let folder = Folder::new();
    let logs = made_up(&folder, 5);
    let mut all = Vec::new();
    for threads in THREADS {
        let (state, output) =
            (folder.path(&format!("s{threads}")), folder.path(&format!("o{threads}")));
        let go = || {
            let call = run().args(&["--threads", threads, "--resume", "--state"]).arg(&state);
            call.arg("--output").arg(&output).arg(&logs).ok()
        };
        go();
        std::fs::write(logs.join("later.ndjson"), lines(&mut Chance(6), "later", 200)).unwrap();
        go();
        std::fs::remove_file(logs.join("later.ndjson")).unwrap();
        all.push(std::fs::read_to_string(output).unwrap());
    }
    assert!(all[0].lines().count() > 8, "they cover too little");
    assert!(all.iter().all(|one| *one == all[0]));
}

#[test]
fn few_open_files_are_enough_for_any_number_of_threads() {
    let folder = Folder::new();
    let logs = folder.path("logs");
    std::fs::create_dir(&logs).unwrap();
    for number in 0..150 {
        let text = lines(&mut Chance(number), &format!("f{number}"), 3);
        std::fs::write(logs.join(format!("{number:03}.ndjson")), text).unwrap();
    }
    let all: Vec<_> = ["1", "8", "64"]
        .iter()
        .map(|threads| {
            let mut command = Command::new("sh");
            command.args([
                "-c",
                "ulimit -n 40; exec \"$@\"",
                "sh",
                env!("CARGO_BIN_EXE_firstseen"),
                "run",
            ]);
            command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
            command
                .args(["--state", "memory:", "--format", "ndjson", "--threads", threads])
                .arg(&logs);
            let done = Call::of(command, Folder::new()).ok();
            assert!(!done.stderr.contains("could not be read to"), "{threads}: {}", done.stderr);
            done.stdout
        })
        .collect();
    assert!(all[0].lines().count() > 5 && all.iter().all(|one| *one == all[0]));
}
