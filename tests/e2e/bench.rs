//! `bench`: what a result counts, and the exit status beside a baseline. No test looks at a time.
//!
//! In: the samples, and results whose numbers are written here. Out: whether counts are those of `run`, whether what is
//! worse is told, and whether nothing is left behind.

use crate::build::artifact;
use crate::support::{Call, Folder, call, json_file, repository, run};
use serde_json::{Value, json};
use std::path::Path;

fn bench() -> Call {
    call("bench").args(&["--threads", "1", "--rounds", "2", "--events", "50"])
}

/// All that is measured in a result, set to this.
fn measured_as(result: &Value, number: f64) -> Value {
    let mut result = result.clone();
    for name in ["seconds", "cpu_seconds"] {
        result[name] = json!(number);
    }
    result["peak_memory_bytes"] = json!(number as u64);
    for (_, kind) in result["latency"].as_object_mut().unwrap() {
        if kind.is_object() {
            kind["p50_us"] = json!(number);
        }
    }
    result
}

#[test]
fn a_result_counts_what_a_run_counts() {
    let samples = repository("samples/cloudtrail");
    let folder = Folder::new();
    let path = folder.path("result.json");
    let page = bench().arg(&samples).arg("--output").arg(&path).ok().stdout;
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    for word in ["events", "speed", "inflate", "decide", "p99", "alerted"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    let result = json_file(&path);
    let ran = run().arg(&samples).ok();
    for name in ["events", "bytes", "matched", "alerts", "seen"] {
        assert_eq!(result["work"][name], ran.count(name), "{name}");
    }
    assert_eq!(result["latency"]["all"]["events"], 50);
    assert_eq!((&result["threads"], &result["rounds"]), (&json!(1), &json!(2)));
    let in_file = bench().arg(&samples).args(&["--state", "file", "--format", "json"]).ok();
    let in_file: Value = serde_json::from_str(&in_file.stdout).unwrap();
    assert_eq!(in_file["work"], result["work"]);
}

#[test]
fn a_baseline_decides_the_exit_status() {
    let folder = Folder::new();
    let (samples, path) = (repository("samples/cloudtrail"), folder.path("first.json"));
    bench().arg(&samples).arg("--output").arg(&path).ok();
    let result = json_file(&path);
    let against = |baseline: &Value| {
        let path = folder.write("baseline.json", baseline.to_string());
        bench().arg(&samples).arg("--baseline").arg(path).args(&["--bound", "20"]).end()
    };
    // More than any machine takes, and less.
    let better = against(&measured_as(&result, 1e12));
    assert_eq!(better.status, Some(0), "{}", better.stderr);
    assert!(better.stdout.contains("nothing is worse by more than 20 %"), "{}", better.stdout);
    let worse = against(&measured_as(&result, 0.0));
    if Path::new("/proc/self/status").exists() {
        assert_eq!(worse.status, Some(1), "{}", worse.stderr);
        assert!(worse.stdout.contains("worse by more than 20 %: "), "{}", worse.stdout);
    }
    let mut other = result.clone();
    other["work"]["events"] = json!(1);
    let other = against(&other);
    assert_eq!(other.status, Some(2));
    assert!(other.stderr.contains("over other work, inputs: 102 inputs"), "{}", other.stderr);
}

#[test]
fn without_an_input_events_are_made_up_and_nothing_stays() {
    let folder = Folder::new();
    let mut made_up = call("bench").args(&["--rounds", "1", "--events", "0", "--format", "json"]);
    made_up.command.env("TMPDIR", folder.path("")).current_dir(folder.path(""));
    let result: Value = serde_json::from_str(&made_up.ok().stdout).unwrap();
    assert_eq!(
        (&result["work"]["events"], &result["work"]["matched"]),
        (&json!(20_000), &json!(100))
    );
    assert_eq!(result["work"]["inputs"], 1);
    assert_eq!(result["latency"]["all"], Value::Null);
    assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 0);
}

#[test]
fn what_is_no_measurement_is_refused() {
    let folder = Folder::new();
    let empty = folder.write("empty.ndjson", "");
    bench().arg(&empty).fails(&["nothing was read: no input holds an event"]);
    let result = folder.path("result.json");
    let samples = repository("samples/cloudtrail");
    let rules =
        ["groups", "roots"].map(|id| artifact(&folder, id, "event.action: *", &["user.name"]));
    // As a shell expands `out/*.wasm`.
    let two = bench().arg("--rule").arg(&rules[0]).arg(&rules[1]).arg(&samples);
    two.arg("--output").arg(&result).ok();
    assert_eq!(json_file(&result)["rules"], json!(["Rule groups", "Rule roots"]));
    let onto = bench().arg(&samples).arg("--baseline").arg(&result).arg("--output").arg(&result);
    onto.fails(&["it is the baseline"]);
    bench().arg(&samples).arg("--output").arg(folder.path("")).fails(&["a folder; give a file"]);
}

#[test]
fn what_cannot_be_judged_is_said_once() {
    let folder = Folder::new();
    let path = folder.write("broken.ndjson", "{\"eventName\":\"CreateStack\",broken\n".repeat(3));
    let done = bench().arg(&path).ok();
    let warning = "3 events could not be judged: `firstseen run` over the same inputs names them";
    assert_eq!(done.stderr.matches(warning).count(), 1, "{}", done.stderr);
}
