//! JSON in many spellings. In: a value and a seed. Out: a text with the same value, with the keys
//! in another order and with escapes and white space where JSON allows them.

use serde_json::Value;

/// Pseudo-random numbers (xorshift) for decisions that proptest need not shrink.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice with a sequence that depends on the seed. Seed 0 always rolls 0.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub const fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// The value as text without line breaks; seed 0 is serde_json's own compact form.
#[must_use]
pub fn write(value: &Value, seed: u64) -> String {
    let escapes = if seed == 0 { Escapes::Needed } else { ESCAPES[(seed % 4) as usize] };
    let mut writer =
        Writer { out: String::new(), dice: Dice::new(seed), plain: seed == 0, escapes };
    writer.value(value);
    writer.out
}

/// Which characters of a document are escaped.
#[derive(Clone, Copy, PartialEq)]
enum Escapes {
    /// Only those that must be.
    Needed,
    /// Slashes too, as some writers do.
    Slashes,
    /// Any character, in some texts.
    Any,
}

const ESCAPES: [Escapes; 4] = [Escapes::Any, Escapes::Needed, Escapes::Any, Escapes::Slashes];

struct Writer {
    out: String,
    dice: Dice,
    plain: bool,
    escapes: Escapes,
}

impl Writer {
    fn space(&mut self) {
        if !self.plain {
            self.out.push_str(["", "", "", " ", "\t", " \t"][self.dice.roll(6) as usize]);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.space();
                    self.value(item);
                    self.space();
                }
                self.out.push(']');
            }
            Value::Object(members) => {
                let turn = self.dice.roll(members.len().max(1) as u64) as usize;
                let order = members.iter().skip(turn).chain(members.iter().take(turn));
                self.out.push('{');
                for (index, (key, value)) in order.enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.space();
                    self.text(key);
                    self.space();
                    self.out.push(':');
                    self.space();
                    self.value(value);
                    self.space();
                }
                self.out.push('}');
            }
            scalar => self.out.push_str(&scalar.to_string()),
        }
    }

    fn text(&mut self, text: &str) {
        // Most texts are written plainly; in the others every fourth character is escaped.
        if self.escapes != Escapes::Any || self.dice.roll(4) > 0 {
            let text = Value::from(text).to_string();
            let slashes = self.escapes == Escapes::Slashes;
            self.out.push_str(&if slashes { text.replace('/', "\\/") } else { text });
            return;
        }
        self.out.push('"');
        for character in text.chars() {
            let must = matches!(character, '"' | '\\' | '\0'..='\x1f');
            if character == '/' && self.dice.roll(2) == 0 {
                self.out.push_str("\\/");
            } else if must || self.dice.roll(4) == 0 {
                let upper = self.dice.roll(2) == 0;
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let hex =
                        if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
                    self.out.push_str(&hex);
                }
            } else {
                self.out.push(character);
            }
        }
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_spelling_has_the_same_value() {
        let value = json!({ "a": [1, "x/\"\u{e9}\u{1f600}\n", {}], "b": null, "c": { "d": "CreateStack" } });
        assert_eq!(write(&value, 0), value.to_string());
        let texts: Vec<String> = (0..200).map(|seed| write(&value, seed * 7919)).collect();
        for text in &texts {
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), value, "{text}");
        }
        let some = |part| texts.iter().any(|text| text.contains(part));
        assert!(some("\\u00") && some("\\/") && some("x/"));
    }
}
