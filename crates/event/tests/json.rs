//! Trees are what serde_json reads, and what is written of them is what it writes. Two things more
//! are read: halves of surrogate pairs, and numbers that no double holds.

use firstseen_event::json::Json;
use proptest::prelude::*;
use serde_json::Value;

fn again(json: &Json) -> String {
    let mut text = String::new();
    json.write(&mut text);
    text
}

/// The text without what only we accept: halves of surrogate pairs as U+FFFD, numbers that no double
/// holds as strings of their text. Anything else stays, and what is wrong stays wrong.
fn narrowed(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut in_string = false;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        let mut piece = rest[..length].to_owned();
        if in_string && first == '\\' {
            let units: Vec<u16> = rest.split("\\u").skip(1).take(2).map_while(unit).collect();
            let is_unit = rest.starts_with("\\u") && !units.is_empty();
            let is_pair = rest.get(6..8) == Some("\\u") && units.len() == 2;
            let pair = [units.first().copied().unwrap_or(0), units.get(1).copied().unwrap_or(0)];
            let whole = is_pair
                && (0xd800..0xdc00).contains(&pair[0])
                && (0xdc00..0xe000).contains(&pair[1]);
            length = match () {
                () if whole => 12,
                () if is_unit => 6,
                () => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            };
            let half = is_unit && !whole && (0xd800..0xe000).contains(&pair[0]);
            piece = if half { "\\ufffd".to_owned() } else { rest[..length].to_owned() };
        } else if first == '"' {
            in_string = !in_string;
        } else if !in_string && matches!(first, '-' | '0'..='9') {
            length = rest
                .find(|c| !matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9'))
                .unwrap_or(rest.len());
            let number = &rest[..length];
            let is_far =
                number.parse::<f64>().is_ok_and(f64::is_infinite) && is_json_number(number);
            piece = if is_far { format!("\"{number}\"") } else { number.to_owned() };
        }
        out.push_str(&piece);
        rest = &rest[length..];
    }
    out
}

/// The four hexadecimal digits that a text begins with.
fn unit(text: &str) -> Option<u16> {
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

/// Whether serde_json takes it with another exponent.
fn is_json_number(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    serde_json::from_str::<Value>(&format!("{}e0", mantissa)).is_ok()
        && !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
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
