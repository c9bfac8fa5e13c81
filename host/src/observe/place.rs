//! Where something is in the input, as errors and dead letters name it.
//!
//! In: the name of an input and a place inside it. Out: text for a person. It never opens anything.
use crate::escape::escaped;
use firstseen_envelope::Place;
use firstseen_session::EventAt;
use std::fmt;
use std::sync::Arc;

/// The place of an event or of a fault.
#[derive(Debug, Clone, PartialEq)]
pub struct EventLocation {
    /// The path as it was given or found; `-` is standard input.
    pub file: Arc<str>,
    /// The place inside, counted in unpacked bytes.
    pub place: Place,
}

impl EventLocation {
    /// The place of an event of the input with this name.
    #[must_use]
    pub fn of(file: Arc<str>, at: &EventAt) -> Self {
        let EventAt { offset, line, record, .. } = *at;
        Self { file, place: Place { offset, line, record } }
    }
}

impl fmt::Display for EventLocation {
    /// `logs/a.json.gz: line 3, byte 4711`, with `, record 12` inside an array or an envelope.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { offset, line, record } = self.place;
        write!(f, "{}: line {line}, byte {offset}", input_name(&self.file))?;
        match record {
            Some(record) => write!(f, ", record {record}"),
            None => Ok(()),
        }
    }
}

/// The name of an input for a person: a file name may hold anything, a terminal escape too.
#[must_use]
pub fn input_name(name: &str) -> String {
    if name == "-" { "standard input".to_owned() } else { escaped(name).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_file_line_byte_and_record() {
        let mut place = Place { offset: 4711, line: 3, record: None };
        let at = |file: &str, place| EventLocation { file: file.into(), place }.to_string();
        assert_eq!(at("logs/a.json.gz", place), "logs/a.json.gz: line 3, byte 4711");
        place.record = Some(12);
        assert_eq!(at("-", place), "standard input: line 3, byte 4711, record 12");
        assert_eq!(at("a\x1b[2J", place), "a\\u{1b}[2J: line 3, byte 4711, record 12");
    }
}
