//! Texts inside events: what in them is an event of a raw source, by its own top-level keys.
//!
//! In: a text that was a string in a document. Out: the events in it, each of them whole: the text
//! itself, several one after another, the elements of an array, or of an object whose only member is
//! `Records`. Words anywhere else in a text never make it an event, and nothing in it is opened further.

use crate::raw::{Lookalike, RawSource};
use crate::scan::members;
use crate::scan::{Scalar, Scan};
use crate::sources::SOURCES;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InnerPart<'t> {
    /// An event of a raw source.
    Event(&'t str),
    /// JSON that is no such event.
    Other(&'t str),
    /// What is left of the text, which is not JSON.
    Broken(&'t str),
}

/// What a text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InnerForm<'t> {
    /// One event, and nothing else.
    Event(&'t str),
    /// Events among other things.
    Several,
    /// No event.
    Nothing,
}

impl<'t> InnerForm<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        let (mut parts, mut events, mut last) = (0_usize, 0_usize, "");
        inner_parts(text, &mut |part| {
            parts += 1;
            if let InnerPart::Event(event) = part {
                events += 1;
                last = event;
            }
        });
        match (events, parts) {
            (0, _) => Self::Nothing,
            // An array of one is still an array: the text begins with it, not with its element.
            (1, 1) if text.get(skip_gap(text, 0)..).is_some_and(|t| t.starts_with(last)) => {
                Self::Event(last)
            }
            _ => Self::Several,
        }
    }
}

/// Gives each part of a text, in order.
pub fn inner_parts<'t>(text: &'t str, each: &mut dyn FnMut(InnerPart<'t>)) {
    let mut at = 0;
    loop {
        at = skip_gap(text, at);
        if at >= text.len() {
            return;
        }
        let broken = match text.as_bytes().get(at) {
            Some(b'{') => match object(text, at) {
                Ok((end, ObjectFacts { records: Some(records), is_event: false })) => {
                    at = end;
                    elements(text, records, each).err()
                }
                Ok((end, facts)) => {
                    let whole = text.get(at..end).unwrap_or_default();
                    each(if facts.is_event {
                        InnerPart::Event(whole)
                    } else {
                        InnerPart::Other(whole)
                    });
                    at = end;
                    None
                }
                // An event that nests too deep for the reader is one, so that somebody says so.
                Err(ObjectFault { is_deep_event: true }) => {
                    return each(InnerPart::Event(text.get(at..).unwrap_or_default()));
                }
                Err(_) => Some(at),
            },
            Some(b'[') => {
                let mut scan = Scan::new(text, at);
                let whole = scan.skip(0);
                match whole.map_err(|_| at).and_then(|()| elements(text, at, each)) {
                    Ok(()) => {
                        at = scan.at;
                        None
                    }
                    Err(at) => Some(at),
                }
            }
            _ => Some(at),
        };
        if let Some(from) = broken {
            return each(InnerPart::Broken(text.get(from..).unwrap_or_default()));
        }
    }
}

/// Whether an object is an event of a raw source by its own top-level keys.
pub fn is_raw_event(text: &str) -> bool {
    matches!(InnerForm::of(text), InnerForm::Event(_))
}

/// Whether the object at `at` is one.
pub(crate) fn is_raw_object(text: &str, at: usize) -> bool {
    object(text, at).is_ok_and(|(_, facts)| facts.is_event)
}

/// Whether all top-level keys of the object at `at` pass.
pub(crate) fn all_keys(text: &str, at: usize, test: fn(&str) -> bool) -> bool {
    let mut all = true;
    members(text, at, &mut |name, _, _| all &= test(name)).is_ok() && all
}

/// Gives the elements of the array at `at`.
///
/// # Errors
/// Where it goes wrong, which nobody meets: the array was read before.
fn elements<'t>(
    text: &'t str,
    at: usize,
    each: &mut dyn FnMut(InnerPart<'t>),
) -> Result<(), usize> {
    let mut scan = Scan::new(text, at + 1);
    if scan.token() == b']' {
        return Ok(());
    }
    loop {
        let opening = scan.token();
        let start = scan.at;
        let is_event = opening == b'{' && is_raw_object(text, start);
        scan.skip(1).map_err(|_| start)?;
        let whole = text.get(start..scan.at).unwrap_or_default();
        each(if is_event { InnerPart::Event(whole) } else { InnerPart::Other(whole) });
        if scan.token() != b',' {
            return Ok(());
        }
        scan.at += 1;
    }
}

/// What the top-level keys of an object say.
#[derive(Default)]
struct ObjectFacts {
    is_event: bool,
    /// Where the array of `Records` begins, if that is the only member.
    records: Option<usize>,
}

/// Why an object could not be read.
struct ObjectFault {
    /// It has the keys of an event, and nests too deep.
    is_deep_event: bool,
}

/// Reads the object at `at`: where it ends, and what it is. Of a key that is there twice the last
/// one counts.
fn object(text: &str, at: usize) -> Result<(usize, ObjectFacts), ObjectFault> {
    let (mut names, mut records) = (0_usize, None);
    let mut marks = MarkBits::default();
    let end = members(text, at, &mut |name, opening, value| {
        let value = value.start;
        if name == "Records" {
            records = (opening == b'[').then_some(value);
        } else {
            names += 1;
        }
        marks.note(name, opening, text, value);
    });
    let is_event = marks.is_event();
    let end = end.map_err(|e| ObjectFault { is_deep_event: is_event && e.code == "too_deep" })?;
    let records = records.filter(|_| names == 0);
    Ok((end, ObjectFacts { is_event, records }))
}

/// Which marks of raw sources an object has, as bits in the order of the tables.
#[derive(Default)]
struct MarkBits {
    has: u64,
    is_lookalike: bool,
    /// It has a member of an ECS document, so that it would be read as one.
    is_ecs: bool,
}

impl MarkBits {
    fn note(&mut self, name: &str, opening: u8, text: &str, value: usize) {
        let root = name.split_once('.').map_or(name, |(root, _)| root);
        self.is_ecs |= matches!(root, "event" | "data_stream");
        for (bit, mark) in marks().enumerate() {
            let (key, is_object) = mark_of(mark);
            if key == name {
                let is_value = if is_object { opening == b'{' } else { is_scalar(opening) };
                let bit = 1_u64.checked_shl(bit as u32).unwrap_or(0);
                self.has = if is_value { self.has | bit } else { self.has & !bit };
            }
        }
        for lookalike in lookalikes().filter(|lookalike| lookalike.path == name) {
            let mut scan = Scan::new(text, value);
            let begins = scan.scalar().is_ok_and(|span| {
                matches!(span.scalar, Scalar::Plain | Scalar::Escaped)
                    && span.decoded(text).starts_with(lookalike.prefix)
            });
            self.is_lookalike = begins;
        }
    }

    fn is_event(&self) -> bool {
        let mut bit = 0_u32;
        let mut is_marked = false;
        for set in SOURCES.iter().flat_map(|source| source.marks) {
            let mask = (0..set.len() as u32).fold(0_u64, |mask, at| {
                mask | 1_u64.checked_shl(bit.saturating_add(at)).unwrap_or(0)
            });
            bit = bit.saturating_add(set.len() as u32);
            is_marked |= self.has & mask == mask;
        }
        is_marked && !self.is_lookalike && !self.is_ecs
    }
}

fn marks() -> impl Iterator<Item = &'static str> {
    SOURCES.iter().flat_map(|source| source.marks).flat_map(|set| set.iter().copied())
}

fn lookalikes() -> impl Iterator<Item = &'static Lookalike> {
    SOURCES.iter().flat_map(|source: &&RawSource| source.lookalikes)
}

/// A mark's key, and whether its value has to be an object.
pub(crate) fn mark_of(mark: &str) -> (&str, bool) {
    mark.strip_suffix("{}").map_or((mark, false), |key| (key, true))
}

/// Whether a value that begins so is a string, a number or a boolean.
fn is_scalar(opening: u8) -> bool {
    !matches!(opening, b'{' | b'[' | b'n')
}

/// What may stand between two documents: white space, also Unicode's, commas, record separators
/// (RFC 7464) and byte order marks.
pub(crate) fn is_gap(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ' | ',' | '\u{1e}' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{feff}'
        | '\u{2000}'..='\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// Behind what may stand between two documents.
fn skip_gap(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    text.len() - rest.trim_start_matches(is_gap).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    const RAW: &str = r#"{"eventName":"PutObject","eventSource":"s3.amazonaws.com"}"#;

    fn parts(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        inner_parts(text, &mut |part| {
            found.push(match part {
                InnerPart::Event(text) => format!("event {}", text.len()),
                InnerPart::Other(text) => format!("other {text}"),
                InnerPart::Broken(text) => format!("broken {text}"),
            });
        });
        found
    }

    #[test]
    fn an_event_is_one_by_its_own_top_level_keys() {
        for (text, is_one) in [
            (RAW.to_string(), true),
            (format!(" \u{feff}\u{1e}{RAW}\n"), true),
            (r#"{"event\u004eame":"a","eventSource":"b"}"#.into(), true),
            (r#"{"eventVersion":"1","eventTime":"t","eventName":"n"}"#.into(), true),
            (r#"{"eventVersion":"1","eventTime":"t"}"#.into(), false),
            (
                r#"{"eventVersion":"1","eventTime":"t","eventType":"x","insightDetails":{}}"#
                    .into(),
                true,
            ),
            (
                r#"{"eventVersion":"1","eventTime":"t","eventType":"x","insightDetails":1}"#.into(),
                false,
            ),
            (r#"{"userAgent":"eventName eventSource"}"#.into(), false),
            (format!(r#"{{"a":{RAW}}}"#), false),
            (format!("{RAW} x"), false),
            (format!("[{RAW}]"), false),
            // Of a key that is there twice the last one counts.
            (r#"{"eventName":"a","eventSource":"b","eventName":null}"#.into(), false),
            (r#"{"eventName":[],"eventSource":"b","eventName":"a"}"#.into(), true),
            (r#"{"eventName":"ObjectCreated","eventSource":"aws:s3"}"#.into(), false),
            // It would be read as an ECS document.
            (r#"{"eventName":"a","eventSource":"b","event":{"action":"c"}}"#.into(), false),
            (r#"{"eventName":"a","eventSource":"b","event.action":"c"}"#.into(), false),
            (r#"{"eventName":"a","eventSource":"b""#.into(), false),
        ] {
            assert_eq!(is_raw_event(&text), is_one, "{text}");
        }
    }

    #[test]
    fn several_events_in_a_text() {
        let event = format!("event {}", RAW.len());
        for text in [
            format!("{RAW}{RAW}"),
            format!("{RAW}\n{RAW}\n"),
            format!("{RAW}\t{RAW}"),
            format!("\u{1e}{RAW}\n\u{1e}{RAW}"),
            format!("{RAW} , \u{feff}{RAW}"),
            format!("{RAW}\u{b}{RAW}"),
            format!("{RAW}\u{a0}\u{2028}\u{3000}\u{c}\u{85}{RAW}"),
            format!("[{RAW} , {RAW}]"),
            format!(r#"{{"Records":[{RAW},{RAW}]}}"#),
        ] {
            assert_eq!(parts(&text), [&*event, &*event], "{text}");
            assert_eq!(InnerForm::of(&text), InnerForm::Several, "{text}");
        }
        let one = format!(r#"{{"Records":[{RAW}]}}"#);
        assert_eq!(InnerForm::of(&one), InnerForm::Several);
        assert_eq!(
            parts(&format!(r#"[1,{RAW},{{"x":1}}] tail"#)),
            ["other 1", &event, r#"other {"x":1}"#, "broken tail"]
        );
        let more = format!(r#"{{"Records":[{RAW}],"x":1}}"#);
        assert_eq!(parts(&more), [format!("other {more}")]);
        assert_eq!(InnerForm::of("[]{}"), InnerForm::Nothing);
        assert_eq!(parts(r#"{"Records":[]}"#), [""; 0]);
        assert_eq!(parts("[1"), ["broken [1"]);
    }
}
