use super::*;
use firstseen_event::{EventReader, FieldRequest, ReadOutcome, Scratch};

fn terms(event: &str, names: &[&str]) -> Result<Vec<Term>, String> {
    let reader =
        EventReader::new(names.iter().map(|n| FieldRequest::Values((*n).to_owned())).collect());
    let mut scratch = Scratch::default();
    let Ok(ReadOutcome::Event(fields)) = reader.read(event, &mut scratch) else {
        panic!("{event}")
    };
    let slots: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(ask, name)| TermField { ask, kind: TermKind::of(name) })
        .collect();
    match of_event(&fields, &slots, MAX_TERM_BYTES) {
        Terms::Some(terms, 0) => Ok(terms),
        Terms::Some(terms, more) => {
            assert_eq!(terms.len(), MAX_TERMS);
            let ends = [&terms[0].json, &terms[MAX_TERMS - 1].json];
            Err(format!("{} .. {} and {more} more", ends[0], ends[1]))
        }
        Terms::Missing(index) => Err(format!("no {}", names[index])),
        Terms::TooLong(n) => Err(format!("{n} bytes")),
    }
}

fn json(event: &str, names: &[&str]) -> Result<Vec<String>, String> {
    terms(event, names).map(|t| t.into_iter().map(|t| t.json).collect())
}

#[test]
fn several_values_give_the_product_each_once() {
    let event = r#"{"@timestamp":"2024-01-01T00:00:00Z","user":{"name":["a","b","a"]},"host":{"id":["x","y"]}}"#;
    assert_eq!(
        json(event, &["user.name", "host.id"]).unwrap(),
        [r#"["a","x"]"#, r#"["a","y"]"#, r#"["b","x"]"#, r#"["b","y"]"#]
    );
}

#[test]
fn a_missing_null_or_empty_field_is_missing() {
    for value in ["null", "[]", "[null]"] {
        let event = format!(r#"{{"@timestamp":1,"user":{{"name":{value}}},"host":{{"id":"x"}}}}"#);
        assert_eq!(json(&event, &["host.id", "user.name"]).unwrap_err(), "no user.name");
    }
}

#[test]
fn numbers_by_value_in_number_fields_and_by_text_elsewhere() {
    let one = |v: &str, f: &str| {
        let event = format!(r#"{{"@timestamp":1,"{f}":{v}}}"#);
        terms(&event, &[f]).unwrap().remove(0)
    };
    let f = "source.port";
    assert_eq!(one("443", f), one("443.0", f));
    assert_eq!(one("443", f), one("\"443\"", f));
    assert_eq!(one("443", f).json, "[443]");
    assert_eq!(one("0.5", f).json, "[0.5]");
    assert_eq!(one("443", "user.name"), one("\"443\"", "user.name"));
    assert_eq!(one("443", "user.name").json, r#"["443"]"#);
}

#[test]
fn a_term_of_values_is_the_term_of_an_event_that_holds_them() {
    let names = ["source.port", "user.name", "process.interactive", "process.start"];
    let event = r#"{"@timestamp":1,"source.port":4.43e2,"user.name":"a\"b",
        "process.interactive":true,"process.start":"2024-01-01T00:00:00Z"}"#;
    let texts = ["443", "a\"b", "true", "2024-01-01T00:00:00.000Z"];
    let values = names.iter().map(|name| TermKind::of(name)).zip(texts);
    assert_eq!(terms(event, &names).unwrap(), [Term::of_values(values)]);
}

#[test]
fn an_address_is_one_term_by_value() {
    let one = |v: &str, f: &str| {
        let event = format!(r#"{{"@timestamp":1,"{f}":"{v}"}}"#);
        terms(&event, &[f]).unwrap().remove(0)
    };
    for (spelling, usual) in [
        ("2001:0DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
        ("no address", "no address"),
    ] {
        let term = one(spelling, "source.ip");
        assert_eq!(term, one(usual, "source.ip"));
        assert_eq!(term.json, format!(r#"["{usual}"]"#));
        // The key of an address in its usual spelling is that of its text.
        assert_eq!(term, one(usual, "user.name"));
        assert_eq!(one(spelling, "user.name").json, format!(r#"["{spelling}"]"#));
    }
    let twice = r#"{"@timestamp":1,"host.ip":["::1","0:0:0:0:0:0:0:1","::2"]}"#;
    assert_eq!(json(twice, &["host.ip"]).unwrap(), [r#"["::1"]"#, r#"["::2"]"#]);
}

#[test]
fn of_more_than_256_the_first_count_in_any_order() {
    let list = |count: u32| (0..count).map(|n| format!("\"{n}\"")).collect::<Vec<_>>();
    let one = |mut names: Vec<String>| {
        let text = |names: &[String]| {
            let event = format!(r#"{{"@timestamp":1,"user":{{"name":[{}]}}}}"#, names.join(","));
            json(&event, &["user.name"]).unwrap_err()
        };
        let forward = text(&names);
        names.reverse();
        assert_eq!(forward, text(&names));
        forward
    };
    // In the order of bytes 99 comes after 256, and 5 after 328.
    assert_eq!(one(list(257)), r#"["0"] .. ["98"] and 1 more"#);
    assert_eq!(one([list(330), list(330)].concat()), r#"["0"] .. ["328"] and 74 more"#);
    assert_eq!(one(list(70_000)), r#"["0"] .. ["10226"] and 69744 more"#);
    let (names, ids) = (list(17).join(","), list(16).join(","));
    let event = format!(r#"{{"@timestamp":1,"user":{{"name":[{names}],"id":[{ids}]}}}}"#);
    assert_eq!(
        json(&event, &["user.name", "user.id"]).unwrap_err(),
        r#"["0","0"] .. ["8","9"] and 16 more"#
    );
    assert_eq!(
        json(&event, &["user.id", "user.name"]).unwrap_err(),
        r#"["0","0"] .. ["9","0"] and 16 more"#
    );
}

#[test]
fn a_number_that_no_double_holds_is_its_text() {
    let event = r#"{"@timestamp":1,"source.port":[1e999,1e3]}"#;
    assert_eq!(json(event, &["source.port"]).unwrap(), [r#"["1e999"]"#, "[1000]"]);
    let half = r#"{"@timestamp":1,"user.name":"a\ud800"}"#;
    assert_eq!(json(half, &["user.name"]).unwrap(), ["[\"a\u{fffd}\"]"]);
}

#[test]
fn a_long_value_in_many_terms_is_too_long() {
    let long = "x".repeat(1 << 20);
    let event =
        |ids: &str| format!(r#"{{"@timestamp":1,"user":{{"name":"{long}","id":[{ids}]}}}}"#);
    let names = ["user.name", "user.id"];
    assert_eq!(json(&event("1,2,3,4,5,6,7"), &names).unwrap().len(), 7);
    let error = json(&event("1,2,3,4,5,6,7,8"), &names).unwrap_err();
    assert_eq!(error, format!("{} bytes", 8 * ((1 << 20) + 1)));
}
