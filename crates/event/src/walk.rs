//! One pass over an object.
//!
//! In: its text and the trie. Out: the spans of what is wanted, in [`Scratch`]. It does not know what
//! the values mean, and copies none of them.

use crate::error::EventError;
use crate::path::{ARRAYS, BELOW, Node, OBJECTS, ROOT, SCALARS, Trie};
use crate::scan::{MAX_DEPTH, Scalar, Scan};
use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;

/// No capture, no entry.
const NONE: u32 = u32::MAX;

/// More values than this at requested paths are an error, so that a reader's memory is bounded for
/// an event of any size.
pub(crate) const MAX_VALUES: usize = 1 << 20;

/// What was found at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanKind {
    Scalar(Scalar),
    Object,
    Array,
    /// Withdrawn: the object has the key again, and the last one counts.
    Dead,
}

/// A value of a node: its span, and the node's next one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capture {
    pub(crate) kind: SpanKind,
    pub(crate) start: u32,
    pub(crate) end: u32,
    node: Node,
    next: u32,
}

/// Working memory for reading, to be reused from event to event: once warm, reading allocates
/// nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    captures: Vec<Capture>,
    /// First and last capture of each node.
    lists: Vec<(u32, u32)>,
    frames: Vec<OpenContainer>,
    seen: Vec<SeenKey>,
}

/// A container that the walk is in.
#[derive(Debug)]
struct OpenContainer {
    node: Node,
    object: bool,
    /// Its own capture, to be closed with it.
    capture: u32,
    /// Which wanted keys were met already (bit: node modulo 64), details in `seen` from `seen_from`.
    mask: u64,
    seen_from: usize,
}

/// A wanted key of an open object, and the first capture that may belong to it.
#[derive(Debug)]
struct SeenKey {
    node: Node,
    captures_from: usize,
}

impl Scratch {
    fn clear(&mut self, nodes: usize) {
        if self.lists.len() == nodes {
            for capture in &self.captures {
                if let Some(list) = self.lists.get_mut(capture.node as usize) {
                    *list = (NONE, NONE);
                }
            }
        } else {
            self.lists.clear();
            self.lists.resize(nodes, (NONE, NONE));
        }
        self.captures.clear();
        self.frames.clear();
        self.seen.clear();
    }

    #[inline]
    fn capture(&mut self, node: Node, kind: SpanKind, start: usize, end: usize) -> u32 {
        add_capture(&mut self.captures, &mut self.lists, (node, kind), start..end)
    }

    /// The captures of a node, in the order of the text.
    #[inline]
    pub(crate) fn of(&self, node: Node) -> Captures<'_> {
        let first = self.lists.get(node as usize).map_or(NONE, |list| list.0);
        Captures { captures: &self.captures, next: first }
    }

    /// See [`note_key`].
    #[inline]
    fn note(&mut self, node: Node) {
        if let Some(frame) = self.frames.last_mut() {
            note_key(frame, &mut self.seen, &mut self.captures, node);
        }
    }
}

#[inline(always)]
fn add_capture(
    captures: &mut Vec<Capture>,
    lists: &mut [(u32, u32)],
    (node, kind): (Node, SpanKind),
    span: Range<usize>,
) -> u32 {
    let index = captures.len() as u32;
    let (start, end) = (span.start as u32, span.end as u32);
    captures.push(Capture { kind, start, end, node, next: NONE });
    if let Some((first, last)) = lists.get_mut(node as usize) {
        let before = core::mem::replace(last, index);
        if before == NONE {
            *first = index;
        } else if let Some(before) = captures.get_mut(before as usize) {
            before.next = index;
        }
    }
    index
}

/// Notes a wanted key of an object; withdraws what an earlier one of the same name gave.
#[inline(always)]
fn note_key(
    frame: &mut OpenContainer,
    seen: &mut Vec<SeenKey>,
    captures: &mut [Capture],
    node: Node,
) {
    let bit = 1 << (node % 64);
    if frame.mask & bit != 0 {
        withdraw(seen.get_mut(frame.seen_from..).unwrap_or_default(), captures, node);
    }
    frame.mask |= bit;
    seen.push(SeenKey { node, captures_from: captures.len() });
}

#[cold]
#[inline(never)]
fn withdraw(in_frame: &mut [SeenKey], captures: &mut [Capture], node: Node) {
    // From the back: a key that is repeated a million times is found at once.
    let Some(place) = in_frame.iter().rposition(|seen| seen.node == node) else { return };
    let until = in_frame.get(place + 1).map_or(captures.len(), |next| next.captures_from);
    let Some(seen) = in_frame.get_mut(place) else { return };
    // The entry keeps its place as the end of the one before it.
    seen.node = NONE;
    for capture in captures.get_mut(seen.captures_from..until).unwrap_or_default() {
        capture.kind = SpanKind::Dead;
    }
}

/// Iterates over the living captures of a node.
#[derive(Clone, Debug)]
pub(crate) struct Captures<'s> {
    captures: &'s [Capture],
    next: u32,
}

impl<'s> Iterator for Captures<'s> {
    type Item = &'s Capture;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let capture = self.captures.get(self.next as usize)?;
            self.next = capture.next;
            if capture.kind != SpanKind::Dead {
                return Some(capture);
            }
        }
    }
}

enum WalkStep {
    /// A value that belongs to a node.
    Value(Node),
    /// A key of the innermost object.
    Key,
    /// Behind a value of the innermost container.
    After,
}

/// Reads the object at a byte of the text, up to and with its closing brace; where it ends.
pub(crate) fn walk(
    trie: &Trie,
    text: &str,
    at: usize,
    scratch: &mut Scratch,
) -> Result<usize, EventError> {
    let mut scan = Scan::new(text, at);
    scratch.clear(trie.len());
    let mut step = WalkStep::Value(ROOT);
    loop {
        step = match step {
            WalkStep::Value(node) => value(trie, &mut scan, scratch, node)?,
            WalkStep::Key => members(trie, text, &mut scan, scratch)?,
            WalkStep::After => {
                if scratch.captures.len() > MAX_VALUES {
                    return Err(too_many_values(scan.at));
                }
                let Some(frame) = scratch.frames.last() else { return Ok(scan.at) };
                match (scan.token(), frame.object) {
                    (b',', true) => {
                        scan.at += 1;
                        scan.token();
                        WalkStep::Key
                    }
                    (b',', false) => {
                        scan.at += 1;
                        WalkStep::Value(frame.node)
                    }
                    (b'}', true) | (b']', false) => {
                        scan.at += 1;
                        close(scan.at, scratch);
                        WalkStep::After
                    }
                    (_, in_object) => return Err(scan.wrong_after_value(in_object)),
                }
            }
        }
    }
}

#[cold]
fn too_many_values(at: usize) -> EventError {
    let reason = format!("more than {MAX_VALUES} values in the requested fields");
    EventError::new("too_large", reason, at)
}

#[inline(always)]
fn value(
    trie: &Trie,
    scan: &mut Scan<'_>,
    scratch: &mut Scratch,
    node: Node,
) -> Result<WalkStep, EventError> {
    let wants = trie.wants(node);
    let opening = scan.token();
    let start = scan.at;
    let (object, whole, inside) = match opening {
        b'{' => (true, OBJECTS, BELOW),
        b'[' => (false, ARRAYS, SCALARS | OBJECTS | BELOW),
        _ => {
            let span = if opening == b'"' { scan.string()? } else { scan.unquoted()? };
            if wants & SCALARS != 0 && span.scalar != Scalar::Null {
                scratch.capture(node, SpanKind::Scalar(span.scalar), span.start, span.end);
            }
            return Ok(WalkStep::After);
        }
    };
    let kind = if object { SpanKind::Object } else { SpanKind::Array };
    // The event itself is always entered, even if nothing in it is wanted.
    if wants & inside == 0 && !scratch.frames.is_empty() {
        scan.skip(scratch.frames.len())?;
        if wants & whole != 0 {
            scratch.capture(node, kind, start, scan.at);
        }
        return Ok(WalkStep::After);
    }
    if scratch.frames.len() == MAX_DEPTH {
        return Err(scan.too_deep());
    }
    let capture = if wants & whole != 0 { scratch.capture(node, kind, start, start) } else { NONE };
    let seen_from = scratch.seen.len();
    scratch.frames.push(OpenContainer { node, object, capture, mask: 0, seen_from });
    scan.at += 1;
    Ok(match scan.token() {
        // `{` and `}` differ by 2, so do `[` and `]`.
        closing if closing == opening + 2 => WalkStep::After,
        _ if object => WalkStep::Key,
        _ => WalkStep::Value(node),
    })
}

/// Members of the innermost object, the first one's key being next, as long as they are written as machines do.
#[inline(always)]
fn members(
    trie: &Trie,
    text: &str,
    scan: &mut Scan<'_>,
    scratch: &mut Scratch,
) -> Result<WalkStep, EventError> {
    let depth = scratch.frames.len();
    let node = scratch.frames.last().map_or(ROOT, |frame| frame.node);
    if !scan.is_at_quote() {
        return key(trie, text, scan, scratch, node);
    }
    let Scratch { captures, lists, frames, seen } = scratch;
    let Some(frame) = frames.last_mut() else { return Ok(WalkStep::After) };
    while let Some((end, opening)) = scan.compact_key() {
        let child = trie.child(node, scan.bytes(scan.at + 1, end));
        scan.at = end + 2;
        if let Some(child) = child {
            note_key(frame, seen, captures, child);
        }
        match (opening, child) {
            (b'"', _) => {
                let span = scan.string()?;
                if let Some(child) = child
                    && trie.wants(child) & SCALARS != 0
                {
                    let kind = SpanKind::Scalar(span.scalar);
                    add_capture(captures, lists, (child, kind), span.start..span.end);
                    if captures.len() > MAX_VALUES {
                        return Ok(WalkStep::After);
                    }
                }
            }
            (_, Some(child)) => return Ok(WalkStep::Value(child)),
            (..=b' ' | b'{' | b'[', None) => scan.skip(depth)?,
            (_, None) => {
                scan.unquoted()?;
            }
        }
        if !scan.is_before_key() {
            return Ok(WalkStep::After);
        }
        scan.at += 1;
    }
    key(trie, text, scan, scratch, node)
}

/// One member, its key being next, however it is written.
#[inline(always)]
fn key(
    trie: &Trie,
    text: &str,
    scan: &mut Scan<'_>,
    scratch: &mut Scratch,
    node: Node,
) -> Result<WalkStep, EventError> {
    let (step, at) = any_key(trie, text, *scan, scratch, node)?;
    scan.at = at;
    Ok(step)
}

/// The same; where it ends too.
#[inline(never)]
fn any_key(
    trie: &Trie,
    text: &str,
    mut scan: Scan<'_>,
    scratch: &mut Scratch,
    node: Node,
) -> Result<(WalkStep, usize), EventError> {
    let key = scan.key()?;
    let child = match key.scalar {
        Scalar::Escaped => {
            let name = key.decoded(text);
            trie.child(node, name.as_bytes())
        }
        _ => trie.child(node, scan.bytes(key.start, key.end)),
    };
    match child {
        Some(child) => {
            scratch.note(child);
            Ok((WalkStep::Value(child), scan.at))
        }
        None => {
            scan.skip(scratch.frames.len())?;
            Ok((WalkStep::After, scan.at))
        }
    }
}

fn close(end: usize, scratch: &mut Scratch) {
    let Some(frame) = scratch.frames.pop() else { return };
    if let Some(capture) = scratch.captures.get_mut(frame.capture as usize) {
        capture.end = end as u32;
    }
    scratch.seen.truncate(frame.seen_from);
}
