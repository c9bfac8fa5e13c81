use super::*;

/// The members of the document behind a time.
fn members(event: &str) -> String {
    let event = event.replacen('{', r#"{"@timestamp":1,"#, 1);
    let written = written_document(&event, Trust::DEFAULT, &mut Scratch::default()).unwrap();
    let end = written.members().last().map_or(0, |member| member.value.end);
    let text = String::from_utf8(written.text()[..end].to_vec()).unwrap();
    text.strip_prefix(r#""@timestamp":1"#).unwrap().trim_start_matches(',').to_owned()
}

/// What the writer relies on: no field of a source is inside another one, no name is there twice, and what
/// is below `event` is a member of it.
#[test]
fn the_fields_of_a_source_are_apart() {
    for fields in &DocumentReader::get().raw {
        assert!(fields.0.len() > 90);
        for pair in fields.0.windows(2) {
            let [before, field] = pair else { continue };
            let least = before.segments.len().min(field.segments.len());
            assert!(field.shared < least, "{} {}", before.name, field.name);
            assert!(before.name.split('.').lt(field.name.split('.')));
        }
        for field in &fields.0 {
            assert!(!field.name.starts_with("event.") || field.segments.len() == 2);
            assert!(!field.name.starts_with(ALERT_NAMES));
        }
    }
}

#[test]
fn what_an_event_says_of_alerts_is_left_out() {
    for (event, left) in [
        (r#"{"a":1,"kibana":{"alert":{"rule":{"name":"x"}}}}"#, r#""a":1"#),
        (r#"{"a":1,"kibana.alert.rule.name":"x"}"#, r#""a":1"#),
        (r#"{"a":1,"kibana.alert":"x","kibana.version":"8"}"#, r#""a":1,"kibana":{"version":"8"}"#),
        (
            r#"{"kibana":{"alert.severity":"x","space_ids":["a"]}}"#,
            r#""kibana":{"space_ids":["a"]}"#,
        ),
        (r#"{"kibana":{"alerts":1}}"#, r#""kibana":{"alerts":1}"#),
        (r#"{"kibana":[{"alert":{"depth":9},"b":1},[{"alert":2}]]}"#, r#""kibana":[{"b":1},[{}]]"#),
        // Names that cannot be opened stay dotted.
        (r#"{"kibana":1,"kibana.alert.depth":9}"#, r#""kibana":1"#),
        (r#"{"kibana.alert..depth":9,"kibana.alerts.":1}"#, r#""kibana.alerts.":1"#),
        (r#"{"kibana":{"alert":1,"alert.depth":9}}"#, ""),
        (r#"{"kibana":{}}"#, r#""kibana":{}"#),
    ] {
        assert_eq!(members(event), left, "{event}");
    }
}

#[test]
fn fields_below_event_are_named_by_their_paths() {
    let event = r#"{"@timestamp":1,"event":{"a-b":1,"a":{"c":[2],"d":{}},"original":"x","a.e":"y","k..l":3}}"#;
    let written = written_document(event, Trust::DEFAULT, &mut Scratch::default()).unwrap();
    let text = |field: &WrittenField| {
        let value = String::from_utf8_lossy(&written.text()[field.value.clone()]);
        format!("{}={value}", field.name)
    };
    let fields: Vec<String> = written.of_event().iter().map(text).collect();
    assert_eq!(fields, ["a-b=1", "a.c=[2]", "a.e=\"y\"", "k..l=3"]);
    let members: Vec<&str> = written.in_event().iter().map(|member| &*member.name).collect();
    assert_eq!(members, ["a", "a-b", "k..l", "original"]);
}
