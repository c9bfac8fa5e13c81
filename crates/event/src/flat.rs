//! A part of an event as a flat list of its values, in the order of the text.
//!
//! In: the text of a value that was checked before. Out: that value as JSON, as the text that Java makes
//! of it, and the texts at a path in it; in all of them without what is blank. One list holds all values,
//! so that an event's objects are read once, with two allocations, whatever is made of them. It never
//! recurses but along a path, and never copies a text that can be borrowed.

use crate::clean::is_blank;
use crate::cut::first_part;
use crate::scan::{Scalar, Span};
use crate::spans::RespellNumber;
use crate::tokens::{Token, Tokens};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_value::{heap_sort_by, is_finite, push_escaped};

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

/// A container that is being written: what of it is still to come.
struct OpenFlat {
    is_object: bool,
    next: u32,
    end: u32,
    is_begun: bool,
}

/// A member in the order of Java's hash table: its bucket, where its key came first, its node.
type JavaPlace = (u32, u32, u32);

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

    /// Calls `leaf` with each value that is no container and not blank, and with its path behind the whole's,
    /// members in the order of their keys; where the whole is an object, without one of its members.
    pub(crate) fn leaves(&self, without: Option<&str>, leaf: &mut dyn FnMut(&str, Span)) {
        let mut path = String::new();
        // With the length of the path of each.
        let mut open: Vec<(OpenFlat, usize)> = Vec::new();
        let mut at = 0;
        loop {
            let Some(node) = self.node(at) else { return };
            match node.value {
                FlatValue::Scalar(span) if !node.is_blank => leaf(&path, span),
                FlatValue::Scalar(_) => {}
                FlatValue::List => open.push((OpenFlat::new(false, at + 1, node.end), path.len())),
                FlatValue::Object(first, last) => {
                    open.push((OpenFlat::new(true, first, last), path.len()));
                }
            }
            at = loop {
                let is_top = open.len() == 1;
                let Some((part, length)) = open.last_mut() else { return };
                path.truncate(*length);
                let Some(next) = self.step(part) else {
                    open.pop();
                    continue;
                };
                let Some(node) = self.node(next) else { return };
                if node.is_blank || node.is_replaced {
                    continue;
                }
                if part.is_object {
                    let key = self.key(next);
                    if is_top && without == Some(&*key) {
                        continue;
                    }
                    path.push('.');
                    path.push_str(&key);
                }
                break next;
            };
        }
    }

    /// The next part of a container.
    fn step(&self, part: &mut OpenFlat) -> Option<u32> {
        match part.is_object {
            true => part.step(|next| Some((*self.sorted.get(next as usize)?, next + 1))),
            false => part.step(|next| Some((next, self.node(next)?.end))),
        }
    }

    /// Adds the value at a node as JSON, members in the order of their keys, numbers in another spelling,
    /// without one member.
    pub(crate) fn write_json(
        &self,
        at: u32,
        respell: RespellNumber,
        without: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        let mut open: Vec<OpenFlat> = Vec::new();
        let mut at = at;
        loop {
            let Some(node) = self.node(at) else { return };
            match node.value {
                FlatValue::Scalar(span) => push_scalar(self.text, span, Some(respell), out),
                FlatValue::List => {
                    out.push(b'[');
                    open.push(OpenFlat::new(false, at + 1, node.end));
                }
                FlatValue::Object(first, last) => {
                    out.push(b'{');
                    open.push(OpenFlat::new(true, first, last));
                }
            }
            at = loop {
                let is_top = open.len() == 1;
                let Some(part) = open.last_mut() else { return };
                let Some(next) = self.step(part) else {
                    out.push(if part.is_object { b'}' } else { b']' });
                    open.pop();
                    continue;
                };
                let Some(node) = self.node(next) else { return };
                let is_left_out =
                    is_top && part.is_object && without.is_some_and(|key| self.key(next) == key);
                if node.is_blank || node.is_replaced || is_left_out {
                    continue;
                }
                if core::mem::replace(&mut part.is_begun, true) {
                    out.push(b',');
                }
                if part.is_object {
                    push_span(self.text, node.key, out);
                    out.push(b':');
                }
                break next;
            };
        }
    }

    /// Adds the whole as Java's `toString` writes it, without one member where that is no container; where
    /// the text is for a JSON string, escaped. Where nothing is left it adds nothing.
    pub(crate) fn write_java(
        &self,
        respell: RespellNumber,
        without: Option<&str>,
        is_escaped: bool,
        out: &mut Vec<u8>,
    ) {
        if !self.is_filled() {
            return;
        }
        let push = |text: &str, is_plain: bool, out: &mut Vec<u8>| match is_escaped && !is_plain {
            true => push_escaped(out, text),
            false => out.extend_from_slice(text.as_bytes()),
        };
        let push_part = |span: Span, out: &mut Vec<u8>| {
            push(&span.decoded(self.text), span.scalar != Scalar::Escaped, out);
        };
        let mut order: Vec<JavaPlace> = Vec::new();
        let mut open: Vec<OpenFlat> = Vec::new();
        let mut at = 0;
        loop {
            let Some(node) = self.node(at) else { return };
            match node.value {
                FlatValue::Scalar(span) => {
                    let is_number = span.scalar == Scalar::Number;
                    match is_number.then(|| respell(span.content(self.text))).flatten() {
                        Some(other) => push(&other, true, out),
                        None => push_part(span, out),
                    }
                }
                FlatValue::List => {
                    out.push(b'[');
                    open.push(OpenFlat::new(false, at + 1, node.end));
                }
                FlatValue::Object(first, last) => {
                    out.push(b'{');
                    let from = order.len() as u32;
                    self.add_java_order((first, last), &mut order);
                    open.push(OpenFlat::new(true, from, order.len() as u32));
                }
            }
            at = loop {
                let is_top = open.len() == 1;
                let Some(part) = open.last_mut() else { return };
                let next = match part.is_object {
                    true => part.step(|next| Some((order.get(next as usize)?.2, next + 1))),
                    false => part.step(|next| Some((next, self.node(next)?.end))),
                };
                let Some(next) = next else {
                    out.push(if part.is_object { b'}' } else { b']' });
                    open.pop();
                    // The members of the objects that are still open.
                    let objects = open.iter().rev().find(|part| part.is_object);
                    order.truncate(objects.map_or(0, |part| part.end as usize));
                    continue;
                };
                let Some(node) = self.node(next) else { return };
                let is_left_out = is_top
                    && matches!(node.value, FlatValue::Scalar(_))
                    && without.is_some_and(|key| part.is_object && self.key(next) == key);
                if node.is_blank || is_left_out {
                    continue;
                }
                if core::mem::replace(&mut part.is_begun, true) {
                    out.extend_from_slice(b", ");
                }
                if part.is_object {
                    push_part(node.key, out);
                    out.push(b'=');
                }
                break next;
            };
        }
    }

    /// The members of an object in the order of a `java.util.HashMap`: by bucket, within one as their keys
    /// came. The table's size counts blank members too.
    fn add_java_order(&self, (first, last): (u32, u32), order: &mut Vec<JavaPlace>) {
        let from = order.len();
        let mut came = None;
        for node in self.sorted.get(first as usize..last as usize).unwrap_or_default() {
            let place = came.take().unwrap_or(*node);
            if self.node(*node).is_some_and(|node| node.is_replaced) {
                came = Some(place);
            } else {
                order.push((0, place, *node));
            }
        }
        let Some(members) = order.get_mut(from..) else { return };
        let mut table: u32 = 16;
        while members.len() as u64 * 4 > u64::from(table) * 3 && table < 1 << 30 {
            table *= 2;
        }
        for (bucket, _, node) in members.iter_mut() {
            *bucket = java_hash(&self.key(*node)) & (table - 1);
        }
        heap_sort_by(members, Ord::cmp);
    }
}

impl OpenFlat {
    fn new(is_object: bool, next: u32, end: u32) -> Self {
        Self { is_object, next, end, is_begun: false }
    }

    /// The part at hand, and to the next one.
    fn step(&mut self, part: impl FnOnce(u32) -> Option<(u32, u32)>) -> Option<u32> {
        if self.next >= self.end {
            return None;
        }
        let (at, next) = part(self.next)?;
        self.next = next;
        Some(at)
    }
}

/// A segment of a path: its key, and whether its value has to be a list.
pub(crate) fn named(segment: &str) -> (&str, bool) {
    segment.strip_suffix("[]").map_or((segment, false), |key| (key, true))
}

/// Adds a scalar as JSON. With another spelling of numbers a number that no double holds is a string.
pub(crate) fn push_scalar(
    text: &str,
    span: Span,
    respell: Option<RespellNumber>,
    out: &mut Vec<u8>,
) {
    let content = span.content(text);
    match (span.scalar, respell) {
        (Scalar::Plain | Scalar::Escaped, _) => push_span(text, span, out),
        (Scalar::Number, Some(_)) if !is_finite(content) => push_plain(content, out),
        (Scalar::Number, Some(respell)) => match respell(content) {
            Some(other) => out.extend_from_slice(other.as_bytes()),
            None => out.extend_from_slice(content.as_bytes()),
        },
        _ => out.extend_from_slice(content.as_bytes()),
    }
}

/// Adds a string of the text as a JSON string.
fn push_span(text: &str, span: Span, out: &mut Vec<u8>) {
    match span.scalar {
        Scalar::Escaped => {
            out.push(b'"');
            push_escaped(out, &span.decoded(text));
            out.push(b'"');
        }
        // Without a backslash it is written as it would be here.
        _ => push_plain(span.content(text), out),
    }
}

/// Adds a text in quotes in which nothing needs an escape.
fn push_plain(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// `String.hashCode`, spread as `HashMap` does.
fn java_hash(key: &str) -> u32 {
    let units = key.encode_utf16();
    let hash = units.fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    hash ^ hash >> 16
}
