//! JSON as a tree, for documents, alerts and settings.
//!
//! In: values; a text (module `tree`). Out: a tree, and text again. Numbers keep their spelling: nothing
//! is rounded, and a tree that was read and written again means the same.
//!
//! Some hosts give a module a stack of 8 KB. Nothing here recurses, so an event may nest as deep as it
//! can be read; a tree that may be deep goes through [`discard`], because dropping it recurses.
//!
//! Why not serde_json's `Value`: in the module its reader, its writer and the arithmetic of its
//! numbers are a quarter of all code.

use crate::clean::is_blank;
use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, btree_map};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use firstseen_value::push_escaped;

/// The members of an object, by name.
pub type Object = BTreeMap<String, Json>;

/// A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Json {
    /// null
    #[default]
    Null,
    /// true or false
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A string, decoded.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object; of members of one name the last one counts.
    Object(Object),
    /// Any value as JSON text, to be written as it is. Reading never gives it.
    Written(String),
}

impl Json {
    /// Whether it is null, a text that means nothing, or a container without anything in it.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => is_blank(text),
            Self::List(items) => items.is_empty(),
            Self::Object(members) => members.is_empty(),
            Self::Bool(_) | Self::Number(_) | Self::Written(_) => false,
        }
    }

    /// Adds the value to a text, without white space, members in the order of their names.
    pub fn write(&self, out: &mut String) {
        let mut bytes = Vec::new();
        self.write_bytes(&mut bytes);
        out.push_str(core::str::from_utf8(&bytes).unwrap_or_default());
    }

    /// The same to bytes, which are UTF-8.
    pub(crate) fn write_bytes(&self, out: &mut Vec<u8>) {
        let mut open: Vec<Unwritten<'_>> = Vec::new();
        let mut value = self;
        loop {
            match value {
                Self::Null => out.extend_from_slice(b"null"),
                Self::Bool(true) => out.extend_from_slice(b"true"),
                Self::Bool(false) => out.extend_from_slice(b"false"),
                Self::Number(text) | Self::Written(text) => out.extend_from_slice(text.as_bytes()),
                Self::Text(text) => push_string(out, text),
                Self::List(items) => {
                    out.push(b'[');
                    open.push(Unwritten::Items(items.iter()));
                }
                Self::Object(members) => {
                    out.push(b'{');
                    open.push(Unwritten::Members(members.iter()));
                }
            }
            value = loop {
                let closing = match open.last_mut() {
                    None => return,
                    Some(Unwritten::Items(items)) => match items.next() {
                        Some(item) => {
                            push_comma(out);
                            break item;
                        }
                        None => b']',
                    },
                    Some(Unwritten::Members(members)) => match members.next() {
                        Some((name, value)) => {
                            push_name(out, name);
                            break value;
                        }
                        None => b'}',
                    },
                };
                out.push(closing);
                open.pop();
            };
        }
    }
}

/// What of a container is still to be written.
enum Unwritten<'j> {
    Items(core::slice::Iter<'j, Json>),
    Members(btree_map::Iter<'j, String, Json>),
}

/// A comma, but for the first in a container.
fn push_comma(out: &mut Vec<u8>) {
    // Nothing else ends in an opening bracket.
    if !matches!(out.last(), Some(b'[' | b'{')) {
        out.push(b',');
    }
}

fn push_name(out: &mut Vec<u8>, name: &str) {
    push_comma(out);
    push_string(out, name);
    out.push(b':');
}

/// Adds a text as a JSON string.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

/// Adds texts as a list; nothing, where there are none. Whether there are any.
pub(crate) fn push_texts<'t>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'t str>) -> bool {
    let before = out.len();
    for text in texts {
        out.push(if out.len() == before { b'[' } else { b',' });
        push_string(out, text);
    }
    let is_any = out.len() > before;
    if is_any {
        out.push(b']');
    }
    is_any
}

/// Adds an object to a text, as [`Json::write`] does.
pub fn write_object(members: &Object, out: &mut String) {
    let mut bytes = Vec::from(b"{");
    for (name, value) in members {
        push_name(&mut bytes, name);
        value.write_bytes(&mut bytes);
    }
    bytes.push(b'}');
    out.push_str(core::str::from_utf8(&bytes).unwrap_or_default());
}

/// Drops a value that may be deep.
pub fn discard(value: Json) {
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        match value {
            Json::List(items) => rest.extend(items),
            Json::Object(members) => rest.extend(members.into_values()),
            _ => {}
        }
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<usize> for Json {
    fn from(number: usize) -> Self {
        Self::Number(number.to_string())
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<const N: usize> From<[(&str, Json); N]> for Json {
    fn from(members: [(&str, Json); N]) -> Self {
        let mut object = Object::new();
        for (name, value) in members {
            object.insert(name.to_owned(), value);
        }
        Self::Object(object)
    }
}
