//! What a record costs in WAMR, called as by Fluent Bit.
//!
//! In: the flagship built by `FIRSTSEEN` (or `target/debug/firstseen`) and the events in tests/fixtures/costs.ndjson.
//! Out: microseconds of a call for each kind of record: the fastest and the median of rounds of 500. An alert's record
//! has a user of its own, one that was seen has a user that had an alert. The state is in memory.

use firstseen_conformance_fluent_bit::{Answer, DEFAULT_SIZE, Filter};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

const RULE: &str = "plugin/rules/first_time_cloudformation_stack_creation.toml";
const ROUNDS: usize = 20;
const RECORDS: usize = 500;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap();
    let events = fs::read_to_string(root.join("tests/fixtures/costs.ndjson")).unwrap();
    let events: Vec<&str> = events.lines().collect();
    let [other, near, matched] = events[..] else { panic!("three events") };
    let mut filter = Filter::load(&flagship(&root), &[], DEFAULT_SIZE).unwrap();
    let user = |number: usize| matched.replace("user0054", &format!("u{number:07}"));
    assert!(alerts(&mut filter, &user(0)));
    // The same event once more would give its alert again.
    let seen =
        user(0).replace("T00:33:35Z", "T00:34:35Z").replace("\"eventID\":\"", "\"eventID\":\"x");

    let mut kinds: [(&str, Vec<Duration>); 4] =
        ["no match", "near miss", "seen", "alert"].map(|name| (name, Vec::new()));
    for round in 0..ROUNDS {
        for (name, times) in &mut kinds {
            let records: Vec<String> = (0..RECORDS)
                .map(|number| match *name {
                    "no match" => other.to_owned(),
                    "near miss" => near.to_owned(),
                    "seen" => seen.clone(),
                    _ => user(1 + round * RECORDS + number),
                })
                .collect();
            let start = Instant::now();
            let alerting = records.iter().filter(|record| alerts(&mut filter, record)).count();
            times.push(start.elapsed());
            assert_eq!(alerting, if *name == "alert" { RECORDS } else { 0 }, "{name}");
        }
    }
    println!("{:<10}{:>12}{:>12}", "record", "fastest us", "median us");
    for (name, mut times) in kinds {
        times.sort();
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / RECORDS as f64;
        println!("{name:<10}{:>12.0}{:>12.0}", micros(times[0]), micros(times[ROUNDS / 2]));
    }
}

/// The flagship as a filter.
fn flagship(root: &Path) -> Vec<u8> {
    let program =
        env::var_os("FIRSTSEEN").map_or_else(|| root.join("target/debug/firstseen"), PathBuf::from);
    let folder = tempfile::TempDir::new().unwrap();
    let out = folder.path().join("rule.wasm");
    let built = Command::new(program)
        .args(["build", "--target", "fluent-bit", "-o"])
        .arg(&out)
        .arg(root.join(RULE))
        .output()
        .unwrap_or_else(|e| panic!("{e}; type: cargo build -p firstseen --features targets"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    fs::read(out).unwrap()
}

/// Whether the record alerts; that the filter reads it is checked too.
fn alerts(filter: &mut Filter, record: &str) -> bool {
    let Ok(Answer::Goes(text)) = filter.call(record.as_bytes()) else { panic!("{record}") };
    let text = std::str::from_utf8(&text).unwrap();
    assert!(!text.contains("\"firstseen_error\""), "{text}");
    text.contains(r#","firstseen_alerts":["#)
}
