//! Words behind `--rule`, as a shell expands `out/*.wasm`.
//!
//! In: the words of the command line. Out: the same, with `--rule` before each word that is a rule
//! too: those that follow a rule and end in `.wasm` or `.toml`. The first other word begins the
//! inputs; tests among them (`.test.toml`) are left out. It looks at names alone, never at a file.

use crate::registry::reference::is_reference;
use crate::rules::find::is_test;
use std::ffi::{OsStr, OsString};
use std::path::Path;

const OPTION: &str = "--rule";

/// Whether a word is a rule by its name.
pub(super) fn is_rule(word: &OsStr) -> bool {
    let ending = Path::new(word).extension();
    is_reference(Path::new(word))
        || ending.is_some_and(|ending| ending == "wasm" || ending == "toml")
}

/// The words, each rule behind a `--rule` of its own.
#[must_use]
pub fn expanded(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::new();
    let (mut takes_rules, mut after_rule, mut is_value) = (false, false, false);
    let mut words = words.into_iter();
    for word in words.by_ref() {
        if is_value {
            (is_value, after_rule) = (false, true);
        } else if word == "--" {
            out.push(word);
            break;
        } else if takes_rules && word == OPTION {
            (is_value, after_rule) = (true, false);
        } else if takes_rules && word.as_encoded_bytes().starts_with(b"--rule=") {
            after_rule = true;
        } else if after_rule && is_test(&word) {
            // A test beside its rule, which the shell took for one more rule.
            continue;
        } else if after_rule && is_rule(&word) && !word.as_encoded_bytes().starts_with(b"-") {
            out.push(OPTION.into());
        } else {
            after_rule = false;
            takes_rules |=
                ["run", "explain", "learn", "bench"].iter().any(|command| word == *command);
        }
        out.push(word);
    }
    out.extend(words);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> String {
        let words = expanded(line.split(' ').map(OsString::from));
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rules_go_on_until_the_first_other_word() {
        for (line, expected) in [
            ("f run --rule a.wasm b.wasm logs", "f run --rule a.wasm --rule b.wasm logs"),
            ("f run --rule a b.toml c.wasm", "f run --rule a --rule b.toml --rule c.wasm"),
            (
                "f run --rule a.toml a.test.toml b.toml logs",
                "f run --rule a.toml --rule b.toml logs",
            ),
            ("f run --rule=a.wasm b.wasm -", "f run --rule=a.wasm --rule b.wasm -"),
            ("f -q explain --rule a.wasm b.wasm", "f -q explain --rule a.wasm --rule b.wasm"),
            // Behind an input or another option nothing is a rule.
            ("f run --rule a.wasm logs b.wasm", "f run --rule a.wasm logs b.wasm"),
            (
                "f run --rule a.wasm --settings b.toml c.wasm",
                "f run --rule a.wasm --settings b.toml c.wasm",
            ),
            ("f run a.wasm --rule b.wasm", "f run a.wasm --rule b.wasm"),
            ("f run --rule a.wasm -- b.wasm", "f run --rule a.wasm -- b.wasm"),
            ("f run --rule run b.wasm", "f run --rule run --rule b.wasm"),
            ("f learn --rule a.wasm b.wasm x", "f learn --rule a.wasm --rule b.wasm x"),
            ("f bench --rule a.wasm b.wasm x", "f bench --rule a.wasm --rule b.wasm x"),
            ("f run --rule", "f run --rule"),
            // Of other commands these are no rules.
            ("f build --rule a.toml b.toml", "f build --rule a.toml b.toml"),
        ] {
            assert_eq!(of(line), expected);
        }
    }
}
