//! A part of an event as a flat list of its values, in the order of the text.
//!
//! In: the text of a value that was checked before. Out: what is in it, and the texts at a path; both
//! without what is blank. It is written in `write`. One list holds all values, so that an event's objects
//! are read once, with two allocations, whatever is made of them. It never recurses but along a path, and
//! never copies a text that can be borrowed.

mod write;

pub(crate) use write::push_scalar;

use crate::clean::is_blank;
use crate::cut::first_part;
use crate::scan::{Scalar, Span};
use crate::tokens::{Token, Tokens};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use firstseen_value::heap_sort_by;

const NO_KEY: Span = Span { scalar: Scalar::Plain, start: 0, end: 0 };
/// So many members are sorted by insertion.
const FEW: usize = 24;

/// A value with all that is in it.
pub(crate) struct FlatTree<'t> {
    text: &'t str,
    nodes: Vec<FlatNode>,
    /// The members of each object, in the order of their keys; of equal keys the last one counts.
    sorted: Vec<u32>,
}

#[derive(Clone, Copy)]
struct FlatNode {
    key: Span,
    value: FlatValue,
    /// The node behind all that is in it.
    end: u32,
    is_blank: bool,
    /// The object has the key again, behind it.
    is_replaced: bool,
}

#[derive(Clone, Copy)]
enum FlatValue {
    Scalar(Span),
    List,
    /// From where to where its members are in `sorted`.
    Object(u32, u32),
}

impl<'t> FlatTree<'t> {
    /// Reads the value that begins at `at`.
    pub(crate) fn read(text: &'t str, at: usize) -> Self {
        let mut tree = Self { text, nodes: Vec::with_capacity(32), sorted: Vec::new() };
        let mut open: Vec<usize> = Vec::new();
        let mut key = NO_KEY;
        for token in Tokens::new(text, at) {
            let (value, is_blank) = match token {
                Token::Key(span) => {
                    key = span;
                    continue;
                }
                Token::Close => {
                    if let Some(at) = open.pop() {
                        tree.close(at);
                    }
                    continue;
                }
                Token::Scalar(span) => {
                    let is_blank = match span.scalar {
                        Scalar::Null => true,
                        Scalar::Plain => is_blank(span.content(text)),
                        Scalar::Escaped => is_blank(&span.decoded(text)),
                        Scalar::True | Scalar::False | Scalar::Number => false,
                    };
                    (FlatValue::Scalar(span), is_blank)
                }
                Token::Open(is_object) => {
                    open.push(tree.nodes.len());
                    (if is_object { FlatValue::Object(0, 0) } else { FlatValue::List }, true)
                }
            };
            let end = tree.nodes.len() as u32 + 1;
            tree.nodes.push(FlatNode { key, value, end, is_blank, is_replaced: false });
            key = NO_KEY;
        }
        tree
    }

    /// Ends a container: what is in it is known.
    fn close(&mut self, at: usize) {
        let end = self.nodes.len() as u32;
        let first = self.sorted.len();
        let mut is_blank = true;
        let is_object =
            self.nodes.get(at).is_some_and(|node| !matches!(node.value, FlatValue::List));
        let mut next = at as u32 + 1;
        while let Some(node) = self.nodes.get(next as usize) {
            if is_object {
                self.sorted.push(next);
            }
            is_blank &= node.is_blank;
            next = node.end;
        }
        if is_object && self.sort(first) {
            let nodes = self.sorted.get(first..).unwrap_or_default().iter();
            let mut nodes = nodes.filter_map(|node| self.nodes.get(*node as usize));
            is_blank = nodes.all(|node| node.is_blank || node.is_replaced);
        }
        let last = self.sorted.len() as u32;
        if let Some(node) = self.nodes.get_mut(at) {
            (node.end, node.is_blank) = (end, is_blank);
            if is_object {
                node.value = FlatValue::Object(first as u32, last);
            }
        }
    }

    /// Sorts the members of an object; whether any is replaced by another one.
    fn sort(&mut self, first: usize) -> bool {
        let Self { text, nodes, sorted } = self;
        let members = sorted.get_mut(first..).unwrap_or_default();
        let key =
            |node: u32| nodes.get(node as usize).map_or(NO_KEY, |node| node.key).decoded(text);
        if members.len() <= FEW {
            for end in 1..members.len() {
                let mut at = end;
                while let Some([before, node]) = members.get(at.wrapping_sub(1)..=at)
                    && key(*before) > key(*node)
                {
                    members.swap(at - 1, at);
                    at -= 1;
                }
            }
        } else {
            heap_sort_by(members, |left, right| key(*left).cmp(&key(*right)).then(left.cmp(right)));
        }
        let mut replaced = Vec::new();
        for pair in members.windows(2) {
            if let [before, node] = pair
                && key(*before) == key(*node)
            {
                replaced.push(*before);
            }
        }
        for node in &replaced {
            if let Some(node) = nodes.get_mut(*node as usize) {
                node.is_replaced = true;
            }
        }
        !replaced.is_empty()
    }

    fn node(&self, at: u32) -> Option<&FlatNode> {
        self.nodes.get(at as usize)
    }

    fn key(&self, at: u32) -> Cow<'t, str> {
        self.node(at).map_or(NO_KEY, |node| node.key).decoded(self.text)
    }

    /// The members of an object that count, the blank ones too, in the order of their keys.
    fn members(&self, at: u32) -> impl Iterator<Item = u32> + '_ {
        let (first, last) = match self.node(at).map(|node| node.value) {
            Some(FlatValue::Object(first, last)) => (first as usize, last as usize),
            _ => (0, 0),
        };
        let members = self.sorted.get(first..last).unwrap_or_default().iter().copied();
        members.filter(|at| self.node(*at).is_some_and(|node| !node.is_replaced))
    }

    fn member(&self, at: u32, key: &str) -> Option<u32> {
        self.members(at).find(|member| self.key(*member) == key)
    }

    /// Whether anything is left of it without what is blank.
    pub(crate) fn is_filled(&self) -> bool {
        self.node(0).is_some_and(|node| !node.is_blank)
    }

    /// Whether it is an object, and has a member that is left, besides that one.
    pub(crate) fn has_others(&self, key: &str) -> bool {
        let is_filled = |at: &u32| self.node(*at).is_some_and(|node| !node.is_blank);
        self.members(0).filter(is_filled).any(|member| self.key(member) != key)
    }

    pub(crate) fn is_object(&self) -> bool {
        self.node(0).is_some_and(|node| matches!(node.value, FlatValue::Object(..)))
    }

    /// Whether a member of the object is no object itself, or is not there.
    pub(crate) fn is_plain_member(&self, key: &str) -> bool {
        let member = self.member(0, key).and_then(|at| self.node(at));
        member.is_none_or(|node| node.is_blank || !matches!(node.value, FlatValue::Object(..)))
    }

    /// Whether the object has such a member that is no container, be it replaced by another one.
    pub(crate) fn had_scalar(&self, key: &str) -> bool {
        let mut next = 1;
        while let Some(node) = self.node(next).filter(|_| self.is_object()) {
            let is_scalar = matches!(node.value, FlatValue::Scalar(_)) && !node.is_blank;
            if is_scalar && self.key(next) == key {
                return true;
            }
            next = node.end;
        }
        false
    }

    /// The node at a path of objects.
    pub(crate) fn at(&self, path: &str) -> Option<u32> {
        let (mut at, mut rest) = (0, path);
        while !rest.is_empty() {
            let (key, below) = first_part(rest, b'.');
            at = self.member(at, key)?;
            rest = below;
        }
        self.node(at).filter(|node| !node.is_blank).map(|_| at)
    }

    /// Calls `found` with each value at a path that is no list and no object. A segment may have `[]`
    /// behind it: its value has to be a list.
    pub(crate) fn each(&self, is_list: bool, path: &str, found: &mut dyn FnMut(Cow<'t, str>)) {
        self.below(0, is_list, path, found);
    }

    /// Recursion follows the path.
    fn below(&self, at: u32, is_list: bool, path: &str, found: &mut dyn FnMut(Cow<'t, str>)) {
        let Some(node) = self.node(at).filter(|node| !node.is_blank) else { return };
        match (node.value, is_list) {
            (FlatValue::List, _) if is_list || path.is_empty() => {
                let mut next = at + 1;
                while let Some(item) = self.node(next).filter(|_| next < node.end) {
                    match (item.value, is_list) {
                        (_, true) => self.below(next, false, path, found),
                        (FlatValue::Scalar(span), false) if !item.is_blank => {
                            found(span.decoded(self.text));
                        }
                        _ => {}
                    }
                    next = item.end;
                }
            }
            (FlatValue::Scalar(span), false) if path.is_empty() => found(span.decoded(self.text)),
            (FlatValue::Object(..), false) if !path.is_empty() => {
                let (segment, rest) = first_part(path, b'.');
                let (key, is_list) = named(segment);
                if let Some(member) = self.member(at, key) {
                    self.below(member, is_list, rest, found);
                }
            }
            _ => {}
        }
    }
}

/// A segment of a path: its key, and whether its value has to be a list.
pub(crate) fn named(segment: &str) -> (&str, bool) {
    segment.strip_suffix("[]").map_or((segment, false), |key| (key, true))
}
