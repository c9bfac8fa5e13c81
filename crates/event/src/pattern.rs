//! Fields requested by a pattern over their names (`aws.*.arn`).
//!
//! In: an event and a pattern. Out: the values of all fields whose names fit. The slow way, for the
//! rare query that needs it: the whole event is walked once more. A key that comes twice in one
//! object counts twice here.

use crate::path::Trie;
use crate::raw::{RawField, RawSource};
use crate::scan::Span;
use crate::sources::SOURCES;
use crate::spans::{Spans, value_of_span};
use crate::tokens::{Token, Tokens};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_value::{Glob, Value};

/// Longer field names fit no pattern; it bounds the time for hostile events.
const MAX_NAME: usize = 1024;

/// A pattern, and what fits it in the events of each raw source.
#[derive(Debug)]
pub(crate) struct Pattern {
    glob: Glob,
    sources: Box<[RawFit]>,
}

/// What of one raw source fits a pattern, or may.
#[derive(Debug)]
struct RawFit {
    known: Vec<RawField>,
    /// Flattened objects, and their ECS names.
    flattened: Vec<(&'static str, RawField)>,
}

impl Pattern {
    pub(crate) fn new(pattern: &str, trie: &mut Trie) -> Self {
        let glob = Glob::parse(pattern);
        let sources = SOURCES.iter().map(|source| RawFit::new(&glob, source, trie)).collect();
        Self { glob, sources }
    }

    /// The values of the fields that fit, in an ECS document or in an event of a raw source.
    pub(crate) fn values<'a>(&self, event: &Spans<'a>, source: Option<usize>) -> Vec<Value<'a>> {
        let mut found = Vec::new();
        let text = event.whole_text();
        let Some(source) = source.and_then(|source| self.sources.get(source)) else {
            leaves(text, event.start(), "", |name, span| {
                if self.glob.matches(name) {
                    found.extend(value_of_span(text, span));
                }
            });
            return found;
        };
        for field in &source.known {
            found.extend(field.values(event));
        }
        for (name, field) in &source.flattened {
            let RawField::Computed(field) = field else { continue };
            let mut full = String::from(*name);
            field.leaves(event, &mut |below, value| {
                full.truncate(name.len());
                full.push_str(below);
                if full.len() <= MAX_NAME && self.glob.matches(&full) {
                    found.push(value);
                }
            });
        }
        found
    }
}

impl RawFit {
    fn new(glob: &Glob, source: &RawSource, trie: &mut Trie) -> Self {
        let known = source.names().filter(|name| glob.matches(name));
        Self {
            known: known.map(|name| source.field(name, trie)).collect(),
            flattened: source
                .objects
                .iter()
                .map(|object| (object.flattened, source.field(object.flattened, trie)))
                .collect(),
        }
    }
}

/// The values of an ECS document at a name and below it, however it is spelled.
pub(crate) fn values_below<'a>(event: &Spans<'a>, name: &str) -> Vec<Value<'a>> {
    let mut found = Vec::new();
    let text = event.whole_text();
    leaves(text, event.start(), "", |full, span| {
        let rest = full.strip_prefix(name);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            found.extend(value_of_span(text, span));
        }
    });
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
                name.push_str(&key.decoded(text));
            }
            Token::Scalar(span) if name.len() <= MAX_NAME => leaf(&name, span),
            Token::Scalar(_) => {}
        }
    }
}
