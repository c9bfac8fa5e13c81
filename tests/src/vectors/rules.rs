//! Rules other than the flagship: several fields, lists, numbers, dates, nested objects, filters,
//! the rule's own exceptions, another field for the time, and packs.

use super::case::{
    ACCOUNT, Case, Claim, STACKS, alert, alerts, bad, excepted, missing, new_user, no_match,
    other_index, repeat, seen, stack, stack_text, with,
};
use serde_json::{Value, json};

/// The cases of this module.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = vec![three_fields(), lists(), numbers(), nested(), filters(), own_exceptions()];
    cases.extend([
        wildcard(),
        caseless(),
        not(),
        dates(),
        event_time(),
        pack(),
        pack_with_faults(),
        index_patterns(),
        any_index(),
    ]);
    cases
}

fn at(time: &str) -> Value {
    stack("ann", time)
}

/// A hit with an event out of this index.
fn hit(index: &str, user: &str) -> String {
    let source = stack(user, "2025-04-01T08:00:00Z");
    json!({ "_index": index, "_id": "1", "_source": source }).to_string()
}

/// An event of a data stream.
fn stream(dataset: &str, namespace: &str, user: &str) -> Value {
    let stream = json!({ "type": "logs", "dataset": dataset, "namespace": namespace });
    with(stack(user, "2025-04-01T08:00:00Z"), "data_stream", stream)
}

fn index_patterns() -> Case {
    let in_hit = json!({
        "_index": "filebeat-8.17.0", "_source": stream("aws.guardduty", "default", "dan"),
    });
    Case::of(
        "index-patterns",
        "an event that names an index counts where the rule's patterns cover it",
        &["tests/rules/indices.toml"],
    )
    .step(hit("logs-aws.guardduty-default", "ann"), other_index())
    .step(
        hit("prod:.ds-logs-aws.cloudtrail-default-2025.04.01-000007", "ann"),
        alert(json!(["ann"])),
    )
    .step(hit(".ds-logs-aws.cloudtrail-test-2025.04.01-000007", "bob"), other_index())
    .step(stream("aws.cloudtrail", "test", "bob").to_string(), other_index())
    .step(stream("aws.cloudtrail", "prod", "bob").to_string(), alert(json!(["bob"])))
    .step(stack_text("cyd", "2025-04-01T08:00:00Z"), alert(json!(["cyd"])))
    // The hit says where it is, whatever is in it.
    .step(in_hit.to_string(), alert(json!(["dan"])))
    // The index is no part of an event: this is the same one.
    .step(hit("filebeat-8.17.0", "ann"), repeat(json!(["ann"]), None))
}

fn any_index() -> Case {
    Case::of(
        "any-index",
        "a setting turns the rule's index patterns off",
        &["tests/rules/indices.toml"],
    )
    .settings(json!({ "any_index": true }))
    .step(hit("logs-aws.guardduty-default", "ann"), alert(json!(["ann"])))
}

fn three_fields() -> Case {
    let ip = |time: &str, ip: &str| with(at(time), "source", json!({ "ip": ip })).to_string();
    Case::of(
        "three-fields",
        "a term of three values, and a window of 5 days",
        &["tests/rules/three_fields.toml"],
    )
    .step(ip("2025-04-01T08:00:00Z", "10.0.0.1"), alert(json!([ACCOUNT, "ann", "10.0.0.1"])))
    .step(ip("2025-04-06T08:00:00Z", "10.0.0.1"), seen())
    .step(ip("2025-04-06T08:00:01Z", "2001:db8::7"), alert(json!([ACCOUNT, "ann", "2001:db8::7"])))
    .step(
        ip("2025-04-11T08:00:00.001Z", "10.0.0.1"),
        alerts(&[(json!([ACCOUNT, "ann", "10.0.0.1"]), Some("2025-04-06T08:00:00.000Z"))]),
    )
    .step(at("2025-04-12T08:00:00Z").to_string(), missing("source.ip"))
}

fn lists() -> Case {
    let event = |time: &str, users: Value, args: Value| {
        let event = with(at(time), "related", json!({ "user": users }));
        with(event, "process", json!({ "args": args })).to_string()
    };
    let terms = |pairs: &[(&str, &str)], known: u32| {
        let terms: Vec<_> = pairs.iter().map(|(a, b)| (json!([a, b]), None)).collect();
        let mut claim = alerts(&terms);
        claim.counts.seen = known;
        claim
    };
    Case::of(
        "lists-of-terms",
        "two fields with lists: all combinations, each once",
        &["tests/rules/arrays.toml"],
    )
    .step(
        event("2025-04-01T08:00:00Z", json!(["a", "b", "a"]), json!(["x", "y"])),
        terms(&[("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")], 0),
    )
    .step(event("2025-04-02T08:00:00Z", json!(["b", "c"]), json!("y")), terms(&[("c", "y")], 1))
    .step(event("2025-04-04T08:00:00Z", json!([]), json!(["x"])), missing("related.user"))
}

fn numbers() -> Case {
    let port =
        |time: &str, port: Value| with(at(time), "source", json!({ "port": port })).to_string();
    Case::of(
        "numbers",
        "a numeric field in the query and as the term",
        &["tests/rules/numbers.toml"],
    )
    .step(port("2025-04-01T08:00:00Z", json!(40_000)), no_match())
    .step(port("2025-04-01T08:00:00Z", json!(40_001)), alert(json!([40_001])))
    .step(port("2025-04-01T09:00:00Z", json!(40_003)), no_match())
    .step(port("2025-04-01T10:00:00Z", json!("40001")), seen())
}

fn nested() -> Case {
    let tags = |time: &str, tags: Value| {
        let flattened = json!({ "flattened": { "request_parameters": { "tags": tags } } });
        with(at(time), "aws", json!({ "cloudtrail": flattened })).to_string()
    };
    let team = |value: &str| json!({ "key": "team", "value": value });
    Case::of(
        "nested-query",
        "a nested query must match within one object of a list",
        &["tests/rules/nested.toml"],
    )
    .step(
        tags("2025-04-01T08:00:00Z", json!([team("db"), { "key": "cost", "value": "web" }])),
        no_match(),
    )
    .step(tags("2025-04-01T08:00:00Z", json!([team("web-1")])), alert(json!(["web-1"])))
    .step(
        tags("2025-04-02T08:00:00Z", json!([team("web-1"), { "key": "cost", "value": "17" }])),
        {
            let mut claim = alert(json!(["17"]));
            claim.counts.seen = 1;
            claim
        },
    )
}

fn filters() -> Case {
    let agent = |time: &str, agent: &str| {
        with(at(time), "user_agent", json!({ "original": agent })).to_string()
    };
    Case::of(
        "filters",
        "a negated wildcard filter that ignores case",
        &["tests/rules/filters.toml"],
    )
    .step(agent("2025-04-01T08:00:00Z", "AWS-CLI/2.15"), no_match())
    .step(agent("2025-04-01T08:00:00Z", "Terraform/1.7"), alert(json!(["ann"])))
    .step(stack_text("ann", "2025-04-02T08:00:00Z"), seen())
}

fn own_exceptions() -> Case {
    let ip = |event: Value, ip: &str| with(event, "source", json!({ "ip": ip })).to_string();
    let update = |user: &str| {
        with(stack(user, "2025-04-01T08:00:00Z"), "event/action", json!("UpdateStack"))
    };
    Case::of(
        "exceptions-of-the-rule",
        "exceptions in the rule's file",
        &["tests/rules/exceptions.toml"],
    )
    .step(stack_text("bob", "2025-03-10T23:59:59Z"), excepted())
    .step(stack_text("bob", "2025-03-11T00:00:00Z"), alert(json!(["bob"])))
    .step(ip(stack("cyd", "2025-04-01T08:00:00Z"), "10.200.0.1"), excepted())
    .step(ip(update("cyd"), "10.200.0.1"), alert(json!(["cyd"])))
    .step(stack_text("alice", "2025-04-01T08:00:00Z"), excepted())
}

fn wildcard() -> Case {
    let agent = |time: &str, action: &str, agent: &str| {
        let event = with(at(time), "event/action", json!(action));
        with(event, "user_agent", json!({ "original": agent })).to_string()
    };
    Case::of("wildcards", "patterns at both ends of a value", &["tests/rules/wildcard.toml"])
        .step(
            agent("2025-04-01T08:00:00Z", "ConsoleLogin", "my-aws-tool"),
            alert(json!(["my-aws-tool"])),
        )
        .step(agent("2025-04-01T08:00:01Z", "CreateBucket", "my-aws-tool"), seen())
        .step(agent("2025-04-01T08:00:02Z", "LoginConsole", "my-aws-tool"), no_match())
        .step(agent("2025-04-01T08:00:03Z", "CreateBucket", "boto"), no_match())
}

fn caseless() -> Case {
    let action =
        |time: &str, action: &str| with(at(time), "event/action", json!(action)).to_string();
    Case::of(
        "caseless-field",
        "a query that ignores case; the terms keep their case",
        &["tests/rules/caseless.toml"],
    )
    .step(action("2025-04-01T08:00:00Z", "CREATEstack"), alert(json!(["CREATEstack", ACCOUNT])))
    .step(action("2025-04-01T09:00:00Z", "createstack"), alert(json!(["createstack", ACCOUNT])))
    .step(action("2025-04-01T10:00:00Z", "CREATEstack"), seen())
}

fn not() -> Case {
    let kind = |user: &str, time: &str, kind: &str| {
        let identity = json!({ "cloudtrail": { "user_identity": { "type": kind } } });
        with(stack(user, time), "aws", identity).to_string()
    };
    Case::of("not", "negations of lists and of brackets", &["tests/rules/not.toml"])
        .step(kind("alice", "2025-04-01T08:00:00Z", "IAMUser"), no_match())
        .step(kind("ci-2", "2025-04-01T08:00:00Z", "IAMUser"), no_match())
        .step(kind("bob", "2025-04-01T08:00:00Z", "Root"), no_match())
        .step(kind("bob", "2025-04-01T08:00:00Z", "IAMUser"), alert(json!(["IAMUser", "bob"])))
        .step(kind("bob", "2025-04-15T08:00:00Z", "IAMUser"), seen())
}

fn dates() -> Case {
    let event = |time: &str| with(at(time), "event/kind", json!("event")).to_string();
    Case::of(
        "dates",
        "a date in the query, and a time in milliseconds as the term",
        &["tests/rules/date.toml"],
    )
    .step(event("2025-02-24T23:59:59.999Z"), no_match())
    .step(event("2025-02-25T00:00:00Z"), alert(json!([1_740_441_600_000_i64])))
    .step(event("2025-02-25T00:00:00Z"), repeat(json!([1_740_441_600_000_i64]), None))
}

/// The rule's `timestamp_override` is `event.ingested`.
fn event_time() -> Case {
    let ingested = |user: &str, time: &str, at: Value| {
        with(stack(user, time), "event/ingested", at).to_string()
    };
    let mut case = Case::stacks(
        "event-time-override",
        "built with --event-time timestamp_override: the time is event.ingested if an event has it",
    )
    .step(ingested("ann", "2025-04-01T08:00:00Z", json!("2025-04-20T08:00:00Z")), new_user("ann"))
    .step(ingested("ann", "2025-04-05T08:00:00Z", json!("2025-04-30T08:00:00Z")), seen())
    .step(stack_text("bob", "2025-04-01T08:00:00Z"), new_user("bob"))
    .step(ingested("bob", "2025-04-02T08:00:00Z", json!("soon")), bad("bad_time"));
    case.timestamp_override = true;
    case
}

const PACK: [&str; 3] = [STACKS, "tests/rules/three_fields.toml", "tests/rules/caseless.toml"];

fn pack() -> Case {
    let event = |time: &str| with(at(time), "source", json!({ "ip": "10.0.0.1" })).to_string();
    let s3 = with(at("2025-04-04T08:00:00Z"), "event/provider", json!("s3.amazonaws.com"));
    Case::of(
        "pack-of-three",
        "three rules in one artifact: each has its own term, window and alert",
        &PACK,
    )
    .step(
        event("2025-04-01T08:00:00Z"),
        new_user("ann")
            .and(alert(json!([ACCOUNT, "ann", "10.0.0.1"])))
            .and(alert(json!(["CreateStack", ACCOUNT]))),
    )
    // Windows of 10, 5 and 1 days.
    .step(
        event("2025-04-03T08:00:00Z"),
        seen().and(seen()).and(again(json!(["CreateStack", ACCOUNT]), "2025-04-01T08:00:00.000Z")),
    )
    .step(with(s3, "source", json!({ "ip": "10.0.0.1" })).to_string(), seen())
    .step(
        event("2025-04-10T08:00:00Z"),
        seen()
            .and(again(json!([ACCOUNT, "ann", "10.0.0.1"]), "2025-04-04T08:00:00.000Z"))
            .and(again(json!(["CreateStack", ACCOUNT]), "2025-04-03T08:00:00.000Z")),
    )
}

fn again(terms: Value, previous: &str) -> Claim {
    alerts(&[(terms, Some(previous))])
}

fn pack_with_faults() -> Case {
    let event = at("2025-04-01T08:00:00Z");
    Case::of(
        "pack-partly-missing",
        "a field of one rule is missing from the event, and another rule alerts: both are reported",
        &PACK,
    )
    .step(
        event.to_string(),
        new_user("ann").and(missing("source.ip")).and(alert(json!(["CreateStack", ACCOUNT]))),
    )
    .step("{\"event\":", bad("bad_json"))
}
