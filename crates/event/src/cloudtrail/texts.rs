//! An object as text, as the integration writes it.
//!
//! In: the span of an object. Out: `{bucket=a, tags=[x, y], deep={k=v}}`, the form of Java's
//! `toString`, without what is blank. The members come in the order of Java's hash table, whatever
//! their order in the event; the table's size counts blank members too, because they are taken out
//! of a table that holds them. Of equal keys the last value counts.

use super::double::respelled;
use super::flattened;
use super::identity::Caller;
use super::names::OBJECTS;
use crate::flat::FlatTree;
use crate::path::{ARRAYS, Node, OBJECTS as WHOLE_OBJECTS, SCALARS, Trie};
use crate::raw::{ComputedField, EventCache, ObjectField, RawField};
use crate::spans::{FieldValues, Spans};
use crate::walk::{Capture, SpanKind};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use firstseen_value::Value;

/// The text of one of the objects.
pub(super) struct ObjectText {
    pub(super) node: Node,
    /// Of `additionalEventData`: a name in it may have moved to `user.name`.
    pub(super) moved: Option<Caller>,
}

pub(super) fn derive(name: &str, trie: &mut Trie) -> Option<RawField> {
    let object = OBJECTS.iter().find(|object| object.text == Some(name))?;
    Some(RawField::Computed(Box::new(ObjectText::new(object, trie))))
}

impl ObjectText {
    pub(super) fn new(object: &ObjectField, trie: &mut Trie) -> Self {
        let node = trie.add(object.path, SCALARS | WHOLE_OBJECTS | ARRAYS);
        let holds_name = flattened::MOVED.starts_with(object.flattened);
        Self { node, moved: holds_name.then(|| Caller::new(trie)) }
    }

    /// Whether a name in the object has moved to `user.name`.
    pub(super) fn has_moved(&self, event: &Spans<'_>) -> bool {
        self.moved.as_ref().is_some_and(|caller| caller.moved_name(event).is_some())
    }

    /// The text; none where nothing is left of the object.
    pub(super) fn read<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        let capture = event.capture(self.node)?;
        match capture.kind {
            SpanKind::Object | SpanKind::Array => {
                let without = self.has_moved(event).then_some(flattened::MOVED_KEY);
                write(event.whole_text(), capture.start as usize, without).map(Cow::Owned)
            }
            _ => match event.filled(self.node).next()? {
                Value::Number(text) => respelled(text).map(Cow::Owned).or(Some(text.into())),
                other => Some(other.into_text()),
            },
        }
    }
}

impl ComputedField for ObjectText {
    fn write<'a>(
        &self,
        event: &Spans<'a>,
        cache: &mut EventCache<'a>,
        out: &mut Vec<u8>,
    ) -> Option<bool> {
        let is_container =
            |capture: &Capture| matches!(capture.kind, SpanKind::Object | SpanKind::Array);
        event.capture(self.node).filter(is_container)?;
        if self.has_moved(event) {
            return None;
        }
        let Some(tree) = cache.tree(event, self.node) else { return Some(false) };
        out.push(b'"');
        tree.write_java(respelled, None, true, out);
        out.push(b'"');
        Some(true)
    }

    fn values<'a>(&self, event: &Spans<'a>, _: &mut EventCache<'a>) -> FieldValues<'a> {
        FieldValues::one(self.read(event).map(Value::Text))
    }
}

/// The value that begins at `at` as text; where that is an object, without one of its members.
fn write(text: &str, at: usize, without: Option<&str>) -> Option<String> {
    let tree = FlatTree::read(text, at);
    let mut out = Vec::new();
    tree.write_java(respelled, without, false, &mut out);
    if out.is_empty() && without.is_some_and(|key| tree.had_scalar(key)) {
        out.extend_from_slice(b"{}");
    }
    String::from_utf8(out).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn writes_as_java_does_and_leaves_out_what_is_blank() {
        for (json, text) in [
            (r#"{"a":"b"}"#, "{a=b}"),
            (
                r#"{"a":1.50,"b":true,"c":["x","y"],"d":{"e":"f"}}"#,
                "{a=1.5, b=true, c=[x, y], d={e=f}}",
            ),
            (r#"{"a":null,"b":"","c":"x","d":"-","e":"none","f":{},"g":[]}"#, "{c=x}"),
            (r#"{"a":{"b":[{"c":null}]},"d":1}"#, "{d=1}"),
            (r#"{"a":1,"b":{"c":[null,""]},"d":[{"e":1},{},{"f":2}]}"#, "{a=1, d=[{e=1}, {f=2}]}"),
            (r#"{"a":"x\"\u0041"}"#, "{a=x\"A}"),
            (r#" [ 1 , [ 2 ] ] "#, "[1, [2]]"),
            ("{}", ""),
            ("[null]", ""),
        ] {
            assert_eq!(write(json, 0, None).unwrap_or_default(), text, "{json}");
        }
    }

    #[test]
    fn members_come_in_the_order_of_the_hash_table() {
        let text = "{capabilities=[CAPABILITY_IAM], stackName=net, disableRollback=false, templateURL=https://x}";
        for json in [
            r#"{"stackName":"net","templateURL":"https://x","capabilities":["CAPABILITY_IAM"],"disableRollback":false}"#,
            r#"{"disableRollback":false,"capabilities":["CAPABILITY_IAM"],"templateURL":"https://x","stackName":"net"}"#,
        ] {
            assert_eq!(write(json, 0, None).as_deref(), Some(text));
        }
        // "Aa" and "BB" have one hash: as they came. Of equal keys the last value, at the first place.
        assert_eq!(write(r#"{"BB":1,"Aa":2}"#, 0, None).as_deref(), Some("{BB=1, Aa=2}"));
        assert_eq!(write(r#"{"BB":1,"Aa":2,"BB":3}"#, 0, None).as_deref(), Some("{BB=3, Aa=2}"));
        assert_eq!(write(r#"{"a":1,"a":null}"#, 0, None), None);
    }

    #[test]
    fn the_table_grows_with_all_members_the_blank_ones_too() {
        // In a table of 16 "q" (113) is before "b" (98); in one of 32 behind it.
        let twelve = |blanks: usize| {
            let blanks: String = (0..blanks).map(|at| format!(",\"k{at}\":null")).collect();
            write(&format!("{{\"b\":1,\"q\":2{blanks}}}"), 0, None).unwrap()
        };
        assert_eq!(twelve(10), "{q=2, b=1}");
        assert_eq!(twelve(11), "{b=1, q=2}");
    }

    #[test]
    fn one_member_can_be_left_out() {
        let without = |json| write(json, 0, Some("UserName"));
        assert_eq!(without(r#"{"UserName":"dana"}"#).as_deref(), Some("{}"));
        assert_eq!(
            without(r#"{"UserName":"dana","a":{"UserName":1}}"#).as_deref(),
            Some("{a={UserName=1}}")
        );
        assert_eq!(without(r#"{"UserName":"none"}"#), None);
    }
}
