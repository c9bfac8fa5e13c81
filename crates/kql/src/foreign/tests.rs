//! Queries of other languages, and KQL that looks a little like them.

use super::*;
use crate::parse;

/// Code, the text from its place on, message and what was expected.
fn found(text: &str) -> Option<(&'static str, &str, String)> {
    let error = parse(text).err();
    let fault = foreign(text, error.as_ref())?;
    Some((fault.code, &text[fault.at..], format!("{} | {}", fault.message, fault.expected)))
}

#[test]
fn operators_of_eql_and_esql_are_named_with_what_kql_writes() {
    for (text, at, part) in [
        ("event.action == \"CreateStack\"", "==", "`==` is not KQL: write `field: value`"),
        ("event.action == \"CreateStack\"", "==", "| `event.action: \"CreateStack\"`"),
        ("a: b and event.action != CreateStack", "!=", "`!=` is not KQL: write `not field: value`"),
        ("a: b and event.action != CreateStack", "!=", "| `not event.action: CreateStack`"),
        ("event.action = CreateStack", "= Cr", "`=` is not KQL"),
        ("(a: b or c=\"d e\")", "=", "`c: \"d e\"`"),
        ("event.action =~ \"create*\" and a: b", "=~", "`=~` is not KQL"),
        ("user.name <> \"ann\"", "<>", "write `not field: value`"),
        ("user.name in (\"ann\", \"bob\")", "in (", "`in` is not KQL: write `field: (a or b)`"),
        ("user.name not in (\"ann\")", "not in", "`not in` is not KQL"),
        ("user.name like~ \"a*\"", "like~", "`like~` is not KQL: write `field: a*`"),
        ("a: b && c: d", "&&", "write `and`"),
        ("a: b || c: d", "||", "write `or`"),
        ("a: (\"b\", \"c\")", ", \"c\"", "not separated by commas"),
        ("a: /b(c)/", "/b(", "regular expressions are not KQL"),
        ("a: 'b (c)'", "'b", "single quotes"),
        ("event.action: [\"A\",\"B\"]", "[\"A", "is JSON, not KQL: write `field: (a or b)`"),
        ("event.action: [\"A\", \"B\"] and a: b", "[\"A", "| `(\"A\" or \"B\")`"),
        ("user.name ~ 'root.*'", "~ 'r", "`~` is SQL's match, not KQL: write `field: *value*`"),
        ("a: b and user.name ~ \"root\"", "~ \"r", "not KQL"),
    ] {
        let (code, rest, message) = found(text).unwrap_or_else(|| panic!("{text}: nothing"));
        assert_eq!(code, "other_language", "{text}");
        assert!(rest.starts_with(at), "{text}: at {rest}");
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn two_fields_are_not_compared() {
    for text in ["user.name == user.target.name", "a: b and (source.ip != host.ip)"] {
        let (code, _, message) = found(text).unwrap();
        assert_eq!(code, "two_fields");
        assert!(message.contains("two fields cannot be compared"), "{message}");
    }
    assert_eq!(found("event.provider == cloud.example.com").unwrap().0, "other_language");
}

#[test]
fn openings_are_named_whether_kql_can_read_them_or_not() {
    for (text, language) in [
        ("iam where event.action == \"CreateUser\"", "EQL"),
        (" process where event.type : \"start\"", "EQL"),
        ("sequence by user.name [iam where true] [iam where true]", "EQL"),
        ("from logs-* | where event.action == \"CreateStack\"", "ES|QL"),
        ("SELECT * FROM events WHERE eventName = 'x'", "SQL"),
        ("select eventName, userName from events", "SQL"),
        ("FROM logs-aws* METADATA _id\n| WHERE event.action : \"x\"", "ES|QL"),
    ] {
        let (code, _, message) = found(text).unwrap_or_else(|| panic!("{text}: nothing"));
        assert_eq!(code, "other_language");
        assert!(message.contains(&format!("this is {language}")), "{text}: {message}");
    }
}

#[test]
fn kql_is_left_alone() {
    for text in [
        "process.args: a==b",
        "process.command_line: (*LD_PRELOAD=* or x=y)",
        "user.name: where",
        "from: logs and a: b",
        "select: x and from: y",
        "user.name: ~root",
        "a: b~c",
        "a: 'b'",
        "url.path: /api/",
        "where.x: y",
        "message: \"a == b && c | d\"",
        "a >= 3 and b <= 4",
    ] {
        assert_eq!(found(text), None, "{text}");
    }
    // Faults of KQL itself keep their own errors.
    for text in [
        "a: (b",
        "a: b c: d",
        "CreateStack",
        "a and(b: c)",
        "a: b=c (d)",
        "a: \"b",
        "a: not b",
        "in (a: b",
        "source.port >= http",
        "a <= (1 or 2)",
        "",
        "(((",
        "\"",
    ] {
        assert_eq!(found(text), None, "{text}");
    }
}
