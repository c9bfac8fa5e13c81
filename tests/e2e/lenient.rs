//! What whoever is logged may choose does not leave an event unjudged: halves of surrogate pairs and
//! numbers larger than a double, in fields that a rule reads and in others.
//!
//! In: tests/fixtures/lenient. Out: whether each event alerts, and what its alert holds.

use crate::support::{repository, run};
use serde_json::{Value, json};

fn alerts(file: &str) -> Vec<Value> {
    let done = run().arg(repository("tests/fixtures/lenient").join(file)).ok();
    assert_eq!(done.count("bad"), 0, "{}", done.stderr);
    done.stdout.lines().map(|line| serde_json::from_str(line).expect("an alert is JSON")).collect()
}

#[test]
fn half_a_surrogate_pair_is_a_replacement_character() {
    // The last two are one term: the names are the same character.
    let alerts = alerts("half-pairs.ndjson");
    let terms = alerts.iter().map(|alert| &alert["kibana.alert.new_terms"]).collect::<Vec<_>>();
    assert_eq!(terms, [&json!(["111122223333", "ann"]), &json!(["111122223333", "bob\u{fffd}"])]);
    assert_eq!(alerts[0]["user_agent"]["original"], "aws-cli/2 \u{fffd}");
    let parameters = &alerts[1]["aws"]["cloudtrail"]["flattened"]["request_parameters"];
    assert_eq!(parameters["stack\u{fffd}Name"], "\u{fffd}x\u{1f600}");
}

#[test]
fn a_number_beyond_doubles_is_its_text() {
    let alerts = alerts("numbers.ndjson");
    let parameters =
        |at: usize| &alerts[at]["aws"]["cloudtrail"]["flattened"]["request_parameters"]["n"];
    assert_eq!(alerts.len(), 2);
    assert_eq!(parameters(0), "1e999");
    assert_eq!(parameters(1)[0], "-1E+400");
    assert_eq!(parameters(1)[1], "9".repeat(400));
}
