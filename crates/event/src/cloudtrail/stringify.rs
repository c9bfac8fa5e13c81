//! An object as text, as the integration writes it.
//!
//! In: the span of an object. Out: `{bucket=a, tags=[x, y], deep={k=v}}`, the form of Java's
//! `toString`, members in the order of the event (Java's own order is that of a hash table). Blank
//! members are left out, as everywhere in a raw event; of equal keys all are written.

use crate::path::Node;
use crate::scan::Scalar;
use crate::spans::{Spans, is_blank};
use crate::tokens::{Token, Tokens};
use crate::walk::SpanKind;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// The text of a node's value; none where nothing is left of it.
pub(super) fn stringify<'a>(event: &Spans<'a>, node: Node) -> Option<Cow<'a, str>> {
    let capture = event.capture(node)?;
    match capture.kind {
        SpanKind::Object | SpanKind::Array => {
            let text = write(event.whole_text(), capture.start as usize);
            (!text.is_empty()).then_some(Cow::Owned(text))
        }
        _ => event.first(node),
    }
}

/// A container that is being written.
struct OpenLevel {
    object: bool,
    /// Where its text begins, with the separator and the key before it: cut off here if blank.
    from: usize,
    members: usize,
}

fn write(text: &str, at: usize) -> String {
    let mut out = String::new();
    let mut levels: Vec<OpenLevel> = Vec::new();
    // Where the member that is being written began.
    let mut from = 0;
    let mut keyed = false;
    for token in Tokens::new(text, at) {
        if !keyed && !matches!(token, Token::Close) {
            from = out.len();
            if levels.last().is_some_and(|level| level.members > 0) {
                out.push_str(", ");
            }
        }
        keyed = false;
        match token {
            Token::Key(key) => {
                out.push_str(&key.decoded(text));
                out.push('=');
                keyed = true;
            }
            Token::Open(object) => {
                levels.push(OpenLevel { object, from, members: 0 });
                out.push(if object { '{' } else { '[' });
            }
            Token::Scalar(scalar) => {
                let value = scalar.decoded(text);
                let is_text = matches!(scalar.scalar, Scalar::Plain | Scalar::Escaped);
                if scalar.scalar == Scalar::Null || is_text && is_blank(&value) {
                    out.truncate(from);
                } else {
                    out.push_str(&value);
                    count(&mut levels);
                }
            }
            Token::Close => {
                let Some(level) = levels.pop() else { break };
                if level.members == 0 {
                    out.truncate(level.from);
                } else {
                    out.push(if level.object { '}' } else { ']' });
                    count(&mut levels);
                }
            }
        }
    }
    out
}

fn count(levels: &mut [OpenLevel]) {
    if let Some(level) = levels.last_mut() {
        level.members += 1;
    }
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
                "{a=1.50, b=true, c=[x, y], d={e=f}}",
            ),
            (r#"{"a":null,"b":"","c":"x","d":"-","e":"none","f":{},"g":[]}"#, "{c=x}"),
            (r#"{"a":{"b":[{"c":null}]},"d":1}"#, "{d=1}"),
            (r#"{"a":1,"b":{"c":[null,""]},"d":[{"e":1},{},{"f":2}]}"#, "{a=1, d=[{e=1}, {f=2}]}"),
            (r#"{"a":"x\"\u0041"}"#, "{a=x\"A}"),
            (r#" [ 1 , [ 2 ] ] "#, "[1, [2]]"),
            ("{}", ""),
            ("[null]", ""),
        ] {
            assert_eq!(write(json, 0), text, "{json}");
        }
    }
}
