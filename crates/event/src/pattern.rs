//! Fields asked by a pattern over their names (`aws.*.arn`). In: an event and a pattern. Out: the
//! values of all fields whose names fit. The slow way, for the rare query that needs it: the whole
//! event is walked once more. A key that comes twice in one object counts twice here.

use crate::cloudtrail::{COPIED, DERIVED, OBJECT_FIELDS, Source};
use crate::fields::{EventFields, Value};
use crate::path::{Node, OBJECTS, Trie};
use crate::scan::{Span, decode};
use crate::tokens::{Token, Tokens};
use crate::walk::Kind;
use alloc::string::String;
use alloc::vec::Vec;

/// Longer field names fit no pattern; it bounds the time for hostile events.
const MAX_NAME: usize = 1024;

/// A pattern, and what of a raw event fits it.
#[derive(Debug)]
pub(crate) struct Pattern {
    pattern: String,
    known: Vec<Source>,
    /// Flattened objects: their ECS name and where they stand.
    flattened: Vec<(&'static str, Node)>,
}

impl Pattern {
    pub(crate) fn new(pattern: String, trie: &mut Trie) -> Self {
        let names = COPIED.iter().map(|(name, _)| *name);
        let names = names.chain(DERIVED.iter().copied());
        let names: Vec<&str> = names.chain(OBJECT_FIELDS.iter().map(|field| field.0)).collect();
        let known = names.into_iter().filter(|name| fits(&pattern, name));
        Self {
            known: known.map(|name| Source::new(name, trie)).collect(),
            flattened: OBJECT_FIELDS
                .iter()
                .map(|(_, flattened, raw)| (*flattened, trie.add(raw, OBJECTS)))
                .collect(),
            pattern,
        }
    }
}

/// The values of the fields that fit.
pub(crate) fn values<'a>(event: &EventFields<'a>, pattern: &Pattern) -> Vec<Value<'a>> {
    let mut found = Vec::new();
    let text = event.whole_text();
    if !event.is_raw_cloudtrail() {
        leaves(text, event.event.start, "", |name, span| {
            if fits(&pattern.pattern, name) {
                found.extend(Value::from_span(text, span));
            }
        });
        return found;
    }
    for source in &pattern.known {
        found.extend(event.derived(source));
    }
    for (name, node) in &pattern.flattened {
        for object in event.captures(*node).filter(|capture| capture.kind == Kind::Object) {
            leaves(text, object.start as usize, name, |name, span| {
                if fits(&pattern.pattern, name) {
                    found.extend(Value::from_span(text, span).filter(|value| !value.is_blank()));
                }
            });
        }
    }
    found
}

/// Calls `leaf` with the dotted name and the span of every scalar in the value at `at`.
fn leaves(text: &str, at: usize, prefix: &str, mut leaf: impl FnMut(&str, Span)) {
    let mut name = String::from(prefix);
    // The length of the name at each open container.
    let mut lengths = Vec::new();
    for token in Tokens::new(text, at) {
        match token {
            Token::Open(_) => lengths.push(name.len()),
            Token::Close => name.truncate(lengths.pop().unwrap_or(0)),
            Token::Key(key) => {
                name.truncate(lengths.last().copied().unwrap_or(0));
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(&decode(text.get(key.start..key.end).unwrap_or_default()));
            }
            Token::Scalar(span) if name.len() <= MAX_NAME => leaf(&name, span),
            Token::Scalar(_) => {}
        }
    }
}

/// Whether the whole name fits a pattern in which `*` stands for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        match rest.split_once(piece) {
            _ if piece.is_empty() => {}
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_pattern_covers_the_whole_name() {
        for (pattern, name, fit) in [
            ("*", "a.b", true),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("*.b", "a.b", true),
            ("*.b", "a.bc", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("ab*ba", "aba", false),
            ("**", "", true),
            ("a**b", "ab", true),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }
}
