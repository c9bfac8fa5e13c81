//! Settings of a host: exceptions, learning, the tenant, and clocks.

use super::case::{
    ACCOUNT, Case, STACKS_ID, excepted, learned, new_user, refused, repeat, seen, stack,
    stack_text, with,
};
use serde_json::json;

/// 2025-04-01T08:00:00Z.
const NOON_MS: i64 = 1_743_494_400_000;
const HOUR_MS: i64 = 3_600_000;

/// The cases of this module.
#[must_use]
pub fn cases() -> Vec<Case> {
    let april = |user: &str, day: u32| stack_text(user, &format!("2025-04-{day:02}T08:00:00Z"));
    let exception = |exception| json!({ "exceptions": [exception] });
    vec![
        Case::stacks("excepted-by-query", "an exception in KQL excludes events; they are not sightings")
            .settings(exception(json!({ "name": "pipeline", "query": "user.name: ci-*" })))
            .step(april("ci-7", 1), excepted())
            .step(april("ci", 1), new_user("ci"))
            .step(april("ci-7", 2), excepted()),
        Case::stacks(
            "excepted-by-fields-until",
            "an exception with fields that expires by the event's time, at the end of the day",
        )
        .settings(exception(json!({
            "name": "vendor", "reason": "moves our accounts", "expires": "2025-04-02",
            "fields": { "user.name": ["terraform", "packer"], "cloud.account.id": ACCOUNT },
        })))
        .step(april("terraform", 1), excepted())
        .step(stack_text("packer", "2025-04-02T23:59:59.999Z"), excepted())
        .step(stack_text("packer", "2025-04-03T00:00:00Z"), new_user("packer"))
        .step(
            with(stack("terraform", "2025-04-01T09:00:00Z"), "cloud/account/id", json!("444455556666"))
                .to_string(),
            super::case::alert(json!(["444455556666", "terraform"])),
        ),
        Case::stacks("excepted-by-entries", "an exception with entries: all of them must be true")
            .settings(exception(json!({ "name": "entries", "entries": [
                { "field": "user.name", "type": "wildcard", "operator": "included", "value": "*-bot" },
                { "field": "source.ip", "type": "exists", "operator": "excluded" },
            ] })))
            .step(april("a-bot", 1), excepted())
            .step(
                with(stack("b-bot", "2025-04-01T08:00:00Z"), "source", json!({ "ip": "10.0.0.1" })).to_string(),
                new_user("b-bot"),
            ),
        Case::stacks("exception-of-another-rule", "an exception applies only to the rules that it names")
            .settings(json!({ "exceptions": [
                { "name": "not ours", "rule_id": "00000000-0000-4000-8000-000000000001", "query": "user.name: *" },
                { "name": "ours", "rules": [STACKS_ID], "query": "user.name: bob" },
            ] }))
            .step(april("ann", 1), new_user("ann"))
            .step(april("bob", 1), excepted()),
        Case::stacks(
            "learning",
            "a term that is new during learning is stored and does not alert, even if the event comes again",
        )
        .settings(json!({ "learn_until": "2025-04-10T00:00:00Z" }))
        .step(april("ann", 1), learned())
        .step(april("ann", 1), seen())
        .step(april("ann", 9), seen())
        .step(april("ann", 19), seen())
        .step(april("bob", 9), learned())
        .step(stack_text("cyd", "2025-04-10T00:00:00Z"), new_user("cyd"))
        .step(april("bob", 20), super::case::alerts(&[(json!([ACCOUNT, "bob"]), Some("2025-04-09T08:00:00.000Z"))])),
        Case::stacks("tenant", "a tenant's state has its own keys; the alert is the same")
            .settings(json!({ "tenant": "acme" }))
            .step(april("ann", 1), new_user("ann"))
            .step(april("ann", 2), seen()),
        Case::stacks(
            "future-event",
            "dated more than an hour after the host's clock: refused and not stored",
        )
        .step_at(stack_text("ann", "2025-04-01T09:00:00.001Z"), NOON_MS, refused("future_event"))
        .step_at(stack_text("ann", "2025-04-01T09:00:00Z"), NOON_MS, new_user("ann"))
        .step_at(stack_text("bob", "2099-01-01T00:00:00Z"), NOON_MS, refused("future_event"))
        .step_at(stack_text("bob", "2025-04-01T08:00:00Z"), NOON_MS, new_user("bob")),
        Case::stacks("future-slack", "a setting limits how far ahead an event may be dated")
            .settings(json!({ "future_slack": "5m" }))
            .step_at(stack_text("ann", "2025-04-01T08:05:00.001Z"), NOON_MS, refused("future_event"))
            .step_at(stack_text("ann", "2025-04-01T08:05:00Z"), NOON_MS, new_user("ann"))
            .step_at(stack_text("ann", "2025-04-01T08:05:00.001Z"), NOON_MS + HOUR_MS, seen()),
        Case::stacks("no-clock", "a host without a clock gives 0: no date is too late")
            .step(stack_text("ann", "2099-01-01T00:00:00Z"), new_user("ann"))
            .step(stack_text("ann", "2099-01-01T00:00:00Z"), repeat(json!([ACCOUNT, "ann"]), None)),
    ]
}
