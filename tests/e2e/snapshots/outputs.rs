//! What every input gives, by digest: a change of one byte is found.
//!
//! In: all of tests/fixtures, tests/vectors and tests/rules/constructs. Out: tables with a line for
//! each input: its exit status, digests of what was written and of the state that was left, and the
//! counts of its summary that are not 0. The digests are of alerts, which do not change with words;
//! the counts are readable so that a key with another name shows as that.

use super::scene::{Scene, compare, files, without_now};
use crate::support::{json_file, repository};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

type Bytes = &'static [u8];
const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
const TERMS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("terms");
const EXPIRY: TableDefinition<'_, (i64, Bytes), ()> = TableDefinition::new("expiry");
/// In the year 2100: nothing that a vector stores expires.
const EXPIRES_MS: i64 = 4_102_444_800_000;

/// The start of a digest.
fn digest(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".repeat(16) } else { blake3::hash(bytes).to_hex()[..16].to_owned() }
}

/// A folder in which inputs are run one after the other, and the table that comes of it.
struct Table {
    scene: Scene,
    text: String,
}

impl Table {
    fn new() -> Self {
        let fixtures = ("fixtures", "tests/fixtures");
        let constructs = ("constructs", "tests/rules/constructs");
        Self { scene: Scene::with(&[fixtures, constructs, ("project", ".")]), text: String::new() }
    }

    /// Runs a command; its exit status and standard output.
    fn run(&self, words: &str, input: &[u8]) -> (i32, Vec<u8>) {
        let mut command = self.scene.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes).ok());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        (output.status.code().unwrap_or(-1), output.stdout)
    }

    fn row(&mut self, name: &str, rest: &str) {
        writeln!(self.text, "{name:<46} {rest}").unwrap();
    }

    /// A line for `firstseen run` with these words, on a state of its own, which may hold something.
    fn run_row(&mut self, name: &str, words: &str, input: &[u8], before: &[(String, Vec<u8>)]) {
        let state = self.scene.folder.path("state");
        fs::remove_file(&state).ok();
        if !before.is_empty() {
            store(&state, before);
        }
        let words = format!("run --state state --summary summary.json {words}");
        let (status, out) = self.run(&words, input);
        let counts = counts(&json_file(&self.scene.folder.path("summary.json")));
        let state = digest(&stored(&state));
        self.row(name, &format!("{status} {} {state} {counts}", digest(&out)));
    }

    /// A line for another command that writes to standard output.
    fn row_of(&mut self, name: &str, words: &str, input: &[u8]) {
        let (status, out) = self.run(words, input);
        // Faults of events in the future name the present.
        let out = without_now(&String::from_utf8_lossy(&out));
        let lines = out.lines().count();
        self.row(name, &format!("{status} {} lines={lines}", digest(out.as_bytes())));
    }

    #[track_caller]
    fn end(self, name: &str) {
        compare(name, &self.text);
    }
}

/// The counts that are not 0, without times.
fn counts(summary: &Value) -> String {
    let Value::Object(summary) = summary else { panic!("{summary}") };
    let mut counts: Vec<String> = Vec::new();
    for (name, value) in summary {
        match value {
            Value::Number(count) if count.as_u64() != Some(0) => {
                counts.push(format!("{name}={count}"));
            }
            Value::Object(kinds) if !kinds.is_empty() => counts.push(format!("{name}={value}")),
            _ => {}
        }
    }
    counts.retain(|count| !count.starts_with("elapsed_ms=") && !count.starts_with("events_per_"));
    counts.sort();
    counts.join(" ")
}

/// All that a state file knows, in the order of its keys.
fn stored(path: &std::path::Path) -> Vec<u8> {
    let database = Database::open(path).unwrap();
    let terms = database.begin_read().unwrap().open_table(TERMS).unwrap();
    let mut out = Vec::new();
    for row in terms.iter().unwrap() {
        let (key, value) = row.unwrap();
        for part in [key.value(), value.value()] {
            out.extend_from_slice(&(part.len() as u64).to_le_bytes());
            out.extend_from_slice(part);
        }
    }
    out
}

/// Makes a state file with these keys and values.
fn store(path: &std::path::Path, rows: &[(String, Vec<u8>)]) {
    let database = Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut meta = transaction.open_table(META).unwrap();
        meta.insert("product", "firstseen").unwrap();
        meta.insert("format", "1").unwrap();
        let mut terms = transaction.open_table(TERMS).unwrap();
        let mut expiry = transaction.open_table(EXPIRY).unwrap();
        for (key, value) in rows {
            let row = [&EXPIRES_MS.to_le_bytes(), value.as_slice()].concat();
            terms.insert(key.as_bytes(), row.as_slice()).unwrap();
            expiry.insert((EXPIRES_MS / 3_600_000, key.as_bytes()), ()).unwrap();
        }
    }
    transaction.commit().unwrap();
}

/// The names of all fixtures that are inputs.
fn fixtures() -> Vec<String> {
    let root = repository("tests/fixtures");
    let paths = ["envelopes", "no-events", "bad"].map(|folder| files(&root.join(folder)));
    let paths = paths.into_iter().flatten().chain([root.join("identities.ndjson")]);
    paths.map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()).collect()
}

fn bytes_of(fixture: &str) -> Vec<u8> {
    fs::read(repository("tests/fixtures").join(fixture)).unwrap()
}

#[test]
fn outputs_of_files() {
    let mut table = Table::new();
    for name in fixtures() {
        table.run_row(&name, &format!("fixtures/{name}"), b"", &[]);
    }
    for folder in ["envelopes", "no-events", "bad"] {
        table.run_row(folder, &format!("fixtures/{folder}"), b"", &[]);
    }
    table.end("outputs_files");
}

#[test]
fn outputs_of_standard_input() {
    let mut table = Table::new();
    for name in fixtures() {
        table.run_row(&name, "-", &bytes_of(&name), &[]);
    }
    table.end("outputs_stdin");
}

#[test]
fn outputs_of_held_standard_input() {
    let mut table = Table::new();
    for name in fixtures().iter().filter(|name| name.starts_with("envelopes/")) {
        table.run_row(name, "- --hold 30d --repeats emit", &bytes_of(name), &[]);
    }
    table.end("outputs_hold");
}

#[test]
fn outputs_of_explain() {
    let mut table = Table::new();
    for name in fixtures() {
        table.row_of(&name, &format!("explain fixtures/{name}"), b"");
    }
    table.end("outputs_explain");
}

/// Lines alone: what is packed or wrapped is another matter of `--annotate`.
#[test]
fn outputs_of_annotate() {
    let mut table = Table::new();
    for name in fixtures().iter().filter(|name| name.ends_with(".ndjson")) {
        table.row_of(name, "run --annotate -", &bytes_of(name));
    }
    table.end("outputs_annotate");
}

/// Event lists and rules for each construct of the language; all rules as one pack.
#[test]
fn outputs_of_constructs() {
    let mut table = Table::new();
    let (status, _) = table.run("build constructs --pack -o constructs.wasm", b"");
    assert_eq!(status, 0);
    let lists = files(&repository("tests/rules/constructs"));
    for path in lists.iter().filter(|path| path.extension().is_some_and(|e| e == "ndjson")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let lines = fs::read_to_string(path).unwrap();
        let events: String = lines.lines().enumerate().map(construct).collect();
        table.run_row(name, "--rule constructs.wasm -", events.as_bytes(), &[]);
    }
    table.end("outputs_constructs");
}

/// The event of a line `{"matches": true, "event": {..}}`, with a time, an id and a user where it
/// has none.
fn construct((number, line): (usize, &str)) -> String {
    let (_, event) = line.split_once("\"event\": {").expect(line);
    let mut event = event.strip_suffix("}}").expect(line).to_owned();
    let user = format!("user-{number}");
    let id = format!("event-{number}");
    for (name, value) in
        [("@timestamp", "2025-03-01T00:00:00Z"), ("user.name", &user), ("event.id", &id)]
    {
        if !event.contains("\"eventVersion\"") && !event.contains(&format!("\"{name}\"")) {
            let comma = if event.is_empty() { "" } else { ", " };
            event = format!("\"{name}\": \"{value}\"{comma}{event}");
        }
    }
    format!("{{{event}}}\n")
}

/// A vector: what it is called, the words that run it, its events, its state.
struct Vector {
    name: String,
    words: String,
    events: Vec<u8>,
    before: Vec<(String, Vec<u8>)>,
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// The vectors; their artifacts are built in the table's folder.
fn vectors(table: &Table) -> Vec<Vector> {
    let mut built = Vec::new();
    let mut vectors = Vec::new();
    let paths = files(&repository("tests/vectors"));
    for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "json")) {
        let vector = json_file(path);
        let name = vector["name"].as_str().unwrap().to_owned();
        let rules = match &vector["rule"] {
            Value::Array(rules) => rules.clone(),
            rule => vec![rule.clone()],
        };
        let rules = rules.iter().map(|rule| format!("project/{}", rule.as_str().unwrap()));
        let rules: Vec<_> = rules.collect();
        let time = vector["event_time"].as_str().unwrap_or("timestamp");
        let build = format!("build --event-time {time} {}", rules.join(" "));
        let number = built.iter().position(|known| *known == build).unwrap_or_else(|| {
            let pack = if rules.len() > 1 { "--pack" } else { "" };
            let (status, _) = table.run(&format!("{build} {pack} -o {}.wasm", built.len()), b"");
            assert_eq!(status, 0, "{build}");
            built.push(build);
            built.len() - 1
        });
        let mut words = format!("--rule {number}.wasm");
        if !vector["settings"].is_null() {
            table.scene.write(&format!("{name}.json"), vector["settings"].to_string());
            words += &format!(" --settings {name}.json");
        }
        let mut events = Vec::new();
        for step in vector["steps"].as_array().unwrap() {
            match step["event"].as_str() {
                Some(event) => events.extend_from_slice(event.as_bytes()),
                None => events.extend(unhex(step["event_hex"].as_str().unwrap())),
            }
            events.push(b'\n');
        }
        let before = vector["before"].as_object().into_iter().flatten();
        let before = before.map(|(key, value)| (key.clone(), unhex(value.as_str().unwrap())));
        vectors.push(Vector { name, words, events, before: before.collect() });
    }
    vectors
}

#[test]
fn outputs_of_vectors() {
    let mut table = Table::new();
    for Vector { name, words, events, before } in vectors(&table) {
        table.run_row(&name, &format!("{words} -"), &events, &before);
        table.scene.write("events", &events);
        table.run_row("  in order", &format!("{words} events"), b"", &before);
    }
    table.end("outputs_vectors");
}

#[test]
fn outputs_of_vectors_explained_and_annotated() {
    let mut table = Table::new();
    for Vector { name, words, events, .. } in vectors(&table) {
        table.row_of(&name, &format!("explain {words} -"), &events);
        table.row_of("  annotated", &format!("run --annotate {words} -"), &events);
    }
    table.end("outputs_vectors_lines");
}
