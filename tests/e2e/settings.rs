//! Settings: exceptions, learning, tenants.
//!
//! In: a settings file and events. Out: whether the settings exclude, learn and separate as
//! specified.

use crate::support::{Call, Done, Folder, run, stack_lines};

/// Runs these events with settings, and with a state if one is given.
fn with(settings: &str, state: Option<&Folder>, events: &[(&str, &str, &str)]) -> Done {
    let folder = Folder::new();
    let mut call: Call = run().arg("--settings").arg(folder.write("settings.json", settings));
    if let Some(state) = state {
        call = call.arg("--state").arg(state.path("state"));
    }
    call.arg("-").pipe(stack_lines(events)).ok()
}

#[test]
fn excluded_event_is_not_a_sighting() {
    let settings = r#"{"exceptions": [
        {"name": "the office", "query": "user.name: alice and event.id: office-*"},
        {"name": "of another rule", "rule_id": "other", "query": "user.name: *"}
    ]}"#;
    let done = with(
        settings,
        None,
        &[
            ("office-1", "2025-04-01T08:00:00Z", "alice"),
            ("home", "2025-04-01T09:00:00Z", "alice"),
            ("office-2", "2025-04-01T10:00:00Z", "bob"),
        ],
    );
    assert_eq!(done.alert_ids(), ["home", "office-2"]);
    assert_eq!((done.count("suppressed_by_exception"), done.count("matched")), (1, 3));
    assert!(done.stderr.contains("exception"), "{}", done.stderr);
}

#[test]
fn a_key_that_is_there_twice_is_an_error_with_its_place() {
    let folder = Folder::new();
    let path = folder.write("settings.json", "{\"tenant\":\"a\",\n \"tenant\":\"b\"}");
    let words = ["settings.json: the key `tenant` is there twice at line 2 column 9"];
    run().arg("--settings").arg(&path).arg("-").fails(&words);
}

#[test]
fn a_misspelled_field_to_learn_by_is_a_warning() {
    for (field, words) in [
        ("cloud.acount.id", "unknown field `cloud.acount.id`: did you mean `cloud.account.id`?"),
        ("cloud.nothing.like.it", "neither ECS nor CloudTrail has it"),
    ] {
        let settings = format!("{{\"learn_for\":\"10d\",\"learn_by\":\"{field}\"}}");
        let done = with(&settings, None, &[]);
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
    for field in ["cloud.account.id", "company.team"] {
        let settings = format!("{{\"learn_for\":\"10d\",\"learn_by\":\"{field}\"}}");
        let done = with(&settings, None, &[]);
        assert!(!done.stderr.contains("learn_by"), "{}", done.stderr);
    }
}

#[test]
fn learned_terms_do_not_alert() {
    let done = with(
        r#"{"learn_until": "2025-04-02T00:00:00Z"}"#,
        None,
        &[
            ("a", "2025-04-01T08:00:00Z", "alice"),
            ("b", "2025-04-02T00:00:00Z", "bob"),
            ("c", "2025-04-03T00:00:00Z", "alice"),
        ],
    );
    assert_eq!(done.alert_ids(), ["b"]);
    assert_eq!((done.count("learned"), done.count("seen")), (1, 1));
}

#[test]
fn tenants_share_a_file_but_not_their_state() {
    let state = Folder::new();
    let events = [("a", "2025-04-01T08:00:00Z", "alice")];
    for tenant in [r#"{"tenant": "red"}"#, r#"{"tenant": "blue"}"#, "{}"] {
        assert_eq!(with(tenant, Some(&state), &events).count("alerts"), 1, "{tenant}");
        assert_eq!(with(tenant, Some(&state), &events).count("repeats"), 1, "{tenant}");
    }
}

/// The option is the setting, and where both are given the option counts.
#[test]
fn learn_until_is_an_option_too() {
    let folder = Folder::new();
    let events = [("a", "2025-04-01T08:00:00Z", "alice"), ("b", "2025-04-02T00:00:00Z", "bob")];
    let learn = |time: &str| run().args(&["--learn-until", time]);
    let done = learn("2025-04-02T00:00:00Z").arg("-").pipe(stack_lines(&events)).ok();
    assert_eq!((done.alert_ids(), done.count("learned")), (vec!["b".to_owned()], 1));
    let settings = r#"{"learn_until": "2025-04-02T00:00:00Z", "tenant": "red"}"#;
    let settings = folder.write("settings.json", settings);
    let state = folder.path("state");
    let run = learn("2025-04-03T00:00:00Z").arg("--settings").arg(&settings);
    let done = run.arg("--state").arg(&state).arg("-").pipe(stack_lines(&events)).ok();
    assert_eq!((done.count("alerts"), done.count("learned")), (0, 2));
    // The rest of the settings holds: it was the tenant's state that learned.
    let done = with("{}", Some(&folder), &events);
    assert_eq!(done.count("alerts"), 2);
    learn("soon").arg("-").fails(&["--learn-until", "soon", "RFC 3339"]);
}
