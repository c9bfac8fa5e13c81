//! What cannot be followed: skipped as it streams by, and reported.

use std::ops::ControlFlow;

use super::nested;
use super::{Mode, Splitter};
use crate::bytes::trim;
use crate::sink::{EventSink, Place, SplitFault, code};

/// SkipReason something is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SkipReason {
    /// The rest of a line is not JSON. The next line may be.
    NotJson,
    /// A document went wrong at this place. It is over where a line begins like a document.
    BadJson(Place),
}

impl Splitter {
    /// The line is not JSON from `at` on.
    pub(super) fn skip_not_json(&mut self, at: usize) {
        self.capture.begin(at, self.place(at));
        self.go_on_skipping();
    }

    /// The line is not JSON from where the capture began on.
    pub(super) fn go_on_skipping(&mut self) {
        self.fresh_line = false;
        self.mode = Mode::Skip(SkipReason::NotJson);
    }

    /// The open document goes wrong at `at`.
    pub(super) fn skip_bad_json(&mut self, at: usize) {
        let place = self.place(at);
        if !self.capture.is_open() {
            self.capture.begin(at, place);
        }
        self.fresh_line = false;
        self.mode = Mode::Skip(SkipReason::BadJson(place));
    }

    pub(super) fn skip(
        &mut self,
        why: SkipReason,
        bytes: &[u8],
        mut at: usize,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<(), usize> {
        while at < bytes.len() {
            let first_column = std::mem::take(&mut self.fresh_line);
            if first_column && matches!(bytes.get(at), Some(b'{' | b'[')) {
                self.skip_ends(why, bytes, at, sink)?;
                return ControlFlow::Continue(at);
            }
            let start = at;
            at = self.line_end(bytes, start);
            if at.checked_sub(1).and_then(|last| bytes.get(last)) == Some(&b'\n') {
                self.line += 1;
                if why == SkipReason::NotJson {
                    self.skip_ends(why, bytes, at, sink)?;
                    return ControlFlow::Continue(at);
                }
                self.fresh_line = true;
            }
        }
        ControlFlow::Continue(at)
    }

    /// Reports what was skipped up to `end`.
    pub(super) fn skip_ends(
        &mut self,
        why: SkipReason,
        bytes: &[u8],
        end: usize,
        sink: &mut dyn EventSink,
    ) -> ControlFlow<()> {
        self.mode = Mode::Lines;
        let place = self.capture.place();
        let (place, fault) = match why {
            SkipReason::NotJson => {
                let reason = "neither a JSON object nor an array of them";
                (place, SplitFault::new(code::NOT_JSON, reason))
            }
            SkipReason::BadJson(Place { offset, line, .. }) => {
                let reason = format!("not JSON from line {line}, byte {offset} of the input on");
                (self.in_document(place), SplitFault::new(code::BAD_JSON, reason))
            }
        };
        let text = trim(self.capture.take(bytes, end).text);
        if why == SkipReason::NotJson && matches!(text, [b'"', .., b'"']) {
            // A document that was written as a JSON string.
            return self.opener.string_line(place, text, &mut 0, sink);
        }
        nested::bad(place, fault, text, sink)
    }
}
