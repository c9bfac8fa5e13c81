//! Test files, right and wrong: what is read, and where each fault is.

use super::*;

const CASE: &str = "[[case]]\nname = 'a'\n";

/// The faults of a file, each with the text at its place.
fn faults(text: &str) -> Vec<(&str, String)> {
    let faults = read(text).expect_err(text).into_iter();
    faults.map(|f| (text.get(f.span).unwrap(), f.message)).collect()
}

#[test]
fn times_go_on_from_event_to_event() {
    let file = read(
        "start = 2025-03-03T00:00:00Z\n[base]\na = 1\n[[case]]\nname = 'a'\n\
         [[case.event]]\nalert = true\n[[case.event]]\nat = '+1d'\nalert = false\n\
         [[case.event]]\noutcome = 'seen'\n",
    )
    .unwrap();
    let texts = file.cases[0].events.iter().map(|event| match &event.source {
        EventInput::Made(text) => text[15..25].to_owned(),
        other => panic!("{other:?}"),
    });
    assert_eq!(texts.collect::<Vec<_>>(), ["2025-03-03", "2025-03-04", "2025-03-04"]);
    assert_eq!(file.cases[0].events[2].line, 11);
}

#[test]
fn every_fault_has_its_place() {
    for (text, place, part) in [
        ("rules = 'x'", "rules", "unknown field"),
        ("[[case]]\nname = 'a'\nevents = 1", "events", "unknown field"),
        ("[[case]]\nname = 'a'\n[[case.event]]\nalret = true", "alret", "unknown field"),
        ("[[case]]\nname = 'a'\n[[case.event]]\noutcome = 'gone'", "'gone'", "unknown variant"),
        ("[[case]]\nname = ' '\n[[case.event]]\nalert = true", "' '", "empty name"),
        ("[[case]]\nname = 'a'", "'a'", "no [[case.event]]"),
        ("[[case]]\nname = 'a'\n[[case.event]]\nat = '3d'\nalert = true", "'3d'", "not a time"),
        ("[[case]]\nname = 'a'\n[[case.event]]\nat = 3\nalert = true", "3", "not a time"),
    ] {
        let faults = faults(text);
        assert_eq!(faults[0].0, place, "{faults:?}");
        assert!(faults[0].1.contains(part), "{faults:?}");
    }
    assert_eq!(faults("")[0].1, "this file has no [[case]]");
}

#[test]
fn what_contradicts_itself_is_a_fault() {
    let one = |event: &str, part: &str| {
        let faults = faults_of_event(event);
        assert!(faults.iter().any(|(_, message)| message.contains(part)), "{faults:?}");
    };
    one("", "no expectation");
    one("at = '+0s'", "no expectation");
    one("alert = true\noutcome = 'seen'", "contradict");
    one("alert = false\nterms = [['a']]", "contradict");
    one("alert = false\nexpect = { a = 1 }", "contradict");
    one("alert = true\njson = '{}'\nfile = 'x'", "either");
    one("alert = true\njson = '{}'\nat = '+1d'", "their own times");
    one("alert = true\nunset = ['user.name']", "no `user.name` to take out");
    one("terms = [[[1]]]", "a term is a list");
    one("alert = true\nset = { user = 1, 'user.name' = 2 }", "`user` has a value");
}

fn faults_of_event(event: &str) -> Vec<(String, String)> {
    let text = format!("{CASE}[[case.event]]\n{event}\n");
    faults(&text).into_iter().map(|(place, message)| (place.to_owned(), message)).collect()
}

#[test]
fn several_faults_are_told_together_in_the_order_of_the_text() {
    let text = format!(
        "{CASE}now = 'x'\n[[case.before]]\nterms = ['a']\nfirst = '+1d'\nlast = '+0s'\n\
         [[case.event]]\nalert = true\n{CASE}exceptions = [{{ name = 'e', query = '(' }}]\n\
         [[case.event]]\nalert = false\n[[case.after]]\nterms = ['a']\nabsent = true\n\
         last = '+0s'\n"
    );
    let faults = faults(&text);
    let parts = ["not a time", "before `first`", "same name", "exception `e`", "absent"];
    assert_eq!(faults.len(), parts.len(), "{faults:?}");
    for ((_, message), part) in faults.iter().zip(parts) {
        assert!(message.contains(part), "{message}: {part}");
    }
}

#[test]
fn expected_fields_may_be_nested() {
    let text = format!(
        "{CASE}[[case.event]]\nexpect.'kibana.alert.severity' = 'low'\n\
         expect.user = {{ name = 'b' }}\n"
    );
    let fields = &read(&text).unwrap().cases[0].events[0].expected.fields;
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    // A dotted name is taken apart where it stands in a table.
    assert_eq!(names, ["kibana.alert.severity", "user.name"]);
}
