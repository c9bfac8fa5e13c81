//! Generated JSON for the property tests: a tree, written out in one of the many ways that JSON
//! allows (escapes, white space, keys that come twice).
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod raw;

use proptest::prelude::*;
use serde_json::Value;

/// A value as it is written; objects may repeat keys.
#[derive(Clone, Debug)]
pub(crate) enum JsonTree {
    Plain(&'static str),
    Text(String),
    List(Vec<JsonTree>),
    Object(Vec<(String, JsonTree)>),
}

/// Writes a tree; `style` decides on escapes and white space, a few bits for each place.
pub(crate) fn write(tree: &JsonTree, style: u64) -> String {
    let mut writer = JsonWriter { out: String::new(), style: style | 1 };
    writer.tree(tree);
    writer.out
}

struct JsonWriter {
    out: String,
    style: u64,
}

impl JsonWriter {
    /// A number below `n` (xorshift).
    fn pick(&mut self, n: u64) -> u64 {
        self.style ^= self.style << 13;
        self.style ^= self.style >> 7;
        self.style ^= self.style << 17;
        (self.style >> 11) % n
    }

    fn space(&mut self) {
        let space = ["", "", "", " ", "\n", "\t \r"][self.pick(6) as usize];
        self.out.push_str(space);
    }

    fn tree(&mut self, tree: &JsonTree) {
        self.space();
        match tree {
            JsonTree::Plain(text) => self.out.push_str(text),
            JsonTree::Text(text) => self.text(text),
            JsonTree::List(items) => {
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.tree(item);
                }
                self.out.push(']');
            }
            JsonTree::Object(members) => {
                self.out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.space();
                    self.text(key);
                    self.space();
                    self.out.push(':');
                    self.tree(value);
                }
                self.out.push('}');
            }
        }
        self.space();
    }

    fn text(&mut self, text: &str) {
        let plain = self.pick(3) > 0;
        self.out.push('"');
        for character in text.chars() {
            let must = matches!(character, '"' | '\\' | '\0'..='\x1f');
            if must || !plain && self.pick(8) == 0 {
                self.escaped(character);
            } else {
                self.out.push(character);
            }
        }
        self.out.push('"');
    }

    fn escaped(&mut self, character: char) {
        if matches!(character, '"' | '\\' | '/') && self.pick(2) == 0 {
            self.out.push('\\');
            self.out.push(character);
            return;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let upper = self.pick(2) == 0;
            let hex = if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
            self.out.push_str(&hex);
        }
    }
}

pub(crate) fn scalar(texts: &'static [&'static str]) -> impl Strategy<Value = JsonTree> + Clone {
    const PLAIN: &[&str] = &["null", "true", "false", "0", "-17", "12.5", "3", "443"];
    prop_oneof![
        2 => prop::sample::select(PLAIN).prop_map(JsonTree::Plain),
        3 => prop::sample::select(texts).prop_map(|text| JsonTree::Text(text.to_owned())),
        1 => "[ -~]{0,20}".prop_map(JsonTree::Text),
        1 => any::<String>().prop_map(JsonTree::Text),
    ]
}

/// Any value, its keys out of `keys`.
pub(crate) fn tree(
    keys: &'static [&'static str],
    texts: &'static [&'static str],
) -> impl Strategy<Value = JsonTree> + Clone {
    scalar(texts).prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(JsonTree::List),
            3 => object(keys, inner),
        ]
    })
}

/// An object, its keys out of `keys`, its values given.
pub(crate) fn object(
    keys: &'static [&'static str],
    values: impl Strategy<Value = JsonTree> + Clone,
) -> impl Strategy<Value = JsonTree> + Clone {
    let key = prop::sample::select(keys).prop_map(str::to_owned);
    prop::collection::vec((key, values), 0..6).prop_map(JsonTree::Object)
}

/// The naive reading: all scalars of a parsed value, with their dotted paths.
pub(crate) fn leaves(value: &Value) -> Vec<(String, Value)> {
    fn collect(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
        match value {
            Value::Null => {}
            Value::Array(items) => items.iter().for_each(|item| collect(item, path, found)),
            Value::Object(members) => {
                for (key, value) in members {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    collect(value, &below, found);
                }
            }
            scalar => found.push((path.to_owned(), scalar.clone())),
        }
    }
    let mut found = Vec::new();
    collect(value, "", &mut found);
    found
}

/// Values of a field as sorted text, each tagged with its type.
pub(crate) fn tagged<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut texts: Vec<String> = values.map(Value::to_string).collect();
    texts.sort();
    texts
}

/// A value of the reader in the same form.
pub(crate) fn tag(value: firstseen_value::Value<'_>) -> String {
    use firstseen_value::Value::{Bool, Number, Text};
    match value {
        Bool(value) => value.to_string(),
        Number(text) => serde_json::from_str::<Value>(text).expect("a number").to_string(),
        Text(text) => Value::String(text.into_owned()).to_string(),
    }
}

/// An object of ours as serde_json reads what it writes.
pub(crate) fn as_value(object: &firstseen_event::json::Object) -> Value {
    let mut text = String::new();
    firstseen_event::json::write_object(object, &mut text);
    serde_json::from_str(&text).expect("what is written is JSON")
}

/// The text without what only we accept: halves of surrogate pairs as U+FFFD, numbers that no double
/// holds as strings of their text. Anything else stays, and what is wrong stays wrong.
pub(crate) fn narrowed(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut in_string = false;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        let mut piece = rest[..length].to_owned();
        if in_string && first == '\\' {
            let units: Vec<u16> = rest.split("\\u").skip(1).take(2).map_while(unit).collect();
            let is_unit = rest.starts_with("\\u") && !units.is_empty();
            let is_pair = is_unit && rest.get(6..8) == Some("\\u") && units.len() == 2;
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
            let is_key = rest[length..].trim_start().starts_with(':');
            piece = if is_far && !is_key { format!("\"{number}\"") } else { number.to_owned() };
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
