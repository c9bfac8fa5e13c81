//! A text with the strings around its event unwrapped.
//!
//! In: a text, a reader, what is trusted. Out: the event's fields, or what there is instead. It never
//! looks for a match.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use firstseen_event::{
    EventError, EventFields, EventReader, ReadOutcome, Scratch, StatedIndex, Trust,
};

/// How deep an event may be nested in strings inside strings.
const MAX_INNER: u8 = 4;

/// An event's text after its envelope was opened.
pub(crate) enum OpenedEvent<'a> {
    Event(EventFields<'a>),
    Nothing(&'a str),
    Bad(EventError),
}

/// What is around a text: how many strings, and the index that the outermost document names.
#[derive(Default)]
pub(crate) struct Outside {
    depth: u8,
    index: Option<StatedIndex>,
}

/// Unwraps the strings that an event may be nested in, and passes its fields on.
pub(crate) fn open_event(
    reader: &EventReader,
    trust: &Trust,
    text: &str,
    scratch: &mut Scratch,
    outside: Outside,
    then: &mut dyn FnMut(OpenedEvent<'_>),
) {
    let fault = |code, reason: String| EventError { code, reason, at: 0 };
    match reader.read_trusting(text, scratch, trust) {
        Ok(ReadOutcome::Event(fields)) => then(OpenedEvent::Event(fields.within(outside.index))),
        Ok(ReadOutcome::NoEvent(what)) => then(OpenedEvent::Nothing(&what)),
        Ok(ReadOutcome::Inner(..)) if outside.depth >= MAX_INNER => {
            let reason = format!("the event is nested in more than {MAX_INNER} strings");
            then(OpenedEvent::Bad(fault("too_deep", reason)));
        }
        Ok(ReadOutcome::Inner(inner, index)) => {
            let depth = outside.depth.saturating_add(1);
            let outside = Outside { depth, index: outside.index.or(index) };
            open_event(reader, trust, &inner, &mut Scratch::default(), outside, then);
        }
        Ok(ReadOutcome::SeveralInner(_)) => {
            let reason = "a string in it holds several events: the host has to split it";
            then(OpenedEvent::Bad(fault("several_events", reason.to_owned())));
        }
        Ok(ReadOutcome::SeveralEvents(what)) => {
            let reason = format!("{what} holds several events: the host has to split it");
            then(OpenedEvent::Bad(fault("several_events", reason)));
        }
        Err(error) => then(OpenedEvent::Bad(error)),
    }
}
