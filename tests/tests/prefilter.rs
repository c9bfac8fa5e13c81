//! What passes the prefilter includes all that matches: random rules give the same items with
//! their required literals and without, whatever way the events are written.

use firstseen_abi::Keys;
use firstseen_rule::engine::Framing;
use firstseen_rule::{Engine, Settings};
use firstseen_tests::cases::check;
use firstseen_tests::event::valid;
use firstseen_tests::rules::plan;
use proptest::prelude::*;
use proptest::sample::select;
use std::cell::Cell;

/// Copied, chosen, computed, constant and list fields, and case-changed ones.
const FIELDS: &[&str] = &[
    "event.provider",
    "event.action",
    "event.outcome",
    "event.dataset",
    "event.kind",
    "event.id",
    "event.action.caseless",
    "user.name",
    "user.name.caseless",
    "user.id",
    "related.user",
    "cloud.account.id",
    "cloud.region",
    "source.ip",
    "source.address",
    "source.port",
    "tls.version",
    "tls.cipher",
    "user_agent.original",
    "process.args",
    "aws.cloudtrail.user_identity.type",
    "aws.cloudtrail.request_parameters",
    "aws.cloudtrail.flattened.request_parameters.stackName",
    "aws.cloudtrail.flattened.request_parameters.tags.value",
    "aws.cloudtrail.resources.type",
    "aws.*",
    "data_stream.dataset",
];

/// Values that some event has, in full and in part, escaped for KQL where it has to be.
const VALUES: &[&str] = &[
    "cloudformation.amazonaws.com",
    "CreateStack",
    "createstack",
    "CreateStackSet",
    "\"CreateStack\"",
    "Create*",
    "*Stack*",
    "*",
    "success",
    "failure",
    "event",
    "aws.cloudtrail",
    "alice",
    "ci/deploy",
    "ci/*",
    "\"Bob \\\"B\\\" O'Neil\"",
    "zo\u{eb}",
    "z*",
    "111122223333",
    "1111*",
    "eu-central-1",
    "203.0.113.7",
    "10.0.0.0/8",
    "40001",
    "1.3",
    "*AES*",
    "web",
    "web/blue",
    "*b/b*",
    "\"sta\\\\ck\"",
    "\"db*\"",
    "AssumedRole",
    "*Botocore",
    "AIDAEXAMPLE",
    "\"\"",
];

fn value() -> impl Strategy<Value = String> {
    let one = select(VALUES).prop_map(str::to_owned);
    let list = |word: &'static str| {
        prop::collection::vec(select(VALUES), 2..4)
            .prop_map(move |list| format!("({})", list.join(word)))
    };
    prop_oneof![6 => one, 2 => list(" or "), 1 => list(" and ")]
}

/// A query.
fn query() -> impl Strategy<Value = String> {
    let tags = "aws.cloudtrail.flattened.request_parameters.tags";
    let leaf = prop_oneof![
        8 => (select(FIELDS), value()).prop_map(|(field, value)| format!("{field}: {value}")),
        1 => value().prop_map(move |value| format!("{tags}: {{ key: team and value: {value} }}")),
        1 => Just("source.port >= 40002".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let join = |word: &'static str| {
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(move |parts| format!("({})", parts.join(word)))
        };
        prop_oneof![
            3 => join(" and "),
            2 => join(" or "),
            1 => inner.clone().prop_map(|query| format!("(not {query})")),
        ]
    })
}

/// The rule with this query.
fn rule(number: usize, query: &str, filter: bool) -> String {
    let filter = if filter {
        "[[rule.filters]]\nmeta = { negate = false }\n\
         query.wildcard.\"event.action\" = { value = \"create*\", case_insensitive = true }\n"
    } else {
        ""
    };
    format!(
        "[rule]\nrule_id = \"rule-{number}\"\nname = \"Rule {number}\"\ntype = \"new_terms\"\n\
         severity = \"low\"\nrisk_score = 1\nquery = '''\n{query}\n'''\n\
         new_terms = {{ field = \"new_terms_fields\", value = [\"event.id\"], \
         history_window_start = [{{ field = \"history_window_start\", value = \"now-1d\" }}] }}\n\
         {filter}"
    )
}

/// The items of an engine: what `keys` says of each event, but for its counts.
fn items(engine: &mut Engine, event: &str) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    engine.keys(event.as_bytes(), Framing::One, 0, &mut out).expect("one event");
    let keys = Keys::read(&out).expect("of the engine's own making");
    keys.items().map(|item| item.expect("whole").raw.to_vec()).collect()
}

#[test]
fn nothing_that_matches_is_left_out() {
    let (matched, left_out, searched) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let rules = prop::collection::vec((query(), prop::bool::weighted(0.1)), 1..4);
    let events = prop::collection::vec(valid(), 1..16);
    check(1200, (rules, events), |(rules, events)| {
        let texts: Vec<String> = rules
            .iter()
            .enumerate()
            .map(|(number, (query, filter))| rule(number, query, *filter))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let plan = plan(&texts);
        let mut bare = plan.clone();
        bare.rules.iter_mut().for_each(|rule| rule.literals.clear());
        let clauses: Vec<_> = plan.rules.iter().map(|rule| rule.literals.clone()).collect();
        let prefilter = firstseen_event::Prefilter::new(&clauses);
        let mut with = Engine::new(plan, Settings::default());
        let mut without = Engine::new(bare, Settings::default());
        for event in &events {
            let found = items(&mut without, event);
            prop_assert_eq!(&items(&mut with, event), &found, "literals {:?}\n{}", clauses, event);
            matched.set(matched.get() + found.len());
            let passes = prefilter.passes(event.as_bytes());
            left_out.set(left_out.get() + usize::from(!passes));
            searched.set(searched.get() + usize::from(passes && !prefilter.passes_all()));
        }
        Ok(())
    });
    for (count, what) in [(matched, "matched"), (left_out, "left out"), (searched, "found")] {
        assert!(count.get() > 300, "only {} events were {what}", count.get());
    }
}
