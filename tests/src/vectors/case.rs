//! A case: a rule, events, and what a person says must come of each.
//!
//! In: what the other modules write down. Out: the same, as values. What is said of an alert is
//! its term and the sighting before it; the rest of its bytes follows from the event and the rule.

use super::Counts;
use serde_json::{Value, json};

/// The flagship's file, from the project's root.
pub const FLAGSHIP: &str = "plugin/rules/first_time_cloudformation_stack_creation.toml";
/// The same rule without its texts for people: short alerts, and another id.
pub const STACKS: &str = "tests/vectors/stacks.toml";
/// The id of that.
pub const STACKS_ID: &str = "00000000-0000-4000-8000-000000000012";
/// The account of most events.
pub const ACCOUNT: &str = "111122223333";

/// One vector in the making.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name, and its file's.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// Files of rules, from the project's root; several of them are a pack.
    pub rules: Vec<&'static str>,
    /// Whether the time is the rule's `timestamp_override`.
    pub timestamp_override: bool,
    /// For `configure`.
    pub settings: Option<Value>,
    /// What the store holds at the beginning.
    pub before: Vec<(String, Vec<u8>)>,
    /// The events.
    pub steps: Vec<Given>,
}

/// An event, the host's clock, and what is said of it.
#[derive(Debug, Clone)]
pub struct Given {
    /// The event's bytes.
    pub event: Vec<u8>,
    /// The host's clock, or 0.
    pub now_ms: i64,
    /// What must come of it.
    pub claim: Claim,
}

/// What must come of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// New terms.
    pub alerts: Vec<Sighting>,
    /// Terms whose alert comes again.
    pub repeats: Vec<Sighting>,
    /// All else that is counted.
    pub counts: Counts,
    /// The code of the fault.
    pub error: Option<String>,
}

/// What an alert is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The term: a list of values.
    pub terms: Value,
    /// The sighting that the alert names as the one before.
    pub previous: Option<String>,
}

impl Case {
    /// A case of the flagship.
    #[must_use]
    pub fn flagship(name: &'static str, about: &'static str) -> Self {
        Self::of(name, about, &[FLAGSHIP])
    }

    /// A case of the flagship's short form.
    #[must_use]
    pub fn stacks(name: &'static str, about: &'static str) -> Self {
        Self::of(name, about, &[STACKS])
    }

    /// A case of these rules.
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

    /// With settings.
    #[must_use]
    pub fn settings(mut self, settings: Value) -> Self {
        self.settings = Some(settings);
        self
    }

    /// With a value in the store.
    #[must_use]
    pub fn before(mut self, key: &str, value: Vec<u8>) -> Self {
        self.before.push((key.to_owned(), value));
        self
    }

    /// With one more event, judged without a clock.
    #[must_use]
    pub fn step(self, event: impl Into<Vec<u8>>, claim: Claim) -> Self {
        self.step_at(event, 0, claim)
    }

    /// With one more event, judged at this time.
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

    /// Two rules' claims together.
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
        counts.missing.extend(others.missing);
        self
    }
}

/// No rule matches.
#[must_use]
pub fn no_match() -> Claim {
    Claim::default()
}

/// One rule matches, and these terms of its event are new: each with the sighting before.
#[must_use]
pub fn alerts(terms: &[(Value, Option<&str>)]) -> Claim {
    let sighting = |(terms, previous): &(Value, Option<&str>)| Sighting {
        terms: terms.clone(),
        previous: previous.map(str::to_owned),
    };
    Claim { alerts: terms.iter().map(sighting).collect(), ..Claim::matched(1) }
}

/// One rule matches, and the event's one term is new and was never seen.
#[must_use]
pub fn alert(terms: Value) -> Claim {
    alerts(&[(terms, None)])
}

/// The flagship alerts for a user in the usual account.
#[must_use]
pub fn new_user(user: &str) -> Claim {
    alert(json!([ACCOUNT, user]))
}

/// One rule matches, and the alert of this event comes again.
#[must_use]
pub fn repeat(terms: Value, previous: Option<&str>) -> Claim {
    let mut claim = alerts(&[(terms, previous)]);
    claim.repeats = std::mem::take(&mut claim.alerts);
    claim
}

/// One rule matches, and the event's one term was seen before.
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

/// One rule matches, and the event is older than all that is remembered.
#[must_use]
pub fn late() -> Claim {
    let mut claim = Claim::matched(1);
    claim.counts.late = 1;
    claim
}

/// One rule matches, and an exception takes the event out.
#[must_use]
pub fn excepted() -> Claim {
    let mut claim = Claim::matched(1);
    claim.counts.excepted = 1;
    claim
}

/// One rule matches, and the event lacks this field.
#[must_use]
pub fn missing(field: &str) -> Claim {
    let mut claim = Claim::matched(1);
    claim.counts.missing.push(field.to_owned());
    claim
}

/// The document holds no event.
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

/// One rule matches, and the event is not judged.
#[must_use]
pub fn refused(code: &str) -> Claim {
    Claim { error: Some(code.to_owned()), ..Claim::matched(1) }
}

/// A stack that a user creates in the usual account, as an ECS document. User and time name it.
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
/// When the path leads through something that is no object.
#[must_use]
pub fn with(mut document: Value, path: &str, value: Value) -> Value {
    let mut at = &mut document;
    for name in path.split('/') {
        at = &mut at[name];
    }
    *at = value;
    document
}
