//! Each construct of rules, in its own rule: events that match, and events that barely do not. The
//! rules run natively and as a module, each alone and all in one pack.
//!
//! In: `rules/constructs/NAME.toml` and `NAME.ndjson` with `{"matches", "event"}` on each line. An
//! event without a time, an id or a user gets one. Out: nothing, or the lines with a wrong result.

use firstseen_abi::{ItemKind, Keys};
use firstseen_compiler::{RuleText, compile};
use firstseen_rule::engine::Framing;
use firstseen_rule::source::{Diagnostic, ReadOptions, read};
use firstseen_rule::{Engine, Plan, Settings};
use firstseen_runtime::{Artifact, Guest, Runtime};
use firstseen_session::Rules;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

struct Construct {
    name: String,
    toml: String,
    /// The expected match and the event, for each line.
    lines: Vec<(bool, String)>,
}

fn constructs() -> Vec<Construct> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/constructs");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    paths.sort();
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let constructs = paths.iter().map(|path| Construct {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        toml: read(path),
        lines: read(&path.with_extension("ndjson")).lines().map(line).collect(),
    });
    constructs.collect()
}

fn line(text: &str) -> (bool, String) {
    let line: Value = serde_json::from_str(text).expect(text);
    let mut event = line["event"].clone();
    let members = event.as_object_mut().expect(text);
    let raw = members.contains_key("eventVersion");
    for (name, value) in
        [("@timestamp", "2025-03-01T00:00:00Z"), ("user.name", "somebody"), ("event.id", "one")]
    {
        if !raw && !members.contains_key(name) {
            members.insert(name.to_owned(), json!(value));
        }
    }
    (line["matches"].as_bool().expect(text), event.to_string())
}

/// The rules in a result of `keys` that the event matches.
fn matched(keys: &[u8], of: &str) -> Vec<usize> {
    let keys = Keys::read(keys).expect("a result");
    assert_eq!((keys.counts.read, keys.counts.bad), (1, 0), "{of}");
    let item = |item: Result<firstseen_abi::Item<'_>, _>| {
        let item = item.expect("a whole item");
        assert_eq!(item.kind, ItemKind::Matched, "{of}");
        usize::from(item.rule)
    };
    keys.items().map(item).collect()
}

fn by_engine(engine: &mut Engine, event: &str) -> Vec<usize> {
    let mut out = Vec::new();
    engine.keys(event.as_bytes(), Framing::One, 0, &mut out).expect("one event");
    matched(&out, event)
}

#[test]
fn each_construct_matches_exactly_its_events() {
    let constructs = constructs();
    assert!(constructs.len() >= 30, "{}", constructs.len());
    let plan = |construct: &Construct| {
        let rule = read(&construct.toml, &ReadOptions::default());
        let rule = rule.unwrap_or_else(|faults| panic!("{}: {faults:?}", construct.name));
        // The events of some are enriched ones, or made up; of one the value has a star.
        let meant =
            ["not_in_raw_cloudtrail", "unknown_field", "quoted_wildcard", "impossible_value"];
        let is_other = |warning: &&Diagnostic| !meant.contains(&warning.code);
        assert_eq!(rule.warnings.iter().find(is_other), None, "{}", construct.name);
        rule.plan
    };
    let plans: Vec<_> = constructs.iter().map(plan).collect();
    let mut pack = Engine::new(Plan { rules: plans.clone() }, Settings::default());
    let sources: Vec<_> =
        constructs.iter().map(|c| RuleText { name: &c.name, text: &c.toml }).collect();
    let wasm = compile(&firstseen_engines::core(), &sources, &ReadOptions::default());
    let wasm = wasm.unwrap_or_else(|fault| panic!("{}", fault.plain(&sources))).wasm;
    let runtime = Runtime::new().expect("wasmtime runs");
    let module = Artifact::new(&runtime, "constructs".to_owned(), &wasm).expect("it loads");
    let mut guest = Guest::new(&runtime, &module, "default", None).expect("it starts");

    let mut wrong = Vec::new();
    for (index, (construct, plan)) in constructs.iter().zip(plans).enumerate() {
        let mut alone = Engine::new(Plan { rules: vec![plan] }, Settings::default());
        let both = [true, false].map(|side| construct.lines.iter().any(|(is, _)| *is == side));
        assert_eq!(
            both,
            [true, true],
            "{}: no event that matches, or none that does not",
            construct.name
        );
        for (matches, event) in &construct.lines {
            let alone = by_engine(&mut alone, event).contains(&0);
            let native = by_engine(&mut pack, event).contains(&index);
            let table = [(0, u32::try_from(event.len()).unwrap())];
            let keys = guest.keys(event.as_bytes(), &table, 0).expect("the module answers");
            let module = matched(&keys, event).contains(&index);
            if [alone, native, module] != [*matches; 3] {
                let name = &construct.name;
                wrong.push(format!("{name}: {alone} {native} {module}, not {matches}: {event}"));
            }
        }
    }
    assert!(wrong.is_empty(), "alone, in the pack, in the module:\n{}", wrong.join("\n"));
}
