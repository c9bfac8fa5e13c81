//! The vectors of `tests/vectors`: the expected results for every engine and target.
//!
//! In: cases with events and expectations written by hand. Out: vectors with the exact bytes from
//! the native engine. If the engine's results differ from a case's expectations, this panics, so a
//! vector never just records what the code does. This module reads and writes no vector files;
//! `properties/vectors.rs` compares them.
//!
//! | what | module |
//! | --- | --- |
//! | a case with the expectations of its steps | [`case`] |
//! | the native engine's results, in both ways of the contract | [`native`] |
//! | new and known terms over weeks | [`sightings`] |
//! | the forms of an event | [`forms`] |
//! | events that cannot be evaluated | [`faults`] |
//! | exceptions, learning, tenants, clocks | [`settings`] |
//! | rules other than the flagship, and packs | [`rules`] |
//! | values that are already in the store | [`stored`] |

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

/// One file of `tests/vectors`. docs/conformance.md explains the members.
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

/// The file of one rule, or the files of a pack in order.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Rules {
    One(&'static str),
    Pack(Vec<&'static str>),
}

/// One event and its results.
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

/// The other members of an outcome. All are written, even if they are 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The number of rules that matched.
    pub matched: u32,
    /// The number of terms seen before.
    pub seen: u32,
    /// The number of terms learned.
    pub learned: u32,
    /// The number of terms older than the state.
    pub late: u32,
    /// The number of rules with an exception that excluded the event.
    pub excepted: u32,
    /// The number of rules whose index patterns do not cover the index that the event names; absent if
    /// it is 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub other_index: u32,
    /// The new-terms fields that are missing from the event.
    pub missing: Vec<String>,
    /// The kind of a document without events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_events: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// All vectors: file names and texts.
///
/// # Panics
/// If the engine's results differ from a case's expectations, or if two cases have the same name.
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

/// Hexadecimal digits as bytes. Spaces are skipped.
///
/// # Panics
/// If a character is neither a digit nor a space.
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
