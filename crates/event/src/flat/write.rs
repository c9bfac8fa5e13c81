//! A flat tree as it is written: as JSON, as the text that Java makes of it, leaf by leaf.
//!
//! In: a tree. Out: text, or each value that is no container with its path; without what is blank. One
//! loop goes over the open containers, whatever is written. It never recurses.

use super::{FlatTree, FlatValue};
use crate::scan::{Scalar, Span};
use crate::spans::RespellNumber;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_value::{heap_sort_by, is_finite, push_escaped, push_plain};

/// How a tree is walked over.
struct FlatOrder<'w> {
    /// Members come in the order of Java's hash table, otherwise in that of their keys.
    is_java: bool,
    /// A member that is left out where the whole is an object,
    without: Option<&'w str>,
    /// but not where it is a container.
    keeps_containers: bool,
}

/// What a walk comes by.
enum FlatStep {
    /// An object (true) or a list begins.
    Open(bool),
    Close(bool),
    /// The next part of a container; of an object its key. Whether it is the first.
    Part(Option<Span>, bool),
    Scalar(Span),
}

/// A container that a walk is in: what of it is still to come.
struct OpenFlat {
    is_object: bool,
    next: u32,
    end: u32,
    is_begun: bool,
}

/// A member in the order of Java's hash table: its bucket, where its key came first, its node.
type JavaPlace = (u32, u32, u32);

impl<'t> FlatTree<'t> {
    /// Calls `each` with what is at a node and in it, in order.
    fn walk(&self, at: u32, by: &FlatOrder<'_>, each: &mut dyn FnMut(FlatStep)) {
        let mut order: Vec<JavaPlace> = Vec::new();
        let mut open: Vec<OpenFlat> = Vec::new();
        let mut at = at;
        loop {
            let Some(node) = self.node(at) else { return };
            let opened = match node.value {
                FlatValue::Scalar(span) => {
                    each(FlatStep::Scalar(span));
                    None
                }
                FlatValue::List => Some((false, at + 1, node.end)),
                FlatValue::Object(first, last) if by.is_java => {
                    let from = order.len() as u32;
                    self.add_java_order((first, last), &mut order);
                    Some((true, from, order.len() as u32))
                }
                FlatValue::Object(first, last) => Some((true, first, last)),
            };
            if let Some((is_object, next, end)) = opened {
                each(FlatStep::Open(is_object));
                open.push(OpenFlat { is_object, next, end, is_begun: false });
            }
            at = loop {
                let is_top = open.len() == 1;
                let Some(part) = open.last_mut() else { return };
                let Some(next) = self.step(part, by.is_java.then_some(&order)) else {
                    each(FlatStep::Close(part.is_object));
                    open.pop();
                    if by.is_java {
                        // The members of the objects that are still open.
                        let objects = open.iter().rev().find(|part| part.is_object);
                        order.truncate(objects.map_or(0, |part| part.end as usize));
                    }
                    continue;
                };
                let Some(node) = self.node(next) else { return };
                let is_scalar = matches!(node.value, FlatValue::Scalar(_));
                let is_left_out = || {
                    let without = by.without.filter(|_| is_top && part.is_object);
                    without.is_some_and(|key| self.key(next) == key)
                        && (is_scalar || !by.keeps_containers)
                };
                if node.is_blank || node.is_replaced || is_left_out() {
                    continue;
                }
                let is_first = !core::mem::replace(&mut part.is_begun, true);
                each(FlatStep::Part(part.is_object.then_some(node.key), is_first));
                break next;
            };
        }
    }

    /// The next part of a container.
    fn step(&self, part: &mut OpenFlat, java: Option<&Vec<JavaPlace>>) -> Option<u32> {
        let at = part.next;
        if at >= part.end {
            return None;
        }
        part.next = at + 1;
        match (part.is_object, java) {
            (true, Some(order)) => order.get(at as usize).map(|place| place.2),
            (true, None) => self.sorted.get(at as usize).copied(),
            (false, _) => {
                part.next = self.node(at)?.end;
                Some(at)
            }
        }
    }

    /// Calls `leaf` with each value that is no container and not blank, and with its path behind the whole's,
    /// members in the order of their keys; where the whole is an object, without one of its members.
    pub(crate) fn leaves(&self, without: Option<&str>, leaf: &mut dyn FnMut(&str, Span)) {
        if !self.is_filled() {
            return;
        }
        let mut path = String::new();
        // The length of the path of each open container.
        let mut lengths: Vec<usize> = Vec::new();
        let order = FlatOrder { is_java: false, without, keeps_containers: false };
        self.walk(0, &order, &mut |step| match step {
            FlatStep::Open(_) => lengths.push(path.len()),
            FlatStep::Close(_) => {
                lengths.pop();
            }
            FlatStep::Part(key, _) => {
                path.truncate(lengths.last().copied().unwrap_or_default());
                if let Some(key) = key {
                    path.push('.');
                    path.push_str(&key.decoded(self.text));
                }
            }
            FlatStep::Scalar(span) => leaf(&path, span),
        });
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
        let order = FlatOrder { is_java: false, without, keeps_containers: false };
        self.walk(at, &order, &mut |step| match step {
            FlatStep::Open(is_object) => out.push(if is_object { b'{' } else { b'[' }),
            FlatStep::Close(is_object) => out.push(if is_object { b'}' } else { b']' }),
            FlatStep::Part(key, is_first) => {
                if !is_first {
                    out.push(b',');
                }
                if let Some(key) = key {
                    push_span(self.text, key, out);
                    out.push(b':');
                }
            }
            FlatStep::Scalar(span) => push_scalar(self.text, span, Some(respell), out),
        });
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
        let push = |span: Span, out: &mut Vec<u8>| match span.scalar {
            Scalar::Escaped if is_escaped => push_escaped(out, &span.decoded(self.text)),
            _ => out.extend_from_slice(span.decoded(self.text).as_bytes()),
        };
        let order = FlatOrder { is_java: true, without, keeps_containers: true };
        self.walk(0, &order, &mut |step| match step {
            FlatStep::Open(is_object) => out.push(if is_object { b'{' } else { b'[' }),
            FlatStep::Close(is_object) => out.push(if is_object { b'}' } else { b']' }),
            FlatStep::Part(key, is_first) => {
                if !is_first {
                    out.extend_from_slice(b", ");
                }
                if let Some(key) = key {
                    push(key, out);
                    out.push(b'=');
                }
            }
            FlatStep::Scalar(span) => {
                let is_number = span.scalar == Scalar::Number;
                match is_number.then(|| respell(span.content(self.text))).flatten() {
                    Some(other) => out.extend_from_slice(other.as_bytes()),
                    None => push(span, out),
                }
            }
        });
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
        (Scalar::Number, Some(_)) if !is_finite(content) => push_plain(out, content),
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
        _ => push_plain(out, span.content(text)),
    }
}

/// `String.hashCode`, spread as `HashMap` does.
fn java_hash(key: &str) -> u32 {
    let units = key.encode_utf16();
    let hash = units.fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    hash ^ hash >> 16
}
