//! New and known terms: the flagship over weeks.

use super::case::{
    ACCOUNT, Case, Claim, alert, alerts, late, missing, new_user, no_match, refused, repeat, seen,
    stack, stack_text, with,
};
use crate::call::{ACCOUNTS, Call, NAMES, Who};
use crate::event::Shape;
use crate::json::Dice;
use crate::model;
use serde_json::json;

/// The cases of this module.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = order();
    cases.extend(late_events());
    cases.extend(query());
    cases.push(month());
    cases
}

/// An alert for ann that names a previous sighting.
fn again(previous: &str) -> Claim {
    alerts(&[(ann(), Some(previous))])
}

fn ann() -> serde_json::Value {
    json!([ACCOUNT, "ann"])
}

fn order() -> Vec<Case> {
    let april = |day: u32| stack_text("ann", &format!("2025-04-{day:02}T08:00:00Z"));
    vec![
        Case::flagship("first-sighting", "a user creates a stack for the first time: one alert")
            .step(april(1), new_user("ann")),
        Case::stacks(
            "seen-within-the-window",
            "a known term is not new; it is still known exactly one window of 10 days later",
        )
        .step(april(1), new_user("ann"))
        .step(stack_text("ann", "2025-04-01T08:00:01Z"), seen())
        .step(april(11), seen()),
        Case::stacks(
            "seen-keeps-a-term-known",
            "each sighting moves the window: no gap is more than 10 days, so the term is not new again",
        )
        .step(april(1), new_user("ann"))
        .step(april(10), seen())
        .step(april(19), seen())
        .step(april(28), seen()),
        Case::stacks(
            "returns-after-the-window",
            "a gap of 10 days and a millisecond: new again, and the alert names the previous sighting",
        )
        .step(april(1), new_user("ann"))
        .step(stack_text("ann", "2025-04-11T08:00:00.001Z"), again("2025-04-01T08:00:00.000Z")),
        Case::stacks(
            "sighting-before-named-for-27-days",
            "an alert names the previous sighting while a store must keep it: two windows and a week",
        )
        .step(april(1), new_user("ann"))
        .step(stack_text("ann", "2025-04-28T07:59:59.999Z"), again("2025-04-01T08:00:00.000Z"))
        .step(stack_text("ann", "2025-05-25T07:59:59.999Z"), alert(ann())),
        Case::flagship(
            "same-event-again",
            "the same event gives the same alert as a repeat each time",
        )
        .step(april(1), new_user("ann"))
        .step(april(1), repeat(ann(), None))
        .step(april(2), seen())
        .step(april(1), repeat(ann(), None)),
        Case::stacks(
            "replay-of-two-alerts",
            "after a term was new twice, a replay of all its events repeats both alerts unchanged",
        )
        .step(april(1), new_user("ann"))
        .step(april(3), seen())
        .step(april(20), again("2025-04-03T08:00:00.000Z"))
        .step(april(1), repeat(ann(), None))
        .step(april(3), seen())
        .step(april(20), repeat(ann(), Some("2025-04-03T08:00:00.000Z"))),
        Case::stacks(
            "two-users-two-accounts",
            "account and user together are one term: each pair is new separately",
        )
        .step(april(1), new_user("ann"))
        .step(stack_text("bob", "2025-04-01T08:00:00Z"), new_user("bob"))
        .step(
            with(stack("ann", "2025-04-02T08:00:00Z"), "cloud/account/id", json!("444455556666"))
                .to_string(),
            alert(json!(["444455556666", "ann"])),
        )
        .step(stack_text("bob", "2025-04-03T08:00:00Z"), seen()),
        Case::stacks(
            "terms-do-not-run-together",
            "the values of a term stay separate: account 1 and user 2ann is not account 12 and user ann",
        )
        .step(
            with(stack("2ann", "2025-04-01T08:00:00Z"), "cloud/account/id", json!("1")).to_string(),
            alert(json!(["1", "2ann"])),
        )
        .step(
            with(stack("ann", "2025-04-01T08:00:01Z"), "cloud/account/id", json!("12")).to_string(),
            alert(json!(["12", "ann"])),
        ),
    ]
}

fn late_events() -> Vec<Case> {
    let april = |day: u32| stack_text("ann", &format!("2025-04-{day:02}T08:00:00Z"));
    vec![
        Case::stacks(
            "late-event-within-the-window",
            "an event that is late by less than the window is seen, and moves the first sighting back",
        )
        .step(april(9), new_user("ann"))
        .step(april(1), seen())
        .step(april(19), seen()),
        Case::stacks(
            "late-event-joins-two-sightings",
            "a late event fills the gap between two sightings that alerted; both alerts can be repeated",
        )
        .step(april(1), new_user("ann"))
        .step(april(15), again("2025-04-01T08:00:00.000Z"))
        .step(april(8), seen())
        .step(april(15), repeat(ann(), Some("2025-04-01T08:00:00.000Z")))
        .step(april(1), repeat(ann(), None)),
        Case::stacks(
            "late-event-between-two-gaps",
            "a late event more than a window away from both neighbours was new at its time",
        )
        .step(stack_text("ann", "2025-03-01T08:00:00Z"), new_user("ann"))
        .step(stack_text("ann", "2025-03-27T08:00:00Z"), again("2025-03-01T08:00:00.000Z"))
        .step(stack_text("ann", "2025-03-14T08:00:00Z"), again("2025-03-01T08:00:00.000Z")),
        Case::stacks(
            "late-event-before-all",
            "an event more than a window before the only known sighting was new at its time",
        )
        .step(april(28), new_user("ann"))
        .step(april(1), alert(ann())),
        Case::stacks(
            "late-beyond-memory",
            "the state holds two runs of sightings; an event older than both is late: no alert",
        )
        .step(april(10), new_user("ann"))
        .step(april(28), again("2025-04-10T08:00:00.000Z"))
        .step(stack_text("ann", "2025-03-01T08:00:00Z"), late())
        .step(april(28), repeat(ann(), Some("2025-04-10T08:00:00.000Z"))),
    ]
}

fn query() -> Vec<Case> {
    let event = || stack("ann", "2025-04-01T08:00:00Z");
    let at = |path, value: &str| with(event(), path, json!(value)).to_string();
    vec![
        Case::stacks("stack-set-counts", "CreateStackSet is the query's other action, and the same term")
            .step(at("event/action", "CreateStackSet"), new_user("ann"))
            .step(stack_text("ann", "2025-04-02T08:00:00Z"), seen()),
        Case::stacks(
            "other-events-do-not-count",
            "other actions, services, datasets and failures do not match and are not sightings",
        )
        .step(at("event/action", "DeleteStack"), no_match())
        .step(at("event/action", "createstack"), no_match())
        .step(at("event/provider", "s3.amazonaws.com"), no_match())
        .step(at("event/dataset", "gcp.audit"), no_match())
        .step(at("event/outcome", "failure"), no_match())
        .step(event().to_string(), new_user("ann")),
        Case::stacks(
            "several-values-in-a-field",
            "a field with a list matches if one value does; lists in new-terms fields give all combinations",
        )
        .step(with(event(), "event/action", json!(["Retry", "CreateStack"])).to_string(), new_user("ann"))
        .step(
            with(stack("x", "2025-04-02T08:00:00Z"), "user/name", json!(["bob", "ann", "cyd", "bob"]))
                .to_string(),
            {
                let mut claim = alerts(&[(json!([ACCOUNT, "bob"]), None), (json!([ACCOUNT, "cyd"]), None)]);
                claim.counts.seen = 1;
                claim
            },
        ),
        Case::stacks(
            "missing-user-name",
            "without a user, or with null or an empty list, there is no term: the field is missing, no alert",
        )
        .step(with(event(), "user", json!({})).to_string(), missing("user.name"))
        .step(with(event(), "user/name", json!(null)).to_string(), missing("user.name"))
        .step(with(event(), "user/name", json!([])).to_string(), missing("user.name"))
        .step(with(event(), "cloud", json!({})).to_string(), missing("cloud.account.id"))
        .step(event().to_string(), new_user("ann")),
        Case::stacks(
            "too-many-terms",
            "of 257 users in one event the first 256 in the order of bytes are judged, u99 is not",
        )
        .settings(json!({ "learn_until": "2025-04-02T00:00:00Z" }))
        .step(
            with(event(), "user/name", (0..257).map(|n| format!("u{n}")).collect()).to_string(),
            {
                let mut claim = refused("too_many_terms");
                claim.counts.learned = 256;
                claim
            },
        )
        .step(stack_text("u98", "2025-04-03T08:00:00Z"), seen())
        .step(stack_text("u99", "2025-04-03T08:00:00Z"), new_user("u99")),
    ]
}

/// Calls of five weeks, in order, raw and as ECS. The model alone decides which are new.
fn month() -> Case {
    const DAY_MS: i64 = 86_400_000;
    let mut dice = Dice::new(0x0f15_75ee);
    let mut time_ms = 1_740_000_000_000;
    let mut calls = Vec::new();
    for id in 0..30 {
        // Some at the same second, some days apart, some exactly one window apart.
        time_ms +=
            [0, 1000, DAY_MS / 3, DAY_MS, 2 * DAY_MS, model::WINDOW_MS][dice.roll(6) as usize];
        let name = NAMES[dice.roll(4) as usize];
        let who =
            [Who::User(name), Who::Role(name), Who::User(name), Who::Root][dice.roll(4) as usize];
        calls.push(Call {
            time_ms,
            id,
            who,
            account: ACCOUNTS[dice.roll(2) as usize],
            provider: ["cloudformation.amazonaws.com", "s3.amazonaws.com"]
                [(dice.roll(5) / 4) as usize],
            action: ["CreateStack", "CreateStackSet", "UpdateStack"][dice.roll(3) as usize],
            failed: dice.roll(6) == 0,
            address: "203.0.113.7",
            agent: "aws-cli/2.15",
            stack: "web",
        });
    }
    let term =
        |call: &Call| Some((call.account, call.who.name()?)).filter(|_| call.creates_a_stack());
    let sightings: Vec<_> =
        calls.iter().filter_map(|call| Some((term(call)?, call.time_ms))).collect();
    let mut new = model::batch(&sightings);
    let mut case = Case::stacks(
        "five-weeks",
        "30 calls in order, raw and as ECS: a search over all earlier calls decides which are new",
    );
    for (n, call) in calls.iter().enumerate() {
        let claim = match term(call) {
            None if call.creates_a_stack() => missing("user.name"),
            None => no_match(),
            // The first of several at the same time is the new one.
            Some(term) => match new.iter().position(|(t, at, _)| (*t, *at) == (term, call.time_ms))
            {
                None => seen(),
                Some(at) => {
                    let (_, _, before) = new.remove(at);
                    let before = before.map(firstseen_rule::alert::rfc3339);
                    alerts(&[(json!([term.0, term.1]), before.as_deref())])
                }
            },
        };
        let shape = if n % 2 == 0 { Shape::Raw } else { Shape::Ecs(n as u64 / 2) };
        case = case.step(shape.of(call).to_string(), claim);
    }
    assert!(new.is_empty(), "the model has new terms that are in no step: {new:?}");
    case
}
