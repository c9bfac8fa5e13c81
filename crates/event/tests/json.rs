//! Trees are what serde_json reads, and what is written of them is what it writes.

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
    fn a_text_is_read_as_serde_json_reads_it(
        text in "[{}\\[\\]\",:\\\\u0-9a-f.eEtrun +-]{0,40}",
    ) {
        for text in [format!("{{\"a\":{text}}}"), format!("[{text}]"), text] {
            let theirs = serde_json::from_str::<Value>(&text).ok();
            let ours = Json::read(&text).ok();
            prop_assert_eq!(ours.is_some(), theirs.is_some(), "{}", text);
            let ours = ours.map(|json| serde_json::from_str(&again(&json)).expect("JSON"));
            prop_assert_eq!(ours, theirs, "{}", text);
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
fn depth_ends_at_127_levels() {
    for (levels, readable) in [(127, true), (128, false), (1_000_000, false)] {
        let text = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(Json::read(&text).is_ok(), readable, "{levels}");
        if levels < 1000 {
            assert_eq!(serde_json::from_str::<Value>(&text).is_ok(), readable);
        }
    }
}
