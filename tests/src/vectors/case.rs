//! A case: a rule, events, and an expectation for each event.
//!
//! The other modules write cases with the functions here. The expectation for an alert is its term
//! and the previous sighting; the other bytes follow from the event and the rule.

use super::Counts;
use serde_json::{Value, json};

/// The flagship's file, relative to the project.
pub const FLAGSHIP: &str = "plugin/rules/first_time_cloudformation_stack_creation.toml";
/// The same rule with another id and without texts for people, so that alerts are short.
pub const STACKS: &str = "tests/vectors/stacks.toml";
/// The id of that rule.
pub const STACKS_ID: &str = "00000000-0000-4000-8000-000000000012";
/// The default account.
pub const ACCOUNT: &str = "111122223333";

/// The source of one vector.
#[derive(Debug, Clone)]
pub struct Case {
    /// The name of the vector and of its file.
    pub name: &'static str,
    /// What it tests.
    pub about: &'static str,
    /// The rule files, relative to the project; several files are a pack.
    pub rules: Vec<&'static str>,
    /// Whether an event's time is the rule's `timestamp_override`.
    pub timestamp_override: bool,
    /// The settings for `configure`.
    pub settings: Option<Value>,
    /// The store at the beginning.
    pub before: Vec<(String, Vec<u8>)>,
    /// The events.
    pub steps: Vec<Given>,
}

/// An event, the host's clock, and the expectation.
#[derive(Debug, Clone)]
pub struct Given {
    /// The event's bytes.
    pub event: Vec<u8>,
    /// The host's clock, or 0.
    pub now_ms: i64,
    /// The expected result.
    pub claim: Claim,
}

/// The expected result of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// New terms.
    pub alerts: Vec<Sighting>,
    /// Terms with a repeated alert.
    pub repeats: Vec<Sighting>,
    /// The other counts.
    pub counts: Counts,
    /// The error code.
    pub error: Option<String>,
}

/// The subject of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The term, a list of values.
    pub terms: Value,
    /// The previous sighting that the alert names.
    pub previous: Option<String>,
}

impl Case {
    /// A case for the flagship.
    #[must_use]
    pub fn flagship(name: &'static str, about: &'static str) -> Self {
        Self::of(name, about, &[FLAGSHIP])
    }

    /// A case for the flagship's short form.
    #[must_use]
    pub fn stacks(name: &'static str, about: &'static str) -> Self {
        Self::of(name, about, &[STACKS])
    }

    /// A case for these rules.
    #[must_use]
    pub fn of(name: &'static str, about: &'static str, rules: &[&'static str]) -> Self {
        Self {
            name,
            about,
            rules: rules.to_vec(),
            timestamp_override: false,
            settings: None,
            before: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Adds settings.
    #[must_use]
    pub fn settings(mut self, settings: Value) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Adds a value to the store.
    #[must_use]
    pub fn before(mut self, key: &str, value: Vec<u8>) -> Self {
        self.before.push((key.to_owned(), value));
        self
    }

    /// Adds an event, evaluated without a clock.
    #[must_use]
    pub fn step(self, event: impl Into<Vec<u8>>, claim: Claim) -> Self {
        self.step_at(event, 0, claim)
    }

    /// Adds an event, evaluated at this time.
    #[must_use]
    pub fn step_at(mut self, event: impl Into<Vec<u8>>, now_ms: i64, claim: Claim) -> Self {
        self.steps.push(Given { event: event.into(), now_ms, claim });
        self
    }
}

impl Claim {
    fn matched(matched: u32) -> Self {
        Self { counts: Counts { matched, ..Counts::default() }, ..Self::default() }
    }

    /// Combines the expectations of two rules.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.alerts.extend(other.alerts);
        self.repeats.extend(other.repeats);
        self.error = self.error.or(other.error);
        let (counts, others) = (&mut self.counts, other.counts);
        counts.matched += others.matched;
        counts.seen += others.seen;
        counts.learned += others.learned;
        counts.late += others.late;
        counts.excepted += others.excepted;
        counts.other_index += others.other_index;
        counts.missing.extend(others.missing);
        self
    }
}

/// No rule matches.
#[must_use]
pub fn no_match() -> Claim {
    Claim::default()
}

/// One rule matches, and these terms are new: each with its previous sighting.
#[must_use]
pub fn alerts(terms: &[(Value, Option<&str>)]) -> Claim {
    let sighting = |(terms, previous): &(Value, Option<&str>)| Sighting {
        terms: terms.clone(),
        previous: previous.map(str::to_owned),
    };
    Claim { alerts: terms.iter().map(sighting).collect(), ..Claim::matched(1) }
}

/// One rule matches, and the event's only term was never seen.
#[must_use]
pub fn alert(terms: Value) -> Claim {
    alerts(&[(terms, None)])
}

/// The flagship alerts for a user in the default account.
#[must_use]
pub fn new_user(user: &str) -> Claim {
    alert(json!([ACCOUNT, user]))
}

/// One rule matches, and the event repeats its alert.
#[must_use]
pub fn repeat(terms: Value, previous: Option<&str>) -> Claim {
    let mut claim = alerts(&[(terms, previous)]);
    claim.repeats = std::mem::take(&mut claim.alerts);
    claim
}

/// One rule matches, and the event's only term was seen before.
#[must_use]
pub fn seen() -> Claim {
    let mut claim = Claim::matched(1);
    claim.counts.seen = 1;
    claim
}

/// One rule matches, and the term is learned.
#[must_use]
pub fn learned() -> Claim {
    let mut claim = Claim::matched(1);
    claim.counts.learned = 1;
    claim
}

/// One rule matches, and the event is older than the state.
#[must_use]
pub fn late() -> Claim {
    let mut claim = Claim::matched(1);
    claim.counts.late = 1;
    claim
}

/// One rule matches, and an exception excludes the event.
#[must_use]
pub fn excepted() -> Claim {
    let mut claim = Claim::matched(1);
    claim.counts.excepted = 1;
    claim
}

/// One rule matches, and its index patterns do not cover the index that the event names.
#[must_use]
pub fn other_index() -> Claim {
    let mut claim = Claim::matched(1);
    claim.counts.other_index = 1;
    claim
}

/// One rule matches, and this field is missing from the event.
#[must_use]
pub fn missing(field: &str) -> Claim {
    let mut claim = Claim::matched(1);
    claim.counts.missing.push(field.to_owned());
    claim
}

/// The document contains no event.
#[must_use]
pub fn no_events(what: &str) -> Claim {
    let mut claim = Claim::default();
    claim.counts.no_events = Some(what.to_owned());
    claim
}

/// The event cannot be read.
#[must_use]
pub fn bad(code: &str) -> Claim {
    Claim { error: Some(code.to_owned()), ..Claim::default() }
}

/// One rule matches, and the event is not evaluated.
#[must_use]
pub fn refused(code: &str) -> Claim {
    Claim { error: Some(code.to_owned()), ..Claim::matched(1) }
}

/// A user creates a stack in the default account, as an ECS document. Its id is made from user and
/// time.
#[must_use]
pub fn stack(user: &str, time: &str) -> Value {
    json!({
        "@timestamp": time,
        "event": {
            "id": format!("{user} {time}"),
            "dataset": "aws.cloudtrail",
            "provider": "cloudformation.amazonaws.com",
            "action": "CreateStack",
            "outcome": "success",
        },
        "cloud": { "account": { "id": ACCOUNT } },
        "user": { "name": user },
    })
}

/// The same as text.
#[must_use]
pub fn stack_text(user: &str, time: &str) -> String {
    stack(user, time).to_string()
}

/// A document with another value at a path of members.
///
/// # Panics
/// If the path leads through a value that is not an object.
#[must_use]
pub fn with(mut document: Value, path: &str, value: Value) -> Value {
    let mut at = &mut document;
    for name in path.split('/') {
        at = &mut at[name];
    }
    *at = value;
    document
}
