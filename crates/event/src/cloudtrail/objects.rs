//! Whole objects of an event as trees, and the values at a path in them.
//!
//! In: the spans of an event, paths with `[]` behind the name of a list
//! (`responseElements.instancesSet.items[].instanceId`). Out: texts, each once. An object is made a
//! tree when a path in it is first asked for, blank values are taken out of it.

use crate::cut::{any_part, first_part};
use crate::json::{Json, discard};
use crate::path::{ARRAYS, Node, OBJECTS, SCALARS, Trie};
use crate::spans::{Spans, TextSet};
use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;

/// The parts of an event that paths begin with.
const ROOTS: [&str; 6] = [
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "resources",
    "recipientAccountId",
    "sourceIdentity",
];

pub(super) struct WholeObjects([Node; ROOTS.len()]);

impl WholeObjects {
    pub(super) fn new(trie: &mut Trie) -> Self {
        Self(ROOTS.map(|root| trie.add(root, SCALARS | OBJECTS | ARRAYS)))
    }

    /// The trees of one event.
    pub(super) fn of<'o, 'a>(&'o self, event: &'o Spans<'a>) -> Trees<'o, 'a> {
        Trees { nodes: self, event, read: ROOTS.map(|_| None) }
    }
}

/// What was read of an event so far.
pub(super) struct Trees<'o, 'a> {
    nodes: &'o WholeObjects,
    event: &'o Spans<'a>,
    /// `Some(Json::Null)`: there is none.
    read: [Option<Json>; ROOTS.len()],
}

impl Drop for Trees<'_, '_> {
    fn drop(&mut self) {
        self.read.iter_mut().filter_map(Option::take).for_each(discard);
    }
}

impl Trees<'_, '_> {
    /// Calls `found` with each value at the path that is no list and no object.
    fn each(&mut self, path: &str, found: &mut dyn FnMut(&Json)) {
        let (root, rest) = first_part(path, b'.');
        let (root, is_list) = named(root);
        let Some(at) = ROOTS.iter().position(|known| *known == root) else { return };
        let (Some(node), Some(slot)) = (self.nodes.0.get(at), self.read.get_mut(at)) else {
            return;
        };
        let tree = slot.get_or_insert_with(|| tree(self.event, *node).unwrap_or_default());
        below(tree, is_list, rest, found);
    }

    /// Adds the texts at paths that are separated by blanks.
    pub(super) fn add(&mut self, paths: &str, to: &mut TextSet<'_>) {
        to.extend(self.texts(paths));
    }

    /// The texts at paths that are separated by blanks.
    pub(super) fn texts(&mut self, paths: &str) -> Vec<Cow<'static, str>> {
        let mut texts = Vec::new();
        any_part(paths, b' ', &mut |path| {
            self.each(path, &mut |value| texts.extend(text(value)));
            false
        });
        texts
    }
}

/// The value at a node as a tree, without what is blank; `None` where nothing is left.
pub(super) fn tree(event: &Spans<'_>, node: Node) -> Option<Json> {
    let tree = Json::read_filled(event.json(node)?).ok()?;
    (!tree.is_blank()).then_some(tree)
}

/// A segment of a path: its key, and whether its value has to be a list.
fn named(segment: &str) -> (&str, bool) {
    segment.strip_suffix("[]").map_or((segment, false), |key| (key, true))
}

/// The values at `path` in a value, or in each element of the list that it is. Recursion follows
/// the path.
fn below(value: &Json, is_list: bool, path: &str, found: &mut dyn FnMut(&Json)) {
    match (value, is_list) {
        (Json::List(items), true) => items.iter().for_each(|item| below(item, false, path, found)),
        (_, true) => {}
        (Json::List(items), false) if path.is_empty() => items.iter().for_each(found),
        (value, false) if path.is_empty() => found(value),
        (Json::Object(members), false) => {
            let (segment, rest) = first_part(path, b'.');
            let (key, is_list) = named(segment);
            if let Some(value) = members.get(key) {
                below(value, is_list, rest, found);
            }
        }
        _ => {}
    }
}

fn text(value: &Json) -> Option<Cow<'static, str>> {
    match value {
        Json::Bool(value) => Some(value.to_string().into()),
        Json::Number(text) | Json::Text(text) => Some(text.clone().into()),
        Json::Null | Json::List(_) | Json::Object(_) | Json::Written(_) => None,
    }
}
