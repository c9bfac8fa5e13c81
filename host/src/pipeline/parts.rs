//! A text that was taken for one event, and is not: two documents on a line, or a string that holds
//! several events.
//!
//! In: the text, and what a rule says of it. Out: its parts, as crate envelope splits them. Only texts
//! of which a rule said that they are no one event come here, so that lines are fast: nearly none is such a text.

use crate::source::ReadLimits;
use firstseen_envelope::{EventSink, Place, SplitFault, SplitOptions, Splitter, line_events};
use std::ops::ControlFlow;
use std::sync::Arc;

/// A text in parts.
pub(super) struct SplitText {
    /// Where the text is.
    pub place: Place,
    pub parts: Vec<LinePart>,
}

/// A part of a text.
pub(crate) enum LinePart {
    Event(Vec<u8>),
    /// What holds no events, by its name.
    NoEvents(String),
    Bad(SplitFault, Vec<u8>),
}

impl LinePart {
    /// The parts of a text of which a rule said this (`code: reason`); nothing where it is one event
    /// all the same, and bad.
    pub(crate) fn all(read: &ReadLimits, said: &str, text: &[u8]) -> Option<Vec<Self>> {
        if !said.starts_with("several_events: ") && !said.starts_with("bad_json: ") {
            return None;
        }
        let mut found = PartSink(Vec::new());
        let options = SplitOptions { max_event: read.max_event };
        // `PartSink` never breaks off.
        let _ = Splitter::line(options, Arc::clone(&read.trust), text, &mut found);
        let is_whole = |part: &Self| matches!(part, Self::Event(event) if event == text);
        let is_bad = |part: &Self| matches!(part, Self::Bad(..));
        // A line with something on it that cannot be read is bad as a whole.
        let good = match said.starts_with("bad_json: ") {
            true => !found.0.iter().any(is_bad),
            false => !found.0.iter().all(is_bad),
        };
        (good && !found.0.iter().any(is_whole)).then_some(found.0)
    }
}

struct PartSink(Vec<LinePart>);

impl EventSink for PartSink {
    fn lines(&mut self, place: Place, chunk: &[u8]) -> ControlFlow<()> {
        let events = line_events(place, chunk);
        self.0.extend(events.map(|(_, event)| LinePart::Event(event.to_vec())));
        ControlFlow::Continue(())
    }

    fn event(&mut self, _: Place, text: &[u8]) -> ControlFlow<()> {
        self.0.push(LinePart::Event(text.to_vec()));
        ControlFlow::Continue(())
    }

    fn no_events(&mut self, _: Place, what: &str) -> ControlFlow<()> {
        self.0.push(LinePart::NoEvents(what.to_owned()));
        ControlFlow::Continue(())
    }

    fn bad(&mut self, _: Place, fault: SplitFault, text: &[u8]) -> ControlFlow<()> {
        self.0.push(LinePart::Bad(fault, text.to_vec()));
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(said: &str, text: &str) -> Option<String> {
        let parts = LinePart::all(&ReadLimits::default(), said, text.as_bytes())?;
        let shown = parts.iter().map(|part| match part {
            LinePart::Event(text) => String::from_utf8_lossy(text).into_owned(),
            LinePart::NoEvents(what) => format!("none: {what}"),
            LinePart::Bad(fault, _) => format!("bad: {}", fault.code),
        });
        Some(shown.collect::<Vec<_>>().join(" | "))
    }

    #[test]
    fn a_line_of_several_is_taken_apart_and_a_bad_one_is_not() {
        let (a, b) = (r#"{"@timestamp":"1"}"#, r#"{"@timestamp":"2"}"#);
        for between in ["", " ", "   ", "\t", ",", " , ", "\u{1e}", "\u{feff}"] {
            let both = Some(format!("{a} | {b}"));
            assert_eq!(parts("bad_json: x", &format!("{a}{between}{b}")), both, "{between:?}");
        }
        assert_eq!(parts("bad_json: x", &format!("{a} x")), None);
        assert_eq!(parts("bad_json: x", r#"{"a":}"#), None);
        assert_eq!(parts("no_time: x", &format!("{a}{b}")), None);
        let raw = r#"{"eventName":"a","eventSource":"b"}"#;
        let text = serde_json::json!({ "@timestamp": "1", "message": format!("[{raw},{raw},1]") });
        assert_eq!(
            parts("several_events: x", &text.to_string()),
            Some(format!("{raw} | {raw} | none: JSON in a string that is no CloudTrail event"))
        );
    }
}
