//! What a large state costs: bytes for each term, look-ups, commits, and the time to open, after a kill too.
//!
//! In: numbers of terms (10,000 and 1,000,000 unless told otherwise). Out: a line for each. Each part runs in a
//! process of its own, so that memory and caches are its own:
//! `cargo bench -p firstseen --bench state -- 10000000`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use firstseen::state::{Memory, Redb, StateStore, StateWrite};
use firstseen_rule::state::TermState;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

/// As a run over files commits.
const COMMIT: u64 = 65_536;
/// As many keys as a run asks for at once.
const ASKED: u64 = 256;
const LOOK_UPS: u64 = 262_144;
const MINUTE_MS: i64 = 60_000;

fn key(n: u64) -> Vec<u8> {
    let hash = blake3::hash(&n.to_le_bytes()).to_hex();
    format!("default:0415258b-a7b2-48a6-891a-3367cd9d4d31:7bd73666cc3b5286:{}", &hash[..32])
        .into_bytes()
}

fn value(n: u64) -> Vec<u8> {
    let ms = 1_700_000_000_000 + n as i64;
    let term = format!("[\"111122223333\",\"user-{n}@example.com\"]");
    TermState::seen(ms, ms).unwrap().write(&term)
}

/// Writes the terms of a range, and commits as a run does; the longest commit in milliseconds.
fn fill(store: &mut dyn StateStore, terms: std::ops::Range<u64>) -> u128 {
    let mut slowest = 0;
    for from in terms.clone().step_by(COMMIT as usize) {
        for n in from..(from + COMMIT).min(terms.end) {
            let (key, value) = (key(n), value(n));
            // Ten days and more from now.
            let expires_ms = 1_800_000_000_000 + (n as i64 / 1000) * MINUTE_MS;
            let write = StateWrite { key: &key, expected: None, value: &value, expires_ms };
            store.apply(&mut std::iter::once(write)).unwrap();
        }
        let began = Instant::now();
        store.commit().unwrap();
        slowest = slowest.max(began.elapsed().as_millis());
    }
    slowest
}

/// Look-ups each second, of keys that are there or not.
fn look_ups(store: &mut dyn StateStore, terms: u64, known: bool) -> u64 {
    let began = Instant::now();
    let mut random = 1_u64;
    for _ in 0..LOOK_UPS / ASKED {
        let keys = (0..ASKED).map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            key((random >> 20) % terms + if known { 0 } else { terms })
        });
        let keys: Vec<_> = keys.collect();
        let found = store.get_many(&mut keys.iter().map(Vec::as_slice)).unwrap();
        assert!(found.iter().all(|value| value.is_some() == known));
    }
    (LOOK_UPS as f64 / began.elapsed().as_secs_f64()) as u64
}

/// A field of `/proc/self/status`, in MB.
fn memory_mb(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or_default() / 1000
}

fn part(what: &str, path: &Path, terms: u64) {
    let began = Instant::now();
    match what {
        "fill" => {
            let mut store = Redb::open(path).unwrap();
            let slowest = fill(&mut store, 0..terms);
            drop(store);
            let (seconds, bytes) = (began.elapsed().as_secs_f64(), path.metadata().unwrap().len());
            let (speed, peak) = ((terms as f64 / seconds) as u64, memory_mb("VmHWM"));
            println!(
                "  written in {seconds:.1} s ({speed} terms/s), the slowest commit {slowest} ms; \
                 {} bytes of file for a term; peak {peak} MB",
                bytes / terms
            );
        }
        "open" => {
            let store = Redb::open(path).unwrap();
            println!(
                "  opened in {:.1} ms: {}",
                began.elapsed().as_secs_f64() * 1e3,
                store.count().unwrap()
            );
        }
        "look" => {
            let mut store = Redb::open(path).unwrap();
            let (known, unknown) =
                (look_ups(&mut store, terms, true), look_ups(&mut store, terms, false));
            println!(
                "  {known} look-ups/s of known, {unknown} of unknown keys; peak {} MB",
                memory_mb("VmHWM")
            );
        }
        "small" => {
            // As a quiet stream commits.
            let mut store = Redb::open(path).unwrap();
            let from = terms + COMMIT;
            let began = Instant::now();
            (0..100).for_each(|n| _ = fill(&mut store, from + 10 * n..from + 10 * n + 10));
            println!("  a commit of 10 terms: {:.2} ms", began.elapsed().as_secs_f64() * 10.0);
        }
        "kill" => {
            let mut store = Redb::open(path).unwrap();
            fill(&mut store, terms..terms + COMMIT);
            std::process::abort();
        }
        "memory" => {
            let before = memory_mb("VmRSS");
            let mut store = Memory::default();
            fill(&mut store, 0..terms);
            let bytes = (memory_mb("VmRSS") - before) * 1_000_000 / terms;
            let known = look_ups(&mut store, terms, true);
            println!("  memory: {bytes} bytes for a term; {known} look-ups/s");
        }
        other => panic!("no part {other}"),
    }
}

fn main() {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [part_word, path, terms] = words.as_slice()
        && let Ok(terms) = terms.parse()
        && part_word.parse::<u64>().is_err()
    {
        return part(part_word, Path::new(path), terms);
    }
    let mut sizes: Vec<u64> =
        words.iter().map(|word| word.replace('_', "").parse().unwrap()).collect();
    if sizes.is_empty() {
        sizes = vec![10_000, 1_000_000];
    }
    let folder = PathBuf::from(
        env::var_os("CARGO_TARGET_TMPDIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into()),
    );
    let path = folder.join("bench.state");
    for terms in sizes {
        println!("{terms} terms");
        let _ = fs::remove_file(&path);
        for what in ["fill", "open", "look", "small", "kill", "open", "memory"] {
            let own = env::current_exe().unwrap();
            // A killed part ends badly, as it should.
            let status =
                Command::new(own).arg(what).arg(&path).arg(terms.to_string()).status().unwrap();
            assert!(status.success() != (what == "kill"), "{what}: {status}");
        }
        let _ = fs::remove_file(&path);
    }
}
