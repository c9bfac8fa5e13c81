//! Values in JSON text that was written here: without white space, members in the order of their names.
//!
//! In: such a text. Out: the value of a member, where a value ends. It checks nothing.

/// The value of a member of an object that was written here.
pub(super) fn value_of<'t>(object: &'t [u8], key: &[u8]) -> Option<&'t [u8]> {
    let mut at = 1;
    while *object.first()? == b'{' && *object.get(at)? == b'"' {
        let key_end = value_end(object, at);
        let name = object.get(at + 1..key_end - 1)?;
        if name == key {
            return object.get(key_end + 1..value_end(object, key_end + 1));
        }
        // The members are in order; an escape is not what it stands for.
        if name > key && memchr::memchr(b'\\', name).is_none() {
            return None;
        }
        // Behind the comma, or the brace at the end.
        at = value_end(object, key_end + 1) + 1;
    }
    None
}

/// Where the value ends that begins at `at` of a text that was written here.
pub(super) fn value_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        match text.get(at) {
            Some(b'"') => at = string_end(text, at),
            Some(b'{' | b'[') => {
                depth += 1;
                at += 1;
                continue;
            }
            Some(b'}' | b']') if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            Some(b',' | b':') if depth > 0 => {
                at += 1;
                continue;
            }
            Some(b',' | b':' | b'}' | b']') | None => return at,
            Some(_) => {
                at += 1;
                // A number or a word.
                if !matches!(text.get(at), None | Some(b',' | b'}' | b']')) {
                    continue;
                }
            }
        }
        if depth == 0 {
            return at;
        }
    }
}

/// Behind the string that begins at `at`.
fn string_end(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(stop) = memchr::memchr2(b'"', b'\\', rest) else { return text.len() };
        if rest.get(stop) == Some(&b'"') {
            return at + stop + 1;
        }
        at += stop + 2;
    }
}
