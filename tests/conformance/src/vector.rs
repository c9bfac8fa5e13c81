//! Reads the vectors of `tests/vectors`.
//!
//! In: their folder. Out: the vectors, grouped by artifact.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// One vector.
#[derive(Debug, Deserialize)]
pub(crate) struct Vector {
    /// Its name.
    pub(crate) name: String,
    rule: Rules,
    event_time: Option<String>,
    /// The settings for `configure`.
    pub(crate) settings: Option<Value>,
    /// The store at the beginning.
    #[serde(default)]
    pub(crate) before: BTreeMap<String, String>,
    /// The events.
    pub(crate) steps: Vec<Step>,
    /// The store at the end.
    pub(crate) after: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Rules {
    One(String),
    Pack(Vec<String>),
}

/// One event and its expected result.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    event: Option<String>,
    event_hex: Option<String>,
    /// The host's clock, or 0.
    #[serde(default)]
    pub(crate) now_ms: i64,
    /// The expected result.
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// The result of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Outcome {
    /// The alerts' texts.
    pub(crate) alerts: Vec<String>,
    /// The repeats' texts.
    pub(crate) repeats: Vec<String>,
    /// The error code.
    pub(crate) error: Option<String>,
    /// The other counts.
    pub(crate) counts: Counts,
}

/// The other members of an outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)]
pub(crate) struct Counts {
    pub(crate) matched: u32,
    pub(crate) seen: u32,
    pub(crate) learned: u32,
    pub(crate) late: u32,
    pub(crate) excepted: u32,
    #[serde(default)]
    pub(crate) other_index: u32,
    pub(crate) missing: Vec<String>,
    pub(crate) no_events: Option<String>,
}

/// The arguments of `firstseen build`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Recipe {
    /// The rule files, relative to the project; several files are a pack.
    pub(crate) rules: Vec<String>,
    /// `--event-time`.
    pub(crate) event_time: Option<String>,
}

impl Vector {
    /// The artifact that the vector tests.
    pub(crate) fn recipe(&self) -> Recipe {
        let rules = match &self.rule {
            Rules::One(rule) => vec![rule.clone()],
            Rules::Pack(rules) => rules.clone(),
        };
        Recipe { rules, event_time: self.event_time.clone() }
    }

    /// The first part of its state keys.
    pub(crate) fn tenant(&self) -> &str {
        let tenant = self.settings.as_ref().and_then(|settings| settings.get("tenant"));
        tenant.and_then(Value::as_str).unwrap_or("default")
    }
}

impl Step {
    /// The event's bytes.
    pub(crate) fn event(&self) -> Result<Vec<u8>> {
        match (&self.event, &self.event_hex) {
            (Some(text), None) => Ok(text.clone().into_bytes()),
            (None, Some(digits)) => unhex(digits),
            _ => anyhow::bail!("a step has either event or event_hex"),
        }
    }
}

/// All vectors of a folder, by artifact.
pub(crate) fn read(folder: &Path) -> Result<BTreeMap<Recipe, Vec<Vector>>> {
    let mut vectors: BTreeMap<Recipe, Vec<Vector>> = BTreeMap::new();
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path)?;
        let vector: Vector =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        vectors.entry(vector.recipe()).or_default().push(vector);
    }
    ensure!(!vectors.is_empty(), "{} holds no vectors", folder.display());
    Ok(vectors)
}

/// Hexadecimal digits as bytes.
pub(crate) fn unhex(digits: &str) -> Result<Vec<u8>> {
    ensure!(digits.is_ascii() && digits.len().is_multiple_of(2), "half a byte: {digits}");
    let pairs = (0..digits.len()).step_by(2);
    Ok(pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16)).collect::<Result<_, _>>()?)
}
