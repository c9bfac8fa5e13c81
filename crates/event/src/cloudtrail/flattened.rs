//! The members of request, response and the like: fields below `aws.cloudtrail.flattened.*`.
//!
//! In: the spans of an event. Out: the values of one member, or of all below the object for its own
//! name. There are none where the object's text is too long for the integration. Numbers are
//! spelled as in the object's text.

use super::double::respelled;
use super::names::OBJECTS;
use super::texts::ObjectText;
use crate::flat::FlatTree;
use crate::path::{ARRAYS, Node, OBJECTS as WHOLE_OBJECTS, SCALARS, Trie};
use crate::raw::{ComputedField, EventCache, RawField};
use crate::spans::{FieldValues, Spans, value_of_span};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_value::Value;

/// A member that may have moved to `user.name`.
pub(super) const MOVED: &str = "aws.cloudtrail.flattened.additional_eventdata.UserName";
/// Its key in the object.
pub(super) const MOVED_KEY: &str = "UserName";

/// An object whose text has so many UTF-16 units or more has no flattened members.
const LIMIT: usize = 32_766;
/// A text has at most so many units for each byte of JSON (`1e6,`: `1000000.0, `).
const GROWTH: usize = 3;

struct FlattenedField {
    /// The whole object, and its text where that limits the members.
    node: Node,
    text: Option<ObjectText>,
    /// One member; `None` for all that is below the object.
    member: Option<Node>,
    /// Whether it is the member that may have moved.
    may_move: bool,
    /// Of the object that has it: that member.
    moved: Option<Node>,
    /// The object's path in the event.
    path: &'static str,
}

pub(super) fn derive(name: &str, trie: &mut Trie) -> Option<RawField> {
    let (object, rest) = OBJECTS.iter().find_map(|object| {
        let rest = name.strip_prefix(object.flattened)?;
        (rest.is_empty() || rest.starts_with('.')).then_some((object, rest))
    })?;
    let member = (!rest.is_empty()).then(|| {
        let mut path = String::from(object.path);
        path.push_str(rest);
        trie.add(&path, SCALARS)
    });
    let text = object.text.map(|_| ObjectText::new(object, trie));
    let node = match &text {
        Some(text) => text.node,
        None => trie.add(object.path, SCALARS | WHOLE_OBJECTS | ARRAYS),
    };
    let holds_moved = member.is_none() && MOVED.starts_with(object.flattened);
    let moved = holds_moved.then(|| {
        let mut path = String::from(object.path);
        path.push('.');
        path.push_str(MOVED_KEY);
        trie.add(&path, SCALARS)
    });
    let (may_move, path) = (name == MOVED, object.path);
    let field = FlattenedField { node, text, member, may_move, moved, path };
    Some(RawField::Computed(Box::new(field)))
}

impl FlattenedField {
    fn is_short(&self, event: &Spans<'_>) -> bool {
        let (Some(text), Some(json)) = (&self.text, event.json(self.node)) else { return true };
        json.len() * GROWTH < LIMIT
            || text.read(event).is_none_or(|text| text.encode_utf16().count() < LIMIT)
    }
}

impl ComputedField for FlattenedField {
    fn values<'a>(&self, event: &Spans<'a>, _: &mut EventCache<'a>) -> FieldValues<'a> {
        if let Some(member) = self.member {
            let has_moved = |text: &ObjectText| self.may_move && text.has_moved(event);
            let is_there = event.has(member)
                && self.is_short(event)
                && !self.text.as_ref().is_some_and(has_moved);
            return match is_there {
                true => event.filled(member).respelled(respelled),
                false => FieldValues::default(),
            };
        }
        let mut values = Vec::new();
        self.leaves(event, &mut |_, value| values.push(value));
        FieldValues::many(values)
    }

    fn write<'a>(
        &self,
        event: &Spans<'a>,
        cache: &mut EventCache<'a>,
        out: &mut Vec<u8>,
    ) -> Option<bool> {
        if self.member.is_some() {
            return None;
        }
        if !event.has(self.node) || !self.is_short(event) {
            return Some(false);
        }
        let Some(tree) = cache.tree(event, self.node) else { return Some(false) };
        let mut without = None;
        if let Some(moved) = self.moved.filter(|_| tree.is_object()) {
            // A name is left out where it is no field of its own: where it has moved to `user.name`. An
            // object never moves.
            let has_moved = self.text.as_ref().is_some_and(|text| text.has_moved(event));
            let is_own = !has_moved && event.filled(moved).next().is_some();
            without = (!is_own && tree.is_plain_member(MOVED_KEY)).then_some(MOVED_KEY);
            if (has_moved || without.is_some()) && !tree.has_others(MOVED_KEY) {
                return Some(false);
            }
        }
        if !self.path.contains('.') {
            tree.write_json(0, respelled, without, out);
            return Some(true);
        }
        // Another spelling of the path is a field, but no object of the event.
        let whole = FlatTree::read(event.whole_text(), event.start());
        let Some(at) = whole.at(self.path) else { return Some(false) };
        whole.write_json(at, respelled, without, out);
        Some(true)
    }

    fn leaves<'a>(&self, event: &Spans<'a>, leaf: &mut dyn FnMut(&str, Value<'a>)) {
        if !self.is_short(event) {
            return;
        }
        let Some(start) = event.json_start(self.node) else { return };
        let tree = FlatTree::read(event.whole_text(), start);
        let has_moved = self.text.as_ref().is_some_and(|text| text.has_moved(event));
        tree.leaves(has_moved.then_some(MOVED_KEY), &mut |path, span| {
            let value = value_of_span(event.whole_text(), span);
            value.into_iter().for_each(|value| match value {
                Value::Number(text) => {
                    let text = respelled(text).map_or(Cow::Borrowed(text), Cow::Owned);
                    leaf(path, Value::Text(text));
                }
                other => leaf(path, other),
            });
        });
    }
}
