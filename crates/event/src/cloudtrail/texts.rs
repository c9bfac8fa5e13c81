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
use crate::clean::is_blank;
use crate::path::{ARRAYS, Node, OBJECTS as WHOLE_OBJECTS, SCALARS, Trie};
use crate::raw::{ComputedField, ObjectField, RawField};
use crate::scan::{Scalar, Span};
use crate::spans::{FieldValues, Spans};
use crate::tokens::{Token, Tokens};
use crate::walk::SpanKind;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use firstseen_value::{Value, heap_sort_by};

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
    fn values<'a>(&self, event: &Spans<'a>) -> FieldValues<'a> {
        FieldValues::one(self.read(event).map(Value::Text))
    }
}

/// A container that is being written.
struct OpenLevel<'t> {
    is_object: bool,
    /// Its own key in the container around it.
    key: Cow<'t, str>,
    members: Vec<WrittenMember<'t>>,
}

/// A member of an object or an element of an array; `None` where it is blank.
struct WrittenMember<'t> {
    key: Cow<'t, str>,
    text: Option<Cow<'t, str>>,
}

/// The value that begins at `at` as text; where that is an object, without one of its members.
fn write(text: &str, at: usize, without: Option<&str>) -> Option<String> {
    let mut levels: Vec<OpenLevel<'_>> = Vec::new();
    let mut key = Cow::Borrowed("");
    let mut is_cut = false;
    for token in Tokens::new(text, at) {
        let member = match token {
            Token::Key(name) => {
                key = name.decoded(text);
                continue;
            }
            Token::Open(is_object) => {
                let key = core::mem::take(&mut key);
                levels.push(OpenLevel { is_object, key, members: Vec::new() });
                continue;
            }
            Token::Scalar(span) => {
                let mut value = scalar(text, span);
                if levels.len() == 1 && without == Some(&*key) && value.take().is_some() {
                    is_cut = true;
                }
                WrittenMember { key: core::mem::take(&mut key), text: value }
            }
            Token::Close => {
                let level = levels.pop()?;
                let key = level.key.clone();
                WrittenMember { key, text: level.written().map(Cow::Owned) }
            }
        };
        match levels.last_mut() {
            Some(level) => level.members.push(member),
            None if is_cut => {
                let text = member.text.map(Cow::into_owned);
                return text.or_else(|| Some(String::from("{}")));
            }
            None => return member.text.map(Cow::into_owned),
        }
    }
    None
}

fn scalar(text: &str, span: Span) -> Option<Cow<'_, str>> {
    let value = span.decoded(text);
    match span.scalar {
        Scalar::Null => None,
        Scalar::Plain | Scalar::Escaped => (!is_blank(&value)).then_some(value),
        Scalar::Number => respelled(&value).map(Cow::Owned).or(Some(value)),
        Scalar::True | Scalar::False => Some(value),
    }
}

impl OpenLevel<'_> {
    /// The text of the whole; none where all in it is blank.
    fn written(self) -> Option<String> {
        let mut members = self.members;
        if self.is_object {
            members = in_java_order(members);
        }
        let mut out = String::from(if self.is_object { "{" } else { "[" });
        for member in members {
            let Some(text) = member.text else { continue };
            if out.len() > 1 {
                out.push_str(", ");
            }
            if self.is_object {
                out.push_str(&member.key);
                out.push('=');
            }
            out.push_str(&text);
        }
        // What is left has a text: an empty string counts as blank.
        if out.len() == 1 {
            return None;
        }
        out.push(if self.is_object { '}' } else { ']' });
        Some(out)
    }
}

/// A member, its place among the others, and its bucket.
struct PlacedMember<'t> {
    at: usize,
    bucket: u32,
    member: WrittenMember<'t>,
}

/// The members in the order of a `java.util.HashMap`: by bucket, within one as they came.
fn in_java_order(members: Vec<WrittenMember<'_>>) -> Vec<WrittenMember<'_>> {
    let place = |(at, member)| PlacedMember { at, bucket: 0, member };
    let mut by_key: Vec<PlacedMember<'_>> = members.into_iter().enumerate().map(place).collect();
    sort(&mut by_key, |left, right| {
        left.member.key.cmp(&right.member.key).then(left.at.cmp(&right.at))
    });
    let mut distinct: Vec<PlacedMember<'_>> = Vec::with_capacity(by_key.len());
    for placed in by_key {
        match distinct.last_mut() {
            // It replaces the value, and keeps the place of the first.
            Some(known) if known.member.key == placed.member.key => known.member = placed.member,
            _ => distinct.push(placed),
        }
    }
    let mut table: u32 = 16;
    while distinct.len() as u64 * 4 > u64::from(table) * 3 && table < 1 << 30 {
        table *= 2;
    }
    for placed in &mut distinct {
        placed.bucket = hash(&placed.member.key) & (table - 1);
    }
    sort(&mut distinct, |left, right| left.bucket.cmp(&right.bucket).then(left.at.cmp(&right.at)));
    distinct.into_iter().map(|placed| placed.member).collect()
}

/// One function for both orders.
#[inline(never)]
fn sort<'t>(
    members: &mut [PlacedMember<'t>],
    order: fn(&PlacedMember<'t>, &PlacedMember<'t>) -> Ordering,
) {
    heap_sort_by(members, order);
}

/// `String.hashCode`, spread as `HashMap` does.
fn hash(key: &str) -> u32 {
    let units = key.encode_utf16();
    let hash = units.fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    hash ^ hash >> 16
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
