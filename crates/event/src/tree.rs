//! A text as a tree.
//!
//! In: a text. Out: its tree as it is, without what is blank, or with dotted keys opened. The scanner
//! reads it, so that the whole crate agrees on what JSON is. A number that no double holds becomes a
//! string, because many readers of what is written refuse it. It never guesses: anything wrong is an
//! error with its place. It never recurses: see [`crate::json`].

use crate::dots::open_dots;
use crate::error::EventError;
use crate::json::{Json, Object, discard};
use crate::scan::{MAX_DEPTH, Scalar, Scan, Span, members};
use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use firstseen_value::is_finite;

/// What becomes of containers as they are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// They stay as they are.
    Whole,
    /// What is blank is left out.
    Filled,
    /// Dotted keys are opened.
    Opened,
}

impl Json {
    /// Reads a text that is one value, with white space around it.
    ///
    /// # Errors
    /// `bad_json`, or `too_deep` for over 127 levels.
    pub fn read(text: &str) -> Result<Self, EventError> {
        read(text, Reading::Whole)
    }

    /// The same without what is blank, at every level. What is left may itself be blank.
    pub(crate) fn read_filled(text: &str) -> Result<Self, EventError> {
        read(text, Reading::Filled)
    }

    /// The same with dotted keys opened, at every level.
    pub(crate) fn read_opened(text: &str) -> Result<Self, EventError> {
        read(text, Reading::Opened)
    }

    /// Adds the members of an object to another one, their values as they are written. Nothing may be
    /// around the object in the text.
    ///
    /// # Errors
    /// As [`Json::read`], and where it is no object.
    pub fn read_members(text: &str, to: &mut Object) -> Result<(), EventError> {
        if !text.starts_with('{') {
            return Err(EventError::json("an object was expected", 0));
        }
        let end = members(text, 0, &mut |name, _, value| {
            let value = text.get(value).unwrap_or_default();
            to.insert(name.to_owned(), Self::Written(value.to_owned()));
        })?;
        if end == text.len() {
            return Ok(());
        }
        Err(EventError::json("the end was expected", end))
    }
}

/// A container that is being read.
struct OpenTree {
    tree: Json,
    /// The key of the member at hand.
    name: Span,
    /// How deep it will be when all dotted keys are opened.
    depth: usize,
}

fn read(text: &str, reading: Reading) -> Result<Json, EventError> {
    let mut scan = Scan::new(text, 0);
    let mut open = Vec::new();
    let read = value(text, &mut scan, reading, &mut open).and_then(|value| {
        scan.token();
        if scan.at_end() {
            return Ok(value);
        }
        discard(value);
        Err(scan.wrong("the end was expected"))
    });
    // Those that an error has left open.
    open.into_iter().for_each(|container| discard(container.tree));
    read
}

/// One value. The containers that are open nest at most [`MAX_DEPTH`] deep.
fn value(
    text: &str,
    scan: &mut Scan<'_>,
    reading: Reading,
    open: &mut Vec<OpenTree>,
) -> Result<Json, EventError> {
    loop {
        let opening = scan.token();
        let mut value = None;
        if matches!(opening, b'{' | b'[') {
            if open.len() == MAX_DEPTH {
                return Err(scan.too_deep());
            }
            scan.at += 1;
            let tree = match opening {
                b'{' => Json::Object(Object::new()),
                _ => Json::List(Vec::new()),
            };
            let name = Span { scalar: Scalar::Plain, start: 0, end: 0 };
            let depth = open.last().map_or(1, |around| around.depth_inside(text));
            open.push(OpenTree { tree, name, depth });
        } else {
            value = Some(scalar(text, scan.scalar()?));
        }
        loop {
            let Some(container) = open.last_mut() else { return Ok(value.unwrap_or_default()) };
            let is_object = matches!(container.tree, Json::Object(_));
            let closing = if is_object { b'}' } else { b']' };
            let ends = match value.take() {
                Some(value) => {
                    container.add(text, value, reading);
                    scan.ends(closing)?
                }
                None => scan.token() == closing,
            };
            if ends {
                scan.at += 1;
                value = open.pop().map(|container| container.closed(reading));
                continue;
            }
            if is_object {
                container.name = scan.next_key()?;
            }
            break;
        }
    }
}

impl OpenTree {
    /// The depth of a container that begins at the member or element at hand.
    fn depth_inside(&self, text: &str) -> usize {
        self.depth + self.name.decoded(text).split('.').count()
    }

    fn add(&mut self, text: &str, value: Json, reading: Reading) {
        let is_blank = reading == Reading::Filled && value.is_blank();
        match &mut self.tree {
            Json::Object(members) => {
                let name = self.name.decoded(text);
                // What is blank takes the place of an earlier value too.
                let before = match is_blank {
                    true => members.remove(&*name),
                    false => members.insert(name.into_owned(), value),
                };
                before.into_iter().for_each(discard);
            }
            Json::List(items) if !is_blank => items.push(value),
            _ => {}
        }
    }

    fn closed(self, reading: Reading) -> Json {
        match self.tree {
            Json::Object(members) if reading == Reading::Opened => {
                Json::Object(open_dots(members, self.depth))
            }
            tree => tree,
        }
    }
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
