//! Whole objects of an event as trees, and the values at a path in them.
//!
//! In: the spans of an event, paths with `[]` behind the name of a list
//! (`responseElements.instancesSet.items[].instanceId`). Out: texts, each once. An object is made a
//! tree when a path in it is first asked for, blank values are taken out of it.

use crate::cut::{any_part, first_part};
use crate::flat::named;
use crate::path::{ARRAYS, Node, OBJECTS, SCALARS, Trie};
use crate::raw::EventCache;
use crate::spans::{Spans, TextSet};
use alloc::borrow::Cow;
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

/// Places of two of them.
pub(super) const REQUEST: usize = 0;
pub(super) const RESPONSE: usize = 1;

pub(super) struct WholeObjects([Node; ROOTS.len()]);

impl WholeObjects {
    pub(super) fn new(trie: &mut Trie) -> Self {
        Self(ROOTS.map(|root| trie.add(root, SCALARS | OBJECTS | ARRAYS)))
    }

    /// The trees of one event.
    pub(super) fn of<'o, 'a>(
        &'o self,
        event: &'o Spans<'a>,
        cache: &'o mut EventCache<'a>,
    ) -> Trees<'o, 'a> {
        Trees { nodes: self, event, cache }
    }
}

/// What was read of an event so far.
pub(super) struct Trees<'o, 'a> {
    nodes: &'o WholeObjects,
    event: &'o Spans<'a>,
    cache: &'o mut EventCache<'a>,
}

impl<'a> Trees<'_, 'a> {
    /// Adds the texts at paths that are separated by blanks.
    pub(super) fn add(&mut self, paths: &str, to: &mut TextSet<'a>) {
        any_part(paths, b' ', &mut |path| {
            self.each(path, &mut |text| to.add(text));
            false
        });
    }

    /// The texts at paths that are separated by blanks.
    pub(super) fn texts(&mut self, paths: &str) -> Vec<Cow<'a, str>> {
        let mut texts = Vec::new();
        any_part(paths, b' ', &mut |path| {
            self.each(path, &mut |text| texts.push(text));
            false
        });
        texts
    }

    /// The texts in one of the objects, at paths in it that are separated by blanks.
    pub(super) fn texts_in(&mut self, object: usize, paths: &str) -> Vec<Cow<'a, str>> {
        let mut texts = Vec::new();
        let node = self.nodes.0.get(object);
        if let Some(tree) = node.and_then(|node| self.cache.tree(self.event, *node)) {
            any_part(paths, b' ', &mut |path| {
                tree.each(false, path, &mut |text| texts.push(text));
                false
            });
        }
        texts
    }

    /// Calls `found` with each value at the path that is no list and no object.
    fn each(&mut self, path: &str, found: &mut dyn FnMut(Cow<'a, str>)) {
        let (root, rest) = first_part(path, b'.');
        let (root, is_list) = named(root);
        let Some(at) = ROOTS.iter().position(|known| *known == root) else { return };
        let Some(node) = self.nodes.0.get(at) else { return };
        if let Some(tree) = self.cache.tree(self.event, *node) {
            tree.each(is_list, rest, found);
        }
    }
}
