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
