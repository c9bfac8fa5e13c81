//! The prefilter passes every match: random rules give the same items with and without their
//! required literals, however the events are written. And an engine with many rules, which looks up
//! the rules that an event may match, gives the items that each rule gives alone.

use firstseen_abi::Keys;
use firstseen_rule::engine::Framing;
use firstseen_rule::{Engine, Settings};
use firstseen_tests::cases::check;
use firstseen_tests::event::valid;
use firstseen_tests::rules::plan;
use proptest::prelude::*;
use proptest::sample::select;
use std::cell::Cell;

/// Copied, selected, computed, constant and list fields, and caseless ones; each with values of
/// some event, in full and in part.
const FIELDS: &[(&str, &[&str])] = &[
    ("event.provider", &["cloudformation.amazonaws.com", "cloud*", "*amazonaws*"]),
    (
        "event.action",
        &["CreateStack", "CreateStackSet", "Create*", "Create*Stack*", "\"CreateStack\""],
    ),
    ("event.action.caseless", &["createstack", "createstackset", "create*", "CreateStack"]),
    ("event.outcome", &["success", "failure", "succ*"]),
    ("event.dataset", &["aws.cloudtrail", "*cloudtrail"]),
    ("event.kind", &["event"]),
    ("event.type", &["info"]),
    ("event.category", &["authentication", "*cation"]),
    ("cloud.service.name", &["cloudformation", "s3"]),
    ("service.name", &["cloudformation.amazonaws.com"]),
    ("user.email", &["*@example.com"]),
    ("event.id", &["*0000-4000*"]),
    ("user.name", &["alice", "ci/deploy", "ci/*", "\"Bob \\\"B\\\" O'Neil\"", "zo\u{eb}", "z*"]),
    ("user.name.caseless", &["ALICE", "alice", "ci/*"]),
    ("user.id", &["AIDAEXAMPLE"]),
    ("related.user", &["AIDAEXAMPLE", "alice", "ci/deploy", "session"]),
    ("related.entity", &["\"arn:aws:x\"", "alice", "*\\:role/r"]),
    ("related.ip", &["203.0.113.7"]),
    ("user.entity.id", &["\"arn:aws:iam::1:role/r\"", "*role/r"]),
    ("cloud.account.id", &["111122223333", "1111*"]),
    ("cloud.region", &["eu-central-1"]),
    ("source.ip", &["203.0.113.7", "203.0.0.0/20", "10.0.0.0/8", "\"2001:db8::7\""]),
    ("source.address", &["203.0.113.7", "cloudformation.amazonaws.com", "2001*"]),
    ("source.port", &["40001", "443"]),
    ("tls.version", &["1.3", "TLSv1.3"]),
    ("tls.version_protocol", &["tls"]),
    ("tls.cipher", &["TLS_AES_128_GCM_SHA256", "*AES*"]),
    ("user_agent.original", &["*Botocore", "\"aws-cli/2.15 md/Botocore\"", "Terraform*"]),
    ("process.args", &["web", "web/blue", "*b/b*", "\"sta\\\\ck\"", "\"db*\""]),
    ("aws.cloudtrail.user_identity.type", &["AssumedRole", "IAMUser", "*User"]),
    ("aws.cloudtrail.request_parameters", &["*stackName=web*", "*tags=*"]),
    ("aws.cloudtrail.request_parameters.text", &["stackName", "\"tags key\""]),
    ("aws.cloudtrail.flattened.request_parameters", &["web", "team", "*e*"]),
    (STACK, &["web", "web/blue", "*b/b*", "\"sta\\\\ck\"", "\"db*\"", "none"]),
    ("aws.cloudtrail.flattened.request_parameters.tags.value", &["web", "17"]),
    ("aws.cloudtrail.resources.type", &["\"AWS::CloudFormation::Stack\""]),
    ("aws.*", &["web", "AssumedRole", "aws.cloudtrail"]),
    ("data_stream.dataset", &["aws.cloudtrail"]),
];

const STACK: &str = "aws.cloudtrail.flattened.request_parameters.stackName";

/// Values of any field or of none.
const OTHERS: &[&str] = &["*", "\"\"", "CreateStack", "alice", "nobody", "443", "true"];

/// A clause of one field.
fn is() -> impl Strategy<Value = String> {
    let lone = prop_oneof![4 => Just(""), 1 => Just(" or "), 1 => Just(" and ")];
    (select(FIELDS), any::<(usize, usize)>(), lone, select(OTHERS), 0..8u8).prop_map(
        |((field, values), (one, two), join, other, odd)| {
            let one = if odd == 0 { other } else { values[one % values.len()] };
            let two = if odd == 1 { other } else { values[two % values.len()] };
            match join {
                "" => format!("{field}: {one}"),
                join => format!("{field}: ({one}{join}{two})"),
            }
        },
    )
}

/// A query.
fn query() -> impl Strategy<Value = String> {
    let tags = "aws.cloudtrail.flattened.request_parameters.tags";
    let leaf = prop_oneof![
        12 => is(),
        1 => select(&["web", "web*", "*", "(web or 17)"][..])
            .prop_map(move |value| format!("{tags}: {{ key: team and value: {value} }}")),
        1 => Just("source.port >= 40002".to_owned()),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let join = |word: &'static str| {
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(move |parts| format!("({})", parts.join(word)))
        };
        prop_oneof![
            3 => join(" and "),
            3 => join(" or "),
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

/// The items of `keys` for an event, without the counts and without what is no event: that is named
/// only of what is read.
fn items(engine: &mut Engine, event: &str) -> Vec<Vec<u8>> {
    const NO_EVENTS: u8 = 5;
    let mut out = Vec::new();
    engine.keys(event.as_bytes(), Framing::One, 0, &mut out).expect("one event");
    let keys = Keys::read(&out).expect("the engine's own layout");
    let items = keys.items().map(|item| item.expect("whole").raw.to_vec());
    items.filter(|item| item[4] != NO_EVENTS).collect()
}

#[test]
fn prefilter_drops_no_match() {
    let (matched, left_out, hidden) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let rules = prop::collection::vec((query(), prop::bool::weighted(0.1)), 1..3);
    let events = prop::collection::vec(valid(), 8..16);
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
            left_out.set(left_out.get() + usize::from(!prefilter.passes(event.as_bytes())));
            let plain = clauses.iter().any(|clauses| {
                clauses.iter().all(|clause| clause.iter().any(|text| event.contains(text.as_str())))
            });
            hidden.set(hidden.get() + usize::from(!plain && !found.is_empty()));
        }
        Ok(())
    });
    for (count, what) in
        [(matched, "matched"), (left_out, "skipped"), (hidden, "found in an escaped spelling")]
    {
        assert!(count.get() > 100, "only {} events were {what}", count.get());
    }
}

/// In flattened objects numbers are spelled as Java does, which the event's text need not.
#[test]
fn prefilter_drops_no_number_that_is_spelled_in_another_way() {
    let field = "aws.cloudtrail.flattened.request_parameters.rate";
    for (written, value) in [
        ("1e2", "100.0"),
        ("1e2", "*00.0"),
        ("1688560107.857", "1.688560107857E9"),
        ("1688560107.857", "*857E9"),
        ("0.00012", "1.2E-4"),
        ("443", "443"),
    ] {
        let event = format!(
            r#"{{"eventVersion":"1.08","eventTime":"2025-03-06T10:12:00Z","eventSource":"s","eventName":"n","eventID":"e","requestParameters":{{"rate":{written}}}}}"#
        );
        let plan = plan(&[&rule(0, &format!("{field}: {value}"), false)]);
        let clauses: Vec<_> = plan.rules.iter().map(|rule| rule.literals.clone()).collect();
        let prefilter = firstseen_event::Prefilter::new(&clauses);
        assert!(prefilter.passes(event.as_bytes()), "{value} in {event}: {clauses:?}");
        let mut engine = Engine::new(plan, Settings::default());
        assert_eq!(items(&mut engine, &event).len(), 1, "{value} in {event}");
    }
}

/// An engine with one rule of a plan and without its literals, so that it evaluates every event.
fn alone(plan: &firstseen_rule::Plan, rule: usize) -> Engine {
    let mut rule = plan.rules[rule].clone();
    rule.literals.clear();
    Engine::new(firstseen_rule::Plan { rules: vec![rule] }, Settings::default())
}

#[test]
fn many_rules_give_the_items_of_each_alone() {
    const BAD: u8 = 3;
    let (matched, several, bad) = (Cell::new(0), Cell::new(0), Cell::new(0));
    // With 65 rules and more, the index has more than one word of bits.
    let count = prop_oneof![3 => 4..12usize, 1 => 60..70usize];
    let rules = count
        .prop_flat_map(|count| prop::collection::vec((query(), prop::bool::weighted(0.1)), count));
    let events = prop::collection::vec(valid(), 8..16);
    check(300, (rules, events), |(rules, events)| {
        let texts: Vec<String> = rules
            .iter()
            .enumerate()
            .map(|(number, (query, filter))| rule(number, query, *filter))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let plan = plan(&texts);
        let mut singles: Vec<Engine> = (0..rules.len()).map(|rule| alone(&plan, rule)).collect();
        let mut pack = Engine::new(plan, Settings::default());
        for event in &events {
            let mut expected = Vec::new();
            for (number, single) in singles.iter_mut().enumerate() {
                for mut item in items(single, event) {
                    if item[4] == BAD {
                        // Each rule that reads the time has the same error: the pack reports it
                        // once.
                        expected = vec![item];
                        continue;
                    }
                    item[6..8].copy_from_slice(&(number as u16).to_le_bytes());
                    expected.push(item);
                }
                if expected.first().is_some_and(|item| item[4] == BAD) {
                    bad.set(bad.get() + 1);
                    break;
                }
            }
            prop_assert_eq!(&items(&mut pack, event), &expected, "{:?}", &rules);
            matched.set(matched.get() + usize::from(!expected.is_empty()));
            several.set(several.get() + usize::from(expected.len() > 1));
        }
        Ok(())
    });
    for (count, what) in
        [(matched, "matched"), (several, "matched by several rules"), (bad, "without a time")]
    {
        assert!(count.get() > 100, "only {} events were {what}", count.get());
    }
}
