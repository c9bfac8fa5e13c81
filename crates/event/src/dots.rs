//! Dotted keys, opened up to objects.
//!
//! In: an object, a dotted key and a value; an object with such keys. Out: nested objects. A value that
//! is there already is kept. A key that cannot be opened stays as it is. It never recurses: see
//! [`crate::json`].

use crate::json::{Json, Object};
use crate::scan::MAX_DEPTH;
use alloc::borrow::ToOwned;
use alloc::collections::btree_map;
use alloc::string::String;
use alloc::vec;

/// An object at `depth` with its dotted keys opened; its values are so already.
pub(crate) fn open_dots(object: Object, depth: usize) -> Object {
    if !object.keys().any(|key| key.contains('.')) {
        return object;
    }
    let mut opened = Object::new();
    for (key, value) in object {
        put(&mut opened, &key, value, depth);
    }
    opened
}

/// Puts a value at a dotted path of an object at `depth`.
pub(crate) fn put(object: &mut Object, path: &str, value: Json, depth: usize) {
    let odd = path.split('.').any(str::is_empty);
    let too_deep = depth + path.split('.').count() > MAX_DEPTH;
    if odd || too_deep || !is_open(object, path) {
        join(object, path, value);
        return;
    }
    let mut object = object;
    let mut rest = path;
    while let Some((segment, below)) = rest.split_once('.') {
        // Most are there: looked up first, because an entry needs a key of its own.
        if !object.contains_key(segment) {
            object.insert(segment.to_owned(), Json::Object(Object::new()));
        }
        // `is_open` has checked that all of these are objects.
        let Some(Json::Object(next)) = object.get_mut(segment) else { return };
        object = next;
        rest = below;
    }
    join(object, rest, value);
}

/// Whether every part of a path but the last is an object.
fn is_open(object: &Object, path: &str) -> bool {
    let mut object = object;
    let mut rest = path;
    while let Some((segment, below)) = rest.split_once('.') {
        match object.get(segment) {
            None => return true,
            Some(Json::Object(next)) => object = next,
            Some(_) => return false,
        }
        rest = below;
    }
    true
}

/// Puts a value at a key. A value that is there already is kept: objects are merged, other values
/// become a list.
fn join(object: &mut Object, key: &str, value: Json) {
    let Some(known) = object.get_mut(key) else {
        object.insert(key.to_owned(), value);
        return;
    };
    if let Some((known, more)) = join_values(known, value) {
        merge(known, more);
    }
}

/// Joins a value to another one; two objects are left to be merged.
fn join_values(known: &mut Json, value: Json) -> Option<(&mut Object, Object)> {
    match (known, value) {
        (Json::Object(known), Json::Object(more)) => return Some((known, more)),
        (known @ Json::Null, value) => *known = value,
        (_, Json::Null) => {}
        (Json::List(known), Json::List(more)) => known.extend(more),
        (Json::List(known), value) => known.push(value),
        (known, Json::List(mut more)) => {
            more.insert(0, core::mem::take(known));
            *known = Json::List(more);
        }
        (known, value) => *known = Json::List(vec![core::mem::take(known), value]),
    }
    None
}

/// An object that is being merged: its own members, those that are still to be put there, and its
/// key in the object around it.
struct OpenMerge {
    known: Object,
    more: btree_map::IntoIter<String, Json>,
    key: String,
}

/// Puts the members of an object into another one.
fn merge(object: &mut Object, more: Object) {
    let begin = |known: &mut Object, more: Object, key| OpenMerge {
        known: core::mem::take(known),
        more: more.into_iter(),
        key,
    };
    let mut open = vec![begin(object, more, String::new())];
    while let Some(merged) = open.last_mut() {
        match merged.more.next() {
            Some((key, value)) => match merged.known.get_mut(&key) {
                None => {
                    merged.known.insert(key, value);
                }
                Some(known) => {
                    if let Some((known, more)) = join_values(known, value) {
                        let inner = begin(known, more, key);
                        open.push(inner);
                    }
                }
            },
            None => {
                let Some(done) = open.pop() else { return };
                match open.last_mut().and_then(|around| around.known.get_mut(&done.key)) {
                    Some(place) => *place = Json::Object(done.known),
                    None => *object = done.known,
                }
            }
        }
    }
}
