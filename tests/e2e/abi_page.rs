//! Compares docs/abi.md with the code.
//!
//! In: the page, the sources of the contract, the engine module. Out: whether the page names
//! exactly the exports, imports, constants and codes that exist, with their values, and whether its
//! examples are the module's output.

use crate::flagship;
use firstseen_abi::RequestWriter;
use firstseen_artifact::Meta;
use firstseen_runtime::Guest;
use firstseen_session::{Decide, Rules};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use wasmtime::{ExternType, FuncType};

type Table = BTreeMap<String, String>;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

static PAGE: LazyLock<String> = LazyLock::new(|| read("docs/abi.md"));

fn guest(settings: Option<String>) -> anyhow::Result<Guest> {
    let (runtime, artifact) = flagship();
    Guest::new(runtime, artifact, "default", settings.map(Into::into))
}

/// All tables whose first column has this heading, merged: first column to second, without
/// backticks.
fn table(heading: &str) -> Table {
    let (mut rows, mut inside) = (Table::new(), false);
    for line in PAGE.lines() {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        match &cells[..] {
            [_, first, second, ..] if first == heading => inside = !second.is_empty(),
            [_, first, ..] if first.starts_with("---") => {}
            [_, first, second, ..] if inside => {
                for name in first.split(", ") {
                    let known = rows.insert(name.to_owned(), second.clone());
                    assert_eq!(known, None, "`{name}` is listed twice under `{heading}`");
                }
            }
            _ => inside = false,
        }
    }
    assert!(!rows.is_empty(), "the page has no table under `{heading}`");
    rows
}

fn signature(kind: &FuncType) -> String {
    let list = |types: &mut dyn Iterator<Item = wasmtime::ValType>| {
        types.map(|t| t.to_string()).collect::<Vec<_>>().join(", ")
    };
    let results = list(&mut kind.results());
    let results = if results.is_empty() { "()".to_owned() } else { results };
    format!("({}) -> {results}", list(&mut kind.params()))
}

#[test]
fn page_lists_every_export_and_import_with_its_signature() {
    let module = flagship().1.code.module();
    let mut exports = Table::new();
    for export in module.exports() {
        let name = export.name().to_owned();
        match export.ty() {
            ExternType::Func(kind) => exports.insert(name, signature(&kind)),
            ExternType::Memory(_) => exports.insert(name, "memory".to_owned()),
            _ => {
                assert!(PAGE.contains(&format!("`{name}`")), "`{name}` is not named");
                None
            }
        };
    }
    assert_eq!(table("export"), exports);
    let mut imports = Table::new();
    for import in module.imports() {
        assert_eq!(import.module(), firstseen_abi::IMPORT_NAMESPACE);
        let ExternType::Func(kind) = import.ty() else { panic!("{}", import.name()) };
        imports.insert(import.name().to_owned(), signature(&kind));
    }
    assert_eq!(table("import"), imports);
}

/// The public constants and the enums' values in the sources of crate abi, by module or enum.
fn constants() -> BTreeMap<String, Table> {
    let mut groups: BTreeMap<String, Table> = BTreeMap::new();
    let root = read("crates/abi/src/lib.rs");
    for entry in std::fs::read_dir(repository("crates/abi/src")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        // The items of a private module are the crate's own.
        let module = path.file_stem().unwrap().to_str().unwrap();
        let is_public = root.lines().any(|line| line == format!("pub mod {module};"));
        let module = if is_public { module } else { "" };
        let mut group = module.to_owned();
        for line in
            text.lines().filter(|line| !line.starts_with("pub mod ") || !line.ends_with(';'))
        {
            let bare = line.trim();
            if line == "}" {
                group = module.to_owned();
            } else if let Some(name) =
                line.strip_prefix("pub mod ").or(line.strip_prefix("pub enum "))
            {
                group = name.trim_end_matches(" {").to_owned();
            } else if let Some(constant) = bare.strip_prefix("pub const ")
                && let Some((name, value)) = constant.split_once(" = ")
            {
                let name = name.split(':').next().unwrap();
                let value = value.trim_end_matches(';').to_owned();
                groups.entry(group.clone()).or_default().insert(name.to_owned(), value);
            } else if let Some((name, value)) = bare.trim_end_matches(',').split_once(" = ")
                && name.chars().all(char::is_alphanumeric)
                && value.parse::<u8>().is_ok()
            {
                groups.entry(group.clone()).or_default().insert(name.to_owned(), value.to_owned());
            }
        }
    }
    groups
}

#[test]
fn page_lists_every_constant_with_its_value() {
    let headings = [
        ("", "constant"),
        ("status", "status"),
        ("kv", "store code"),
        ("level", "level"),
        ("ItemKind", "item kind"),
        ("OutcomeKind", "outcome kind"),
    ];
    let constants = constants();
    let groups: Vec<_> = constants.keys().map(String::as_str).collect();
    let mut known: Vec<_> = headings.iter().map(|(group, _)| *group).collect();
    known.sort_unstable();
    assert_eq!(groups, known, "the page has no table for a group of constants");
    for (group, heading) in headings {
        assert_eq!(table(heading), constants[group], "{heading}");
    }
    // Limits that are not constants of crate abi.
    let terms = firstseen_rule::term::MAX_TERMS;
    assert!(PAGE.contains(&format!("at most {terms} terms")));
    let bytes = firstseen_rule::term::MAX_TERM_BYTES >> 20;
    assert!(PAGE.contains(&format!("at most {bytes} MiB of values")));
}

/// The quoted words directly after `before` in `text`, ignoring white space.
fn quoted_after<'t>(text: &'t str, before: &str) -> Vec<&'t str> {
    let parts = text.split(before).skip(1).map(str::trim_start);
    parts.filter_map(|part| part.strip_prefix('"')?.split('"').next()).collect()
}

/// Whether a word looks like a code and not like a sentence.
fn is_code(code: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    code.starts_with(|c: char| c.is_ascii_lowercase()) && code.bytes().all(plain)
}

/// The codes of strings that start with `code: `.
fn leading_codes(text: &str) -> impl Iterator<Item = &str> {
    let strings = text.split('"').skip(1).filter_map(|string| string.split_once(": "));
    strings.map(|(code, _)| code).filter(|code| is_code(code))
}

#[test]
fn page_lists_every_code() {
    let mut codes: BTreeSet<String> = BTreeSet::new();
    for folder in ["crates/event/src", "crates/rule/src", "plugin/core/src"] {
        for entry in std::fs::read_dir(repository(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !path.is_file() {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for before in ["EventError::new(", "Self::new(", "fault(", "refusal_json(", "\"code\":"]
            {
                let found = quoted_after(text, before).into_iter().filter(|code| is_code(code));
                codes.extend(found.map(str::to_owned));
            }
            // These files write a code and a reason in one string.
            if ["engine.rs", "decide.rs", "evaluate.rs"].contains(&&*name) {
                codes.extend(leading_codes(text).map(str::to_owned));
            }
        }
    }
    assert_eq!(table("code").into_keys().collect::<BTreeSet<_>>(), codes);
}

/// The names of all members of a JSON value.
fn members(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            into.extend(map.keys().cloned());
            map.values().for_each(|value| members(value, into));
        }
        Value::Array(list) => list.iter().for_each(|value| members(value, into)),
        _ => {}
    }
}

/// The code blocks of that kind, in order.
fn blocks(kind: &str) -> Vec<&'static str> {
    let parts = PAGE.split("\n```").skip(1);
    parts.filter_map(|part| part.strip_prefix(kind)?.strip_prefix('\n')).collect()
}

/// The event of the worked example.
fn event() -> &'static str {
    blocks("json").pop().unwrap()
}

#[test]
fn page_names_every_json_member() {
    let mut guest = guest(None).unwrap();
    let outcome: Value = serde_json::from_slice(&guest.evaluate(event().as_bytes(), 0).unwrap())
        .expect("evaluate returns JSON");
    // The guest has no store.
    assert_eq!(outcome["error"]["code"], "store_away");
    let explained: Value = serde_json::from_slice(&guest.explain(event().as_bytes()).unwrap())
        .expect("explain returns JSON");
    assert_eq!(explained["rules"][0]["matched"], true);
    let mut used = BTreeSet::new();
    members(&outcome, &mut used);
    members(&explained, &mut used);
    members(&serde_json::to_value(&flagship().1.meta).unwrap(), &mut used);
    assert!(used.len() > 25, "{used:?}");
    for name in used {
        let named = PAGE.contains(&format!("`{name}`")) || PAGE.contains(&format!("\"{name}\""));
        assert!(named, "`{name}` is not on the page");
    }
}

#[test]
fn json_examples_parse_and_the_settings_are_accepted() {
    let examples = blocks("json");
    for example in &examples {
        serde_json::from_str::<Value>(example).unwrap_or_else(|e| panic!("{e}: {example}"));
    }
    let settings = examples.iter().find(|text| text.contains("learn_until")).unwrap();
    let tenant: Value = serde_json::from_str(settings).unwrap();
    assert_eq!(tenant["tenant"], "acme");
    guest(Some((*settings).to_owned())).unwrap();
    let meta = examples.iter().find(|text| text.contains("key_prefix")).unwrap();
    let meta: Meta = serde_json::from_str(meta).unwrap();
    assert_eq!(meta, flagship().1.meta);
}

/// The bytes of a dump. A line has an offset, up to 16 bytes, and remarks after three spaces.
fn dumped(block: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in block.lines() {
        let (offset, rest) = line.split_once("  ").unwrap();
        assert_eq!(usize::from_str_radix(offset, 16).unwrap(), bytes.len(), "{line}");
        let hex = rest.split("   ").next().unwrap();
        bytes.extend(hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    bytes
}

#[test]
fn worked_example_is_the_modules_output() {
    let mut guest = guest(None).unwrap();
    let dumps = blocks("hex");
    let [keys, decided] = dumps.as_slice() else { panic!("the page should have two dumps") };
    let found = guest.keys(event().as_bytes(), &[(0, event().len() as u32)], 0).unwrap();
    assert_eq!(dumped(keys), found);
    let sums = [format!("{} bytes that it", event().len()), format!("{} bytes:", found.len())];
    assert!(sums.iter().all(|sum| PAGE.contains(sum)), "{sums:?}");

    let items = firstseen_abi::Keys::read(&found).unwrap();
    let item = items.items().next().unwrap().unwrap();
    let mut request = RequestWriter::default();
    request.key(item.terms().next().unwrap().key, None);
    request.item(item.raw, event().as_bytes());
    let result = guest.decide(&request).unwrap();
    let dump = dumped(decided);
    assert_eq!(dump, result[..dump.len()]);
    let decision = firstseen_abi::Decision::read(&result).unwrap();
    let alert = decision.outcomes[0].text;
    for part in [
        r#"{"@timestamp":"2025-04-01T08:00:00.000Z","cloud":{"account":{"id":"111122223333"}},"#,
        r#""kibana.alert.new_terms":["111122223333","ann"],"#,
        r#""user":{"name":"ann"}}"#,
    ] {
        assert!(PAGE.contains(part) && alert.contains(part), "{part}");
    }
}
