use super::*;
use firstseen_event::json::Json;

fn from_toml(text: &str) -> ExceptionDocument {
    toml::from_str(text).unwrap_or_else(|fault| panic!("{fault}\n{text}"))
}

fn compiled(text: &str) -> Exception {
    from_toml(text).compile(ExceptionOrigin::File).unwrap_or_else(|fault| panic!("{fault}\n{text}"))
}

#[test]
fn the_three_forms_mean_the_same() {
    let head = "name = 'ci'\nreason = 'builds'\n";
    let as_query =
        compiled(&format!("{head}query = 'cloud.account.id: 1 and user.name: (a or b)'"));
    for body in [
        "fields = { 'cloud.account.id' = 1, 'user.name' = ['a', 'b'] }",
        "entries = [
            { field = 'cloud.account.id', type = 'match', value = '1' },
            { field = 'user.name', type = 'match_any', operator = 'included', value = ['a', 'b'] },
        ]",
    ] {
        assert_eq!(compiled(&format!("{head}{body}")), as_query, "{body}");
    }
    assert_eq!(as_query.reason.as_deref(), Some("builds"));
}

#[test]
fn every_type_of_entry_equals_the_same_kql() {
    for (entry, kql) in [
        ("{ field = 'a', type = 'match', value = 'x y' }", r#"a: "x y""#),
        ("{ field = 'a', type = 'match', value = '*' }", r#"a: "*""#),
        ("{ field = 'a', type = 'match', value = 'x', operator = 'excluded' }", "not a: x"),
        ("{ field = 'a', type = 'wildcard', value = 'x*' }", "a: x*"),
        ("{ field = 'a', type = 'wildcard', value = ['x*', '*y'] }", "a: (x* or *y)"),
        ("{ field = 'a', type = 'exists' }", "a: *"),
        ("{ field = 'a', type = 'exists', operator = 'excluded' }", "not a: *"),
        ("{ field = 'source.ip', type = 'match', value = '10.0.0.0/8' }", "source.ip: 10.0.0.0/8"),
        (
            "{ field = 'source.port', type = 'match_any', value = [22, 443] }",
            "source.port: (22 or 443)",
        ),
        (
            "{ field = 'p', type = 'nested', operator = 'excluded', entries = [
                { field = 'port', type = 'match', value = 22 },
                { field = 'b', type = 'exists', operator = 'excluded' } ] }",
            "not p: { port: 22 and not b: * }",
        ),
    ] {
        let exception = compiled(&format!("name = 'x'\nreason = 'y'\nentries = [{entry}]"));
        assert_eq!(exception.query, firstseen_kql::parse(kql).unwrap(), "{entry}");
        assert_eq!(exception.query.check(), Ok(()));
    }
}

#[test]
fn the_end_is_the_events_time() {
    let until = |expires: &str| {
        compiled(&format!("name = 'x'\nreason = 'y'\nquery = 'a: b'\nexpires = {expires}"))
    };
    for (expires, end) in [
        ("'2026-12-31'", 1_798_761_600_000),
        ("2026-12-31", 1_798_761_600_000),
        ("'2026-12-31T18:00:00+01:00'", 1_798_736_400_000),
        ("2026-12-31T17:00:00Z", 1_798_736_400_000),
    ] {
        let exception = until(expires);
        assert_eq!(exception.expires_ms, Some(end), "{expires}");
        assert!(exception.holds_at(Some(end - 1)));
        assert!(!exception.holds_at(Some(end)));
        assert!(!exception.holds_at(None));
    }
    let without = compiled("name = 'x'\nreason = 'y'\nquery = 'a: b'");
    assert!(without.holds_at(Some(i64::MAX)) && without.holds_at(None));
}

#[test]
fn an_exception_applies_to_the_rules_that_it_lists() {
    let head = "name = 'x'\nreason = 'y'\nquery = 'a: b'\n";
    assert!(compiled(head).is_for("any"));
    let one = compiled(&format!("{head}rule_id = 'r1'"));
    assert!(one.is_for("r1") && !one.is_for("r2"));
    let two = compiled(&format!("{head}rules = ['r1', 'r2']"));
    assert!(two.is_for("r1") && two.is_for("r2") && !two.is_for("r3"));
}

#[test]
fn json_and_toml_have_one_shape() {
    let toml = from_toml(
        "name = 'x'\nreason = 'y'\nexpires = 2026-12-31\nrules = ['r']
         fields = { a = [1, true, 'b'], c = -1 }",
    );
    let json = serde_json::to_string(&toml).unwrap();
    assert_eq!(
        json,
        r#"{"name":"x","reason":"y","expires":"2026-12-31","rules":["r"],"fields":{"a":["1","true","b"],"c":["-1"]}}"#
    );
    assert_eq!(serde_json::from_str::<ExceptionDocument>(&json).unwrap(), toml);
    assert_eq!(ExceptionDocument::of(Json::read(&json).unwrap()).unwrap(), toml);
    let null = r#"{"name":"x","expires":null,"query":"a: b"}"#;
    let null: ExceptionDocument = serde_json::from_str(null).unwrap();
    assert!(null.compile(ExceptionOrigin::Settings).is_ok());
}

#[test]
fn a_fault_names_its_part() {
    let many = |count: usize| {
        let entries = "{ field = 'a', type = 'exists' },".repeat(count);
        format!("name = 'x'\nreason = 'y'\nentries = [{entries}]")
    };
    assert!(from_toml(&many(100)).compile(ExceptionOrigin::File).is_ok());
    let cases = [
        ("name = ' '\nreason = 'y'\nquery = 'a: b'", "name: must have 1 to 200"),
        ("name = 'x'\nquery = 'a: b'", "reason: is missing"),
        ("name = 'x'\nreason = '\t '\nquery = 'a: b'", "reason: "),
        ("name = 'x'\nreason = 'y'", "query: is missing"),
        ("name = 'x'\nreason = 'y'\nquery = 'a: ('", "query: "),
        ("name = 'x'\nreason = 'y'\nquery = 'a: b'\nfields = {a = 'b'}", "query: use only one of"),
        ("name = 'x'\nreason = 'y'\nquery = 'a: b'\nexpires = 'soon'", "expires: `soon`"),
        ("name = 'x'\nreason = 'y'\nquery = 'a: b'\nexpires = '1798761600000'", "expires: "),
        ("name = 'x'\nreason = 'y'\nquery = 'a: b'\nexpires = 18:00:00", "expires: `18:00:00`"),
        ("name = 'x'\nreason = 'y'\nquery = 'a: b'\nexpires = '2026-12-31x'", "expires: "),
        ("name = 'x'\nreason = 'y'\nquery = 'a: b'\nrules = []", "rules: is empty"),
        ("name = 'x'\nreason = 'y'\nquery = 'a: b'\nrules = ['a']\nrule_id = 'a'", "not both"),
        ("name = 'x'\nreason = 'y'\nfields = {}", "fields: must have 1"),
        ("name = 'x'\nreason = 'y'\nfields = { a = [] }", "fields: `a`: needs at least one"),
        ("name = 'x'\nreason = 'y'\nfields = { a = 'ci-*' }", "fields: `a`: `*` is not"),
        ("name = 'x'\nreason = 'y'\nfields = { 'a*' = 'b' }", "fields: `a*`: a field name"),
        ("name = 'x'\nreason = 'y'\nfields = { 'source.ip' = '10.0.0.0/33' }", "/32 after"),
        ("name = 'x'\nreason = 'y'\nentries = []", "entries: must have 1"),
        (&many(101), "entries: must have 1 to 100"),
    ];
    for (text, part) in cases {
        let fault = from_toml(text).compile(ExceptionOrigin::File).unwrap_err().to_string();
        assert!(fault.contains(part), "{text}: {fault}");
    }
    for (entry, part) in [
        ("field = '', type = 'exists'", "1 to 1024"),
        ("field = 'a', type = 'exists', value = 'x'", "exists has no `value`"),
        ("field = 'a', type = 'match'", "one `value`"),
        ("field = 'a', type = 'match', value = ['x', 'y']", "one `value`"),
        ("field = 'a', type = 'match_any', value = []", "at least one"),
        ("field = 'a', type = 'wildcard'", "missing"),
        ("field = 'a', type = 'list', value = 'x'", "unknown type `list`"),
        ("field = 'a', type = 'match', value = 'x', operator = 'is'", "unknown operator `is`"),
        ("field = 'a', type = 'match', value = 'x', entries = []", "has no `entries`"),
        ("field = 'a', type = 'nested'", "needs `entries`"),
        ("field = 'a', type = 'nested', entries = [{ field = 'b', type = 'nested' }]", "one level"),
    ] {
        let text = format!(
            "name = 'x'\nreason = 'y'\nentries = [{{field = 'ok', type = 'exists'}}, {{ {entry} }}]"
        );
        let fault = from_toml(&text).compile(ExceptionOrigin::File).unwrap_err().to_string();
        assert!(fault.starts_with("entries[1]: ") && fault.contains(part), "{entry}: {fault}");
    }
}

#[test]
fn a_rules_own_exception_applies_to_that_rule() {
    let text = "name = 'x'\nreason = 'y'\nquery = 'a: b'\nrule_id = 'r'";
    assert!(from_toml(text).compile(ExceptionOrigin::File).is_ok());
    assert!(
        from_toml(text)
            .compile(ExceptionOrigin::Rule)
            .unwrap_err()
            .to_string()
            .starts_with("rules: ")
    );
    let text = "name = 'x'\nquery = 'a: b'";
    assert!(from_toml(text).compile(ExceptionOrigin::Settings).is_ok());
    assert!(
        from_toml(text)
            .compile(ExceptionOrigin::Rule)
            .unwrap_err()
            .to_string()
            .starts_with("reason: ")
    );
}

#[test]
fn an_unknown_member_is_an_error() {
    for text in [
        "name = 'x'\nwhy = 'y'",
        "name = 'x'\nfields = { a = { b = 1 } }",
        "name = 'x'\nfields = { a = 1.5 }",
        "name = 'x'\nentries = [{ field = 'a', type = 'match', values = 'x' }]",
        "query = 'a: b'",
    ] {
        assert!(toml::from_str::<ExceptionDocument>(text).is_err(), "{text}");
    }
}
