//! Trees are what serde_json reads, and what is written of them is what it writes. Two things more
//! are read: halves of surrogate pairs, and numbers that no double holds.

mod common;

use common::narrowed;
use firstseen_event::json::Json;
use proptest::prelude::*;
use serde_json::Value;

fn again(json: &Json) -> String {
    let mut text = String::new();
    json.write(&mut text);
    text
}

proptest! {
    #[test]
    fn a_text_is_read_as_serde_json_reads_it_and_two_things_more(
        text in prop_oneof![
            "[{}\\[\\]\",:\\\\u0-9a-f.eEtrun +-]{0,40}",
            "(\"(\\\\u(d[89a-f]|00|ff)[0-9a-f]{2}|a|\\\\n){0,3}\"|-?[0-9]{1,2}(\\.[0-9]{0,2})?e[+-]?[0-9]{0,4}|,){0,6}",
        ],
    ) {
        for text in [format!("{{\"a\":{text}}}"), format!("[{text}]"), text] {
            let theirs = serde_json::from_str::<Value>(&narrowed(&text)).ok();
            let ours = Json::read(&text).ok();
            prop_assert_eq!(ours.is_some(), theirs.is_some(), "{}", text);
            let ours = ours.map(|json| serde_json::from_str(&again(&json)).expect("JSON"));
            prop_assert_eq!(ours, theirs, "{}", text);
            // What serde_json itself takes is taken, and means the same.
            if serde_json::from_str::<Value>(&text).is_ok() {
                prop_assert_eq!(narrowed(&text), text);
            }
        }
    }
}

#[test]
fn numbers_keep_their_spelling_and_members_their_order() {
    let text = r#"{"b":[1.10,-0,1e3,123456789012345678901234567890,0.1],"a":{},"b ":[]}"#;
    let tree = Json::read(text).expect("JSON");
    let sorted = r#"{"a":{},"b":[1.10,-0,1e3,123456789012345678901234567890,0.1],"b ":[]}"#;
    assert_eq!(again(&tree), sorted);
    let twice = Json::read(r#"{"a":1,"\u0061":2}"#).expect("JSON");
    assert_eq!(twice, Json::from([("a", Json::from(2))]));
}

#[test]
fn what_attackers_may_choose_is_read() {
    for (text, means) in [
        (
            r#"["\ud800x","\udc00\ud800","\ud83d\ud83d\ude00"]"#,
            "[\"\u{fffd}x\",\"\u{fffd}\u{fffd}\",\"\u{fffd}\u{1f600}\"]",
        ),
        (r#"{"a":1e999,"b":[-1E+400,1e308]}"#, r#"{"a":"1e999","b":["-1E+400",1e308]}"#),
    ] {
        assert_eq!(again(&Json::read(text).expect("JSON")), means);
    }
    let long = "9".repeat(400);
    assert_eq!(again(&Json::read(&long).expect("JSON")), format!("\"{long}\""));
}

#[test]
fn depth_ends_at_127_levels() {
    for (levels, readable) in [(127, true), (128, false), (1_000_000, false)] {
        let text = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(Json::read(&text).is_ok(), readable, "{levels}");
        if levels < 1000 {
            assert_eq!(serde_json::from_str::<Value>(&text).is_ok(), readable);
        }
    }
}
