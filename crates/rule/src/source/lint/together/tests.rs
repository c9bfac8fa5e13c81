use super::*;

/// What is found in a rule's query: values with a space between them, before it `!` where it is true of
/// every event, `|` where it is one alternative.
fn found(text: &str) -> Vec<String> {
    found_in(&[(PartKind::Query, text)], true)
}

fn found_in(texts: &[(PartKind, &str)], is_cloudtrail: bool) -> Vec<String> {
    let part = |(kind, text): &(PartKind, &str)| {
        WrittenPart::of_kql(*kind, &At { value: *text, span: 0..text.len() }).unwrap()
    };
    let parts: Vec<WrittenPart> = texts.iter().map(part).collect();
    let terms: Vec<_> =
        [At { value: "user.name", span: 0..0 }].iter().filter_map(is_there).collect();
    let shown = |conflict: &Conflict<'_>| {
        let mark = match conflict.outcome {
            Outcome::NeverMatches => "",
            Outcome::DeadBranch => "|",
            Outcome::AlwaysTrue => "!",
            Outcome::NothingExcepted => "-",
            Outcome::AllExcepted => "all",
            Outcome::RestExcepted => "rest",
            Outcome::NoTerm => "term",
        };
        let goal = |goal: &Goal<'_>| {
            let each: Vec<_> = goal.leaves().iter().map(|leaf| leaf.value.value.clone()).collect();
            each.join("/")
        };
        let goals: Vec<String> = conflict.goals.iter().map(goal).collect();
        format!("{mark}{}", goals.join(" "))
    };
    let is_once = |field: &str| once::is_once(field, is_cloudtrail);
    conflicts(&parts, &terms, &is_once).iter().map(shown).collect()
}

#[test]
fn values_that_exclude_each_other_are_found() {
    for (text, expected) in [
        ("event.action: (A and B)", "A B"),
        ("event.action: A and user.name: x and event.action: \"B\"", "A B"),
        ("x: y or (event.action: A and (event.action: B and c: d))", "|A B"),
        ("event.action: (A* and B)", "A* B"),
        ("event.action: (A* and B*)", "A* B*"),
        ("not (event.action: A or not event.action: (B and C))", "B C"),
        ("not event.action: A or not event.action: B", "!A B"),
        ("not event.action: (A and B)", "!A B"),
        ("x: y and (not event.action: A or z: w or not event.action: B)", "!A B"),
        ("not (not event.action: A or not event.action: B)", "A B"),
        ("event.action: (A or B) and event.action: B", "|A B"),
        ("event.action: A and event.action: (B or C)", "A B/C"),
        ("event.action: (A or B) and event.action: (C or D)", "A/B C/D"),
        ("(event.action: (A or B) or x: y) and event.action: C", "|A/B C"),
        (
            "event.dataset: aws.cloudtrail and event.dataset: okta.system",
            "aws.cloudtrail okta.system",
        ),
        ("aws.cloudtrail.read_only: true and aws.cloudtrail.read_only: false", "true false"),
        ("source.ip >= 10.0.0.9 and source.ip < 10.0.0.1", "10.0.0.9 10.0.0.1"),
        ("@timestamp > 2025-01-01 and @timestamp < 2024-01-01", "2025-01-01 2024-01-01"),
        ("event.action: null", "null"),
        ("not *", ""),
    ] {
        assert_eq!(found(text), [expected], "{text}");
    }
    let each = "event.action: (A and B and C) and eventSource: (x and y)";
    assert_eq!(found(each), ["A B", "x y"]);
}

#[test]
fn what_is_asked_and_refused_is_found_of_any_field() {
    for (text, expected) in [
        ("a.b: A and not a.b: A", "A A"),
        ("a.b: CreateUser and not a.b: Create*", "CreateUser Create*"),
        ("a.b: A and not a.b: *", "A *"),
        ("not (not a.b: A or a.b: A)", "A A"),
        ("a.b: (A or B) and not a.b: (A or B or C)", "A/B A B"),
        ("a.b: (A or B or D) and not a.b: B", "|B B"),
        ("a.b: A or not a.b: A", "!A A"),
        ("a.*: A and not a.*: A", "A A"),
        ("message: word and not message: word", "word word"),
        ("not user.name: * and a: b", "term"),
    ] {
        assert_eq!(found_in(&[(PartKind::Query, text)], false), [expected], "{text}");
    }
}

#[test]
fn values_that_may_be_together_are_left_alone() {
    for text in [
        "event.action: (A or B)",
        "event.action: (A and not B)",
        "event.action: (A and A)",
        "event.action: (A* and *B)",
        "event.action: (A* and AB)",
        "event.action: (* and not (A or B))",
        "event.type: (start and user)",
        "related.user: (a and b)",
        "not event.action: A and not event.action: B",
        "not event.action: (A or B)",
        "event.action: A or (event.action: B and user.name: c)",
        "event.action: A or not event.action: B",
        "event.*: (A and B)",
        "a.b > 5 and a.b < 3",
        "a: { b: A } and not a: { b: A and c: B }",
        "a: { b: A } and a: { not b: A }",
        "*",
        "",
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
    let other = "event.action: (A and B) and host.name: x";
    assert_eq!(found_in(&[(PartKind::Query, other)], false), [""; 0]);
}

#[test]
fn filters_and_exceptions_count() {
    let query = (PartKind::Query, "event.action: (A or B)");
    let filter = |negated, text| (PartKind::Filter { negated }, text);
    let exception = |ends, text| (PartKind::Exception { ends }, text);
    for (part, expected) in [
        (filter(false, "event.action: C"), "A/B C"),
        (filter(true, "event.action: (A or B)"), "A/B A B"),
        (filter(true, "event.action: B"), "|B B"),
        (exception(true, "event.action: C"), "-A/B C"),
        (exception(true, "x: (y and null)"), "-null"),
        (exception(false, "event.action: *"), "all"),
    ] {
        assert_eq!(found_in(&[query, part], true), [expected], "{part:?}");
    }
    for part in [
        filter(false, "event.action: *"),
        exception(false, "event.action: A"),
        exception(true, "event.action: *"),
    ] {
        assert_eq!(found_in(&[query, part], true), [""; 0], "{part:?}");
    }
}

/// Far more alternatives than can be tried: no warning, and an end.
#[test]
fn what_is_too_large_is_given_up() {
    let clause = |n: usize| format!("(a{n}: x or b{n}: y or not c{}: z)", n % 7);
    let large: Vec<String> = (0..400).map(clause).collect();
    assert_eq!(found(&large.join(" and ")), [""; 0]);
    // Each of seven fields can have one of six values, and there are six of them.
    let holes = |n: usize| {
        let each: Vec<_> = (0..6).map(|hole| format!("p{n}{hole}: x")).collect();
        format!("({})", each.join(" or "))
    };
    let apart = (0..8).flat_map(|n| (0..n).map(move |m| (n, m))).flat_map(|(n, m)| {
        (0..6).map(move |hole| format!("not (p{n}{hole}: x and p{m}{hole}: x)"))
    });
    let all: Vec<String> = (0..8).map(holes).chain(apart).collect();
    assert_eq!(found(&all.join(" and ")), [""; 0]);
    let many: Vec<String> = (0..3000).map(|n| format!("v{n}")).collect();
    let many = many.join(" or ");
    assert_eq!(found(&format!("a: ({many}) and not b: ({many})")), [""; 0]);
}

#[test]
fn a_condition_inside_a_not_may_be_there_twice() {
    for text in [
        "event.action: A and not (event.action: A and user.name: ci)",
        "event.provider: x and not (event.provider: x and event.action: Get*)",
        "not (user.name: ci and source.ip: \"10.0.0.0/8\") and user.name: ci",
        "event.action: A and not (event.action: A and not user.name: ci)",
    ] {
        assert_eq!(found(text), Vec::<String>::new(), "{text}");
    }
    assert_eq!(found("event.action: A and (not event.action: A or user.name: ci)"), ["|A A"]);
}

#[test]
fn exceptions_that_leave_nothing_that_can_alert_are_found() {
    let all = |exceptions: &[&str]| {
        let query = [(PartKind::Query, "event.action: A")];
        let exceptions = exceptions.iter().map(|text| (PartKind::Exception { ends: false }, *text));
        found_in(&query.into_iter().chain(exceptions).collect::<Vec<_>>(), true)
    };
    assert_eq!(all(&["user.name: *"]), ["all"]);
    assert_eq!(all(&["user.name: alice", "not user.name: alice"]), ["rest"]);
    assert_eq!(all(&["user.name: alice", "user.name: a*"]), Vec::<String>::new());
    assert_eq!(all(&["source.ip: *"]), Vec::<String>::new());
}
