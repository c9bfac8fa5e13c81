//! What matches, as a table: each row of the language's meaning, by type of field.

mod common;

use common::{Event, Item, number, text};
use firstseen_kql::parse;

/// Queries on one field `f` with some values, and whether they match.
fn check(field: &str, cases: &[(&str, &[Item], bool)]) {
    for (values, items, expected) in cases {
        let query = parse(&format!("{field}{values}")).unwrap_or_else(|error| panic!("{error}"));
        let event = Event::default().with(field, items.to_vec());
        assert_eq!(event.matches(&query), *expected, "{query} on {items:?}");
    }
}

#[test]
fn exists() {
    check(
        "f",
        &[
            (":*", &[text("")], true),
            (":*", &[text("x")], true),
            (":*", &[Item::Bool(false)], true),
            (":*", &[number("0")], true),
            (":*", &[Item::Null], false),
            (":*", &[], false),
            (":*", &[Item::Null, text("x")], true),
            (":\"*\"", &[text("x")], false),
            (":\"*\"", &[text("*")], true),
        ],
    );
    assert!(!Event::default().matches(&parse("f:*").unwrap()));
}

#[test]
fn keywords_are_exact_and_case_sensitive() {
    let long = "x".repeat(1_025);
    check(
        "f",
        &[
            (":v", &[text("v")], true),
            (":v", &[text("V")], false),
            (":v", &[text("vv")], false),
            (":v", &[text("u"), text("v")], true),
            (":bar baz", &[text("bar baz")], true),
            (":\"\"", &[text("")], true),
            (":\"\"", &[text(" ")], false),
            (":\"\\u0000\"", &[text("\0")], true),
            (":*", &[text(&long)], true),
            (":x*", &[text(&long)], true),
            // JSON numbers and booleans by their written text.
            (":443", &[number("443")], true),
            (":\"443\"", &[number("443")], true),
            (":443", &[number("443.0")], false),
            (":true", &[Item::Bool(true)], true),
            (":true", &[text("true")], true),
            (":\"true\"", &[Item::Bool(true)], true),
            (":TRUE", &[Item::Bool(true)], false),
            // The word `null` is text between quotes only, and nothing equals null.
            (":null", &[Item::Null], false),
            (":null", &[text("null")], false),
            (":\"null\"", &[text("null")], true),
        ],
    );
    // The twin of a keyword: values come in lower case, literals are taken in lower case.
    check(
        "process.name.caseless",
        &[
            (":cmd.exe", &[text("cmd.exe")], true),
            (":Cmd.exe", &[text("cmd.exe")], true),
            (":\"CMD.EXE\"", &[text("cmd.exe")], true),
            (":C*.EXE", &[text("cmd.exe")], true),
            (" >= CMD", &[text("cmd.exe")], true),
            (":cmd", &[text("cmd.exe")], false),
        ],
    );
}

#[test]
fn wildcards_cover_the_whole_value() {
    check(
        "f",
        &[
            (":Invoke*", &[text("Invoke20150331")], true),
            (":Invoke*", &[text("ReInvoke")], false),
            (":*voke", &[text("Invoke")], true),
            (":*nvo*", &[text("Invoke")], true),
            (":I*e", &[text("Invoke")], true),
            (":i*e", &[text("Invoke")], false),
            (":*S3 Browser*", &[text("[S3 Browser/11]")], true),
            (":a?c*", &[text("abcd")], false),
            (":a?c*", &[text("a?cd")], true),
            (":44*", &[number("443")], true),
            (":\"a*\"", &[text("abc")], false),
            (":a*", &[text("")], false),
        ],
    );
}

#[test]
fn value_lists_and_arrays() {
    let args = [text("docker"), text("run"), text("--privileged")];
    check(
        "f",
        &[
            (":(run or stop)", &args, true),
            (":(stop or kill)", &args, false),
            // Different elements may meet different parts.
            (":(run and --privileged)", &args, true),
            (":(run and --rm)", &args, false),
            (":(run and not --rm)", &args, true),
            (":(run and not docker)", &args, false),
            (":(* and not (stop or kill))", &args, true),
            (":(* and not (stop or run))", &args, false),
            (":(* and not stop)", &[], false),
            (":(not stop)", &[], true),
        ],
    );
}

#[test]
fn not_is_true_when_the_field_is_missing() {
    let cases = [
        ("not f:x", true),
        ("not f:*", true),
        ("f:x", false),
        ("not f > 1", true),
        ("not f:{a:x}", true),
        ("g:y and not f:x", true),
        ("not (f:x and g:y)", true),
        ("not (f:x or g:y)", false),
        ("not g:y", false),
    ];
    let event = Event::default().with("g", vec![text("y")]);
    for (query, expected) in cases {
        assert_eq!(event.matches(&parse(query).unwrap()), expected, "{query}");
    }
}

#[test]
fn numbers_compare_by_value() {
    check(
        "destination.port",
        &[
            (":443", &[number("443")], true),
            (":443", &[number("443.0")], true),
            (":443", &[text("443")], true),
            (":\"443\"", &[number("443")], true),
            (":443.0", &[number("443")], true),
            (":4.43e2", &[number("443")], true),
            (":(139 or 445)", &[number("445")], true),
            (":443", &[number("4430")], false),
            (":443", &[Item::Bool(true)], false),
            (":44*", &[number("443")], true),
            (":http", &[text("http")], true),
            (" > 442", &[number("443")], true),
            (" > 443", &[number("443")], false),
            (" >= 443", &[number("443.0")], true),
            (" < 1000", &[number("443")], true),
            (" < 1000", &[text("443")], true),
            (" <= -1", &[number("-1.5")], true),
            (" > 9007199254740992", &[number("9007199254740993")], true),
            (" > 1", &[text("http")], false),
            (" > 1", &[], false),
        ],
    );
}

#[test]
fn booleans_compare_by_value() {
    check(
        "process.interactive",
        &[
            (":true", &[Item::Bool(true)], true),
            (":\"true\"", &[Item::Bool(true)], true),
            (":true", &[text("true")], true),
            (":true", &[Item::Bool(false)], false),
            (":false", &[Item::Bool(false)], true),
            (":false", &[], false),
            (":false", &[text("")], true),
            (":true", &[text("")], false),
            (":yes", &[text("yes")], true),
        ],
    );
}

#[test]
fn addresses_and_networks() {
    check(
        "source.ip",
        &[
            (":10.0.0.0/8", &[text("10.1.2.3")], true),
            (":10.0.0.0/8", &[text("11.1.2.3")], false),
            (":10.0.0.0/8", &[text("::ffff:10.1.2.3")], true),
            (":(10.0.0.0/8 or 192.168.0.0/16)", &[text("192.168.1.1")], true),
            (":\"::1\"", &[text("0:0:0:0:0:0:0:1")], true),
            (":\"FE80::/10\"", &[text("fe80::abcd")], true),
            (r":FE80\:\:/10", &[text("fe80::abcd")], true),
            (":10.0.0.1", &[text("10.0.0.1")], true),
            (":10.0.0.0/8", &[text("cloudformation.amazonaws.com")], false),
            (":10.0.0.0/8", &[number("10")], false),
            (":AWS Internal", &[text("AWS Internal")], true),
            (":10.*", &[text("10.1.2.3")], true),
            (" >= 10.0.0.5", &[text("10.0.0.10")], true),
            (" < 10.0.0.5", &[text("10.0.0.10")], false),
            (" > \"2001:db8::\"", &[text("2001:db8::1")], true),
        ],
    );
    // Only on fields that hold addresses.
    check("source.address", &[(":10.0.0.0/8", &[text("10.1.2.3")], false)]);
}

#[test]
fn dates() {
    let noon = [text("2024-01-01T12:00:00.000Z")];
    check(
        "@timestamp",
        &[
            (" >= 2024-01-01", &noon, true),
            (" > 2024-01-01", &noon, false),
            (" <= 2024-01-01", &noon, true),
            (" < 2024-01-01", &noon, false),
            (" > 2023", &noon, true),
            (" >= \"2024-01-01T12:00:00Z\"", &noon, true),
            (" > \"2024-01-01T11:59:59.999Z\"", &noon, true),
            (" >= \"2024-01-01T13:00:00+01:00\"", &noon, true),
            (" > \"2024-01-01T13:00:00.000+01:00\"", &noon, false),
            (" < 1704110400001", &noon, true),
            (" >= 2024-01-01", &[number("1704110400000")], true),
            (" < 2024-01-01", &[number("1704110400000")], false),
            (" >= 2024-01-01", &[text("yesterday")], false),
            (":2024-01-01", &noon, true),
            (":\"2024-01-01T12\"", &noon, true),
            (":2024-01-02", &noon, false),
        ],
    );
}

#[test]
fn keyword_ranges_go_by_bytes() {
    check(
        "f",
        &[
            (" >= b", &[text("b")], true),
            (" >= b", &[text("a~")], false),
            (" < b", &[text("B")], true),
            (" > 10", &[text("9")], true),
            // A JSON number on a field that the table does not know.
            (" > 10", &[number("9")], false),
            (" > 10", &[number("100")], true),
            (" < a", &[Item::Bool(true)], false),
        ],
    );
}

#[test]
fn text_fields_go_by_words() {
    let line = [text("Accepted publickey for Root from 10.0.0.1")];
    check(
        "message",
        &[
            (":\"publickey for root\"", &line, true),
            (":accepted", &line, true),
            (":accept", &line, false),
            (":\"root for\"", &line, false),
            (":accept*", &line, true),
            (":*KEY", &line, true),
            (":*for root*", &line, true),
            (":root*from", &line, false),
            (":*", &[text("")], true),
        ],
    );
}

#[test]
fn nested_queries_need_one_object_that_meets_all() {
    let object = |kind: &str, id: &str| {
        Item::Object(Event::default().with("type", vec![text(kind)]).with("id", vec![text(id)]))
    };
    let event = Event::default().with("target", vec![object("User", "1"), object("Role", "2")]);
    let cases = [
        ("target:{type:User and id:1}", true),
        ("target:{type:User and id:2}", false),
        ("target:{type:(User or Role) and not id:1}", true),
        ("target:{not id:*}", false),
        ("target:{*}", true),
        ("not target:{id:3}", true),
        ("target:{id:{a:1}}", false),
        ("other:{*}", false),
    ];
    for (query, expected) in cases {
        assert_eq!(event.matches(&parse(query).unwrap()), expected, "{query}");
    }
    let deep = Event::default().with(
        "a",
        vec![Item::Object(Event::default().with("b", vec![object("x", "1"), object("y", "2")]))],
    );
    assert!(deep.matches(&parse("a:{b:{type:y and id:2}}").unwrap()));
    assert!(!deep.matches(&parse("a:{b:{type:x and id:2}}").unwrap()));
    // Types go by the full name: `file.size` is a number inside of `file` as well.
    let object = Item::Object(Event::default().with("size", vec![number("5")]));
    let event = Event::default().with("file", vec![object]);
    assert!(event.matches(&parse("file:{size:5.0}").unwrap()));
}

#[test]
fn field_names_with_wildcards() {
    let event =
        Event::default().with("user.name", vec![text("a")]).with("user.id", vec![text("b")]);
    let cases = [
        ("user.*:a", true),
        ("user.*:(a and b)", true),
        ("*.id:a", false),
        ("*:b", true),
        ("*:c", false),
        ("\"user.*\":a", false),
        ("*:*", true),
        ("not group*:*", true),
    ];
    for (query, expected) in cases {
        assert_eq!(event.matches(&parse(query).unwrap()), expected, "{query}");
    }
    assert!(Event::default().matches(&parse("").unwrap()));
    assert!(Event::default().matches(&parse("*:*").unwrap()));
}

#[test]
fn queries_in_the_style_of_the_public_rules() {
    let flagship = parse(
        "event.dataset:aws.cloudtrail and event.provider:cloudformation.amazonaws.com and \
         event.action: (CreateStack or CreateStackSet) and event.outcome:success",
    )
    .unwrap();
    let event = |action: &str| {
        Event::default()
            .with("event.dataset", vec![text("aws.cloudtrail")])
            .with("event.provider", vec![text("cloudformation.amazonaws.com")])
            .with("event.action", vec![text(action)])
            .with("event.outcome", vec![text("success")])
    };
    assert!(event("CreateStack").matches(&flagship));
    assert!(event("CreateStackSet").matches(&flagship));
    assert!(!event("CreateStackInstances").matches(&flagship));
    assert!(!event("createstack").matches(&flagship));

    let role = parse(
        "data_stream.dataset: \"aws.cloudtrail\"\n    and user.id: *\\:i-*\n    \
         and not user_agent.original: (*Terraform* or \"cloudformation.amazonaws.com\")\n    \
         and source.as.organization.name:(* and not (AMAZON* or \"Example, Inc.\"))",
    )
    .unwrap();
    let event = |id: &str, organization: &[Item]| {
        Event::default()
            .with("data_stream.dataset", vec![text("aws.cloudtrail")])
            .with("user.id", vec![text(id)])
            .with("source.as.organization.name", organization.to_vec())
    };
    assert!(event("AROA:i-0123", &[text("Example GmbH")]).matches(&role));
    assert!(!event("AROA:i-0123", &[text("AMAZON-02")]).matches(&role));
    assert!(!event("AROA:i-0123", &[]).matches(&role));
    assert!(!event("AROA:alice", &[text("Example GmbH")]).matches(&role));
    let terraform = event("AROA:i-0123", &[text("Example GmbH")])
        .with("user_agent.original", vec![text("HashiCorp Terraform/1.5")]);
    assert!(!terraform.matches(&role));
}

#[test]
fn a_number_beyond_doubles_equals_its_text_and_is_in_no_range() {
    let far = [number("1e999")];
    for field in ["f", "source.port"] {
        check(
            field,
            &[
                (":1e999", &far, true),
                (":\"1e999\"", &far, true),
                (":*", &far, true),
                (":1e1000", &far, false),
                (">0", &far, false),
                (">=0", &far, false),
                ("<0", &far, false),
                ("<1e1000", &far, false),
                (">0", &[number("1e308")], true),
            ],
        );
    }
    check("source.port", &[(">0", &[text("1e999")], false), (":1e999", &[text("1e999")], true)]);
}
