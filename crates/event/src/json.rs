//! JSON as a tree, for documents, alerts and settings.
//!
//! In: a text. Out: a tree, and text again. The scanner reads it, so that the whole crate
//! agrees on what JSON is. Numbers keep their spelling: nothing is rounded, and a tree that was
//! read and written again means the same. A number that no double holds becomes a string, because
//! many readers of what is written refuse it. It never guesses: anything wrong is an error with its
//! place.
//!
//! Why not serde_json's `Value`: in the module its reader, its writer and the arithmetic of its
//! numbers are a quarter of all code.

use crate::error::EventError;
use crate::scan::{MAX_DEPTH, Scalar, Scan, Span};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use firstseen_value::{is_finite, push_quoted};

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
}

impl Json {
    /// Reads a text that is one value, with white space around it.
    ///
    /// # Errors
    /// `bad_json`, or `too_deep` for over 127 levels.
    pub fn read(text: &str) -> Result<Self, EventError> {
        let mut scan = Scan::new(text, 0);
        let value = value(text, &mut scan, 0)?;
        scan.token();
        if scan.at_end() { Ok(value) } else { Err(scan.wrong("the end was expected")) }
    }

    /// Adds the value to a text, without white space, members in the order of their names.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => push_quoted(out, text),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => write_object(members, out),
        }
    }
}

/// Adds an object to a text, as [`Json::write`] does.
pub fn write_object(members: &Object, out: &mut String) {
    out.push('{');
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_quoted(out, name);
        out.push(':');
        value.write(out);
    }
    out.push('}');
}

/// One value, so many containers deep. Recursion ends at [`MAX_DEPTH`].
fn value(text: &str, scan: &mut Scan<'_>, depth: usize) -> Result<Json, EventError> {
    let opening = scan.token();
    if !matches!(opening, b'{' | b'[') {
        return Ok(scalar(text, scan.scalar()?));
    }
    if depth == MAX_DEPTH {
        return Err(scan.too_deep());
    }
    scan.at += 1;
    let in_object = opening == b'{';
    let (mut members, mut items) = (Object::new(), Vec::new());
    // `{` and `}` differ by 2, so do `[` and `]`.
    let closing = opening + 2;
    let mut is_done = scan.token() == closing;
    while !is_done {
        if in_object {
            scan.token();
            let name = scan.key()?;
            let value = value(text, scan, depth + 1)?;
            members.insert(name.decoded(text).into_owned(), value);
        } else {
            items.push(value(text, scan, depth + 1)?);
        }
        match scan.token() {
            b',' => scan.at += 1,
            byte if byte == closing => is_done = true,
            _ => return Err(scan.wrong_after_value(in_object)),
        }
    }
    scan.at += 1;
    Ok(if in_object { Json::Object(members) } else { Json::List(items) })
}

fn scalar(text: &str, span: Span) -> Json {
    match span.scalar {
        Scalar::Null => Json::Null,
        Scalar::True => Json::Bool(true),
        Scalar::False => Json::Bool(false),
        Scalar::Number => {
            let written = span.content(text).to_owned();
            if is_finite(&written) { Json::Number(written) } else { Json::Text(written) }
        }
        Scalar::Plain | Scalar::Escaped => Json::Text(span.decoded(text).into_owned()),
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
