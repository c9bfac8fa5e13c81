//! The vectors of `tests/vectors`: what each engine and each skin has to answer.
//!
//! In: cases, each with events and with what a person says that must come of them. Out: vectors,
//! in which the native engine has filled in the exact bytes. A case whose answers are not what was
//! said of it is a panic, so a vector never records just what the code happens to do. Nothing is
//! read or written here; `tests/vectors.rs` compares the files.
//!
//! | what | module |
//! | --- | --- |
//! | a case, and what is said of its steps | [`case`] |
//! | the native engine's answers, both ways of the contract | [`native`] |
//! | when a term is new, over weeks | [`sightings`] |
//! | the ways that an event can be written | [`forms`] |
//! | what cannot be judged | [`faults`] |
//! | exceptions, learning, tenants, clocks | [`settings`] |
//! | other rules than the flagship, and packs | [`rules`] |
//! | values that a store already holds | [`stored`] |

pub mod case;
pub mod faults;
pub mod forms;
pub mod native;
pub mod rules;
pub mod settings;
pub mod sightings;
pub mod stored;

use case::Case;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One file of `tests/vectors`. docs/conformance.md tells what its members mean.
#[derive(Debug, Serialize)]
pub struct Vector {
    name: &'static str,
    about: &'static str,
    rule: Rules,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_time: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<BTreeMap<String, String>>,
    steps: Vec<Step>,
    after: BTreeMap<String, String>,
}

/// One rule's file, or those of a pack in their order.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Rules {
    One(&'static str),
    Pack(Vec<&'static str>),
}

/// One event and what comes of it.
#[derive(Debug, Serialize)]
struct Step {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now_ms: Option<i64>,
    alerts: Vec<String>,
    repeats: Vec<String>,
    error: Option<String>,
    counts: Counts,
}

/// The other members of an outcome: all of them stand in it whether they are 0 or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rules that matched.
    pub matched: u32,
    /// Terms seen before.
    pub seen: u32,
    /// Terms learned.
    pub learned: u32,
    /// Terms late beyond memory.
    pub late: u32,
    /// Rules whose exception took the event out.
    pub excepted: u32,
    /// New-terms fields that the event lacks.
    pub missing: Vec<String>,
    /// What the document is that holds no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_events: Option<String>,
}

/// All vectors: the name of a file and its text.
///
/// # Panics
/// When the engine does not do what is said of a case, or two cases have one name.
#[must_use]
pub fn all() -> BTreeMap<String, String> {
    let mut names = BTreeSet::new();
    let groups = [
        sightings::cases(),
        forms::cases(),
        faults::cases(),
        settings::cases(),
        rules::cases(),
        stored::cases(),
    ];
    let cases: Vec<Case> = groups.into_iter().flatten().collect();
    let mut files = BTreeMap::new();
    for case in cases {
        assert!(names.insert(case.name), "two cases are called {}", case.name);
        let vector = native::run(&case);
        let mut text = serde_json::to_string_pretty(&vector).expect("a vector is JSON");
        text.push('\n');
        files.insert(format!("{}.json", vector.name), text);
    }
    files
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hexadecimal digits as bytes; spaces between them are skipped.
///
/// # Panics
/// When they are none.
#[must_use]
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("a hexadecimal digit") as u8)
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte: {text}");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
