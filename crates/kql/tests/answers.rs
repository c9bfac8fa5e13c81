//! The other answers of a query: why, required literals, filters, and the encoded form.

mod common;

use common::{Bound, Event, Item, number, text};
use firstseen_kql::{ExplainedClause, FieldRef, MAX_DEPTH, Query, parse, wildcard};

fn explain(query: &str, event: &Event) -> (bool, Vec<ExplainedClause>) {
    let query = parse(query).unwrap();
    let why = query.explain(&Bound { event, fields: query.fields() });
    (why.matched, why.decided_by)
}

/// The texts of the clauses that decided.
fn reasons(query: &str, event: &Event) -> (bool, Vec<String>) {
    let (matched, clauses) = explain(query, event);
    (matched, clauses.into_iter().map(|clause| clause.text).collect())
}

#[test]
fn explains_what_decided() {
    let event = Event::default()
        .with("a", vec![text("1")])
        .with("b", vec![text("2")])
        .with("n", vec![Item::Object(Event::default().with("x", vec![text("1")]))]);
    let cases: &[(&str, bool, &[&str])] = &[
        ("a:1 and b:2", true, &["a: 1", "b: 2"]),
        ("a:1 and b:3 and c:4", false, &["b: 3", "c: 4"]),
        ("a:1 or b:3", true, &["a: 1"]),
        ("a:0 or b:3", false, &["a: 0", "b: 3"]),
        ("a:0 or b:3 or b:2 or c:1 or a:1", true, &["b: 2", "a: 1"]),
        ("a:(0 or 1)", true, &["a: (0 or 1)"]),
        ("not a:1", false, &["not a: 1"]),
        ("not c:1 and not b:2", false, &["not b: 2"]),
        ("not (a:1 and b:3)", true, &["not b: 3"]),
        ("not (a:1 or b:3)", false, &["not a: 1"]),
        ("not (not a:1)", true, &["a: 1"]),
        ("(a:1 and b:3) or (a:0 and b:2)", false, &["b: 3", "a: 0"]),
        ("n:{x:1} and not n:{x:2}", true, &["n: { x: 1 }", "not n: { x: 2 }"]),
        ("", true, &[]),
    ];
    for (query, matched, texts) in cases {
        let expected = (*matched, texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(reasons(query, &event), expected, "{query}");
    }
}

#[test]
fn explains_with_the_values_found() {
    let long = format!("{}é", "x".repeat(200));
    let event = Event::default()
        .with("many", (0..20).map(|n| number(&n.to_string())).collect())
        .with("long", vec![text(&long)])
        .with("objects", vec![Item::Object(Event::default())]);

    let (_, clauses) = explain("event.action: (CreateStack or CreateStackSet)", &event);
    assert_eq!(
        clauses,
        [ExplainedClause {
            text: "event.action: (CreateStack or CreateStackSet)".to_owned(),
            field: "event.action".to_owned(),
            truth: false,
            found: vec![],
            missing: true,
        }]
    );
    // Where a clause holds, the values that meet it; all values where it does not.
    let found = |query: &str| explain(query, &event).1.remove(0).found;
    assert_eq!(found("many: (19 or 3)"), ["3", "19"]);
    assert_eq!(found("not many: 19"), ["19"]);
    assert_eq!(found("many: 20"), ["0", "1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(found("long: *"), [format!("{}…", "x".repeat(119))]);
    let missing = |query: &str| explain(query, &event).1.remove(0).missing;
    assert!(!missing("objects: { a: 1 }"));
    assert!(missing("others: { a: 1 }"));
    assert!(!missing("many: 20"));
}

#[test]
fn literals_that_every_match_contains() {
    let verbatim = |field: &str, _: &str| field != "event.outcome" && field != "event.dataset";
    let cases: &[(&str, &[&[&str]])] = &[
        (
            "event.dataset:aws.cloudtrail and event.provider:cloudformation.amazonaws.com and \
             event.action:(CreateStack or CreateStackSet) and event.outcome:success",
            &[&["cloudformation.amazonaws.com"], &["CreateStack"]],
        ),
        ("a:x and a:x", &[&["x"]]),
        ("a:(Put* or *Get*Object or abc)", &[&["Put", "abc", "Object"]]),
        ("a:(Put* or ab*)", &[]),
        ("a:Put*Role*Policy", &[&["Role"], &["Policy"]]),
        ("a:Put*Role*", &[&["Put"], &["Role"]]),
        ("a:*aaa*aa*aaaa*", &[&["aaaa"]]),
        ("a:*", &[]),
        ("a:\"\"", &[]),
        ("a:null", &[]),
        ("not a:x", &[]),
        ("a:(* and not x)", &[]),
        ("a:(foo and bar)", &[&["foo"], &["bar"]]),
        ("a:foo or b:bar", &[&["bar", "foo"]]),
        ("a:foo or not b:bar", &[]),
        ("(a:f and b:longest and c:(x or y)) or d:other", &[&["other", "longest"]]),
        ("a:foo or event.outcome:success", &[]),
        ("n:{a:foo and b:(bar or foobar)}", &[&["foo"], &["bar"]]),
        ("event:{outcome:success and action:foo}", &[&["foo"]]),
        ("source.port:443", &[]),
        ("source.ip:10.0.0.1", &[]),
        ("process.interactive:true", &[]),
        ("message:word", &[]),
        ("@timestamp:2024-01-01", &[]),
        ("process.name.caseless:cmd.exe", &[]),
        ("a > 5", &[]),
        ("a*:foo", &[]),
        ("", &[]),
    ];
    for (query, clauses) in cases {
        assert_eq!(parse(query).unwrap().literals(&verbatim), *clauses, "{query}");
    }
    assert!(wildcard("a", "Program*", true).literals(&verbatim).is_empty());
    assert_eq!(wildcard("a", "Program*", false).literals(&verbatim), [["Program"]]);
}

#[test]
fn filters_join_a_query() {
    let filter = wildcard("process.command_line", r"*?:\\Program Files\\*", true);
    let program = |line: &str| {
        Event::default()
            .with("process.name", vec![text("cmd.exe")])
            .with("process.command_line", vec![text(line)])
    };
    let base = || parse("process.name:cmd.exe").unwrap();
    for (query, negate) in
        [(base().and_filter(filter.clone(), true), true), (base().and_filter(filter, false), false)]
    {
        assert_eq!(query.check(), Ok(()));
        assert_eq!(program(r"x C:\PROGRAM FILES\a").matches(&query), !negate);
        assert_eq!(program(r"x C:\Windows\a").matches(&query), negate);
        assert!(!Event::default().matches(&query));
    }
    let joined = |left: &str, right: &str, negate: bool| {
        let query = parse(left).unwrap().and_filter(parse(right).unwrap(), negate);
        assert_eq!(query.check(), Ok(()));
        assert_eq!(parse(&query.to_string()).as_ref(), Ok(&query));
        query.to_string()
    };
    assert_eq!(joined("a:1", "b:2", false), "a: 1 and b: 2");
    assert_eq!(
        joined("a:1 or b:2", "b:2 and a:{b:3}", true),
        "(a: 1 or b: 2) and not (b: 2 and a: { b: 3 })"
    );
    assert_eq!(joined("a:1 and b:2", "c:2 and a:3", false), "a: 1 and b: 2 and c: 2 and a: 3");
    assert_eq!(joined("", "a:1", true), "not a: 1");
    assert_eq!(joined("a:1", "", false), "a: 1");
    assert_eq!(joined("a:1", "", true), "a: 1 and not *");
    assert_eq!(
        wildcard("a", r"?x\**", true).to_string(),
        r"a: /?x\**/i",
        "what KQL cannot say is shown in a way of its own"
    );
}

#[test]
fn fields_of_filters_are_shared() {
    let query = parse("b:1 and n:{b:{c:1}}").unwrap();
    let query = query.and_filter(parse("a:1 and n:{b:{c:1}} and b:2").unwrap(), false);
    let names: Vec<&FieldRef> = query.fields().iter().collect();
    assert_eq!(names.len(), 3);
    assert_eq!(
        query.to_string(),
        "b: 1 and n: { b: { c: 1 } } and a: 1 and n: { b: { c: 1 } } and b: 2"
    );
}

#[test]
fn the_encoded_form_reads_back() {
    let query = parse(
        "a:(b or c*) and not d:{e:1 and f:{g:*}} and source.port >= 5 and source.ip:10.0.0.0/8 \
         and @timestamp < 2024 and message:\"x y\" and message:z* and h*:null",
    )
    .unwrap()
    .and_filter(wildcard("i", "?j", true), true);
    let bytes = postcard::to_allocvec(&query).unwrap();
    assert_eq!(postcard::from_bytes::<Query>(&bytes).unwrap(), query);
    for cut in 0..bytes.len() {
        assert!(postcard::from_bytes::<Query>(&bytes[..cut]).is_err());
    }
}

#[test]
fn decoding_deep_nesting_is_an_error() {
    // Fields: 100,000 levels of `Nested("", 1)`; no nodes.
    let mut bytes = vec![0xa0, 0x8d, 0x06];
    bytes.extend([2, 0, 1].repeat(100_000));
    bytes.push(0);
    assert!(postcard::from_bytes::<Query>(&bytes).is_err());
    // Nodes: 100,000 levels of `Not`, each with a length that fits.
    let mut bytes = vec![0, 0xa1, 0x8d, 0x06];
    for below in (1..=100_000_u32).rev() {
        bytes.push(3);
        bytes.extend(postcard::to_allocvec(&below).unwrap());
    }
    bytes.push(0);
    let error = postcard::from_bytes::<Query>(&bytes).unwrap_err();
    assert_eq!(error, postcard::Error::SerdeDeCustom);
}

#[test]
fn the_deepest_query_works_everywhere() {
    // Each level brings an `or`, an `and` and a `not`.
    let open = "a:1 or b:2 and not (".repeat(MAX_DEPTH);
    let query = parse(&format!("{open}c:3{}", ")".repeat(MAX_DEPTH))).unwrap();
    let query = query.and_filter(parse("c:4 and d:5").unwrap(), true);
    assert_eq!(query.check(), Ok(()));
    let event = Event::default().with("b", vec![text("2")]);
    // `a` is false and `b` true, so that each level is the opposite of the next; 200 of them.
    assert!(!event.matches(&query));
    assert!(event.with("c", vec![text("3")]).matches(&query));
    assert_eq!(query.literals(&|_, _| true), [["1", "2"]]);
    let bytes = postcard::to_allocvec(&query).unwrap();
    assert_eq!(postcard::from_bytes::<Query>(&bytes).unwrap(), query);

    // Brackets and braces together, as deep as each may go.
    let (braces, brackets) = (16, MAX_DEPTH - 16);
    let text = format!(
        "{}{}c:3{}{}",
        "a:1 or b:2 and not n:{".repeat(braces),
        "a:1 or b:2 and not (".repeat(brackets),
        ")".repeat(brackets),
        "}".repeat(braces),
    );
    let query = parse(&text).unwrap().and_filter(parse("c:4 and d:5").unwrap(), true);
    assert_eq!(query.check(), Ok(()));
    let bytes = postcard::to_allocvec(&query).unwrap();
    assert_eq!(postcard::from_bytes::<Query>(&bytes).unwrap(), query);
}
