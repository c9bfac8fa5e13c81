//! What a run did, in numbers.
//!
//! In: counts as the run made them. Out: their sums, and one JSON object. Everything that could not
//! be judged has a count. terminal/summary.rs prints them for a person.

use super::names::NameCounts;
use super::place::input_name;
use super::rule_counts::RuleCounts;
use anyhow::Context as _;
use firstseen_event::{NOT_OPENED, TEXT_NOT_OPENED};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Inputs that were read.
    pub files: u64,
    /// Inputs that were read before, with `--resume`.
    #[serde(skip_serializing_if = "is_none")]
    pub already_read: u64,
    /// Matches that an earlier process decided, in the batch that this one went on with.
    #[serde(skip_serializing_if = "is_none")]
    pub decided_before: u64,
    /// Bytes of what was read, unpacked.
    pub bytes: u64,
    /// Events read.
    pub events: u64,
    /// Events that a rule's query matched; one that two rules match counts twice.
    pub matched: u64,
    /// Alerts.
    pub alerts: u64,
    /// Alerts given again, because the same event was read again.
    pub repeats: u64,
    /// Terms that were seen before in the window.
    pub seen: u64,
    /// Matched events without one of the new-terms fields.
    pub missing_terms: u64,
    /// The same by the field that was missing.
    pub missing_by_field: NameCounts,
    /// Of them, why: by field, the causes that were found in the first 1000 events.
    pub missing_causes: BTreeMap<String, NameCounts>,
    /// Events that could not be judged.
    pub bad: u64,
    /// The same by the code of what was wrong.
    pub bad_by: NameCounts,
    /// Inputs or messages that hold no events, by what they are.
    pub no_events: NameCounts,
    /// Texts and documents like CloudTrail's events that were not opened for want of trust, by the
    /// entry of `trust_envelopes` that opens them.
    pub not_opened: NameCounts,
    /// Matched events that an exception took out.
    pub suppressed_by_exception: u64,
    /// The same by the exception's name.
    pub suppressed_by: NameCounts,
    /// Matched events of an index that their rule is not about.
    pub other_index: u64,
    /// The same by the index.
    pub other_index_by: NameCounts,
    /// Matched events dated later than the clock allows.
    pub future: u64,
    /// Terms older than all that the state remembers.
    pub older_than_state: u64,
    /// Alerts dated before what the state remembers of earlier runs, which may have given them too.
    pub before_memory: u64,
    /// Matched events whose text was gone when it was needed: their input was replaced or cut.
    pub lost_texts: u64,
    /// Later sightings of their terms, of which nothing was decided.
    pub after_lost_text: u64,
    /// Matched events with more terms than are judged.
    pub too_many_terms: u64,
    /// Terms taken as known while a rule learned.
    pub learned: u64,
    /// Inputs that could not be read to their end.
    pub failed_inputs: u64,
    /// Events written to the dead letter file.
    pub dead_letters: u64,
    /// Skipped events that were not written there, because it has its limit.
    pub dead_letters_cut: u64,
    /// Records whose rest was cut, because they expand too far.
    pub records_cut: u64,
    /// The earliest and the latest time of the events that were looked at, in milliseconds since 1970:
    /// all that match, and of files some of the others.
    pub first_time_ms: Option<i64>,
    /// See `first_time_ms`.
    pub last_time_ms: Option<i64>,
    /// Matched events dated before 2013, when there was no CloudTrail.
    pub before_2013: u64,
    /// Events that --hold let go early, because memory for holding them was full.
    pub released_early: u64,
    /// What each rule met.
    pub rules: Vec<RuleCounts>,
    /// Exceptions that took nothing out, and why that may be.
    pub unused_exceptions: Vec<UnusedException>,
    /// Rules that were stopped, because they ran over their time too often.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stopped_rules: Vec<StoppedRule>,
    /// What the state is and what becomes of it.
    pub state: String,
    /// How long the run took, in milliseconds.
    pub elapsed_ms: u64,
    /// Events read in a second.
    pub events_per_second: u64,
    /// The `event.dataset` that all rules of the run are about, where it is the same for all. It
    /// chooses words for a person, and is not in the JSON.
    #[serde(skip)]
    pub dataset: Option<String>,
    /// Whether the state knew nothing before, and nothing told it to learn. It is not in the JSON.
    #[serde(skip)]
    pub all_new: bool,
}

/// A rule that was stopped in the run: what it did not judge is counted by the code `rule_stopped`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoppedRule {
    /// Its artifact, as messages name it.
    pub name: String,
    /// How often it ran over its time.
    pub overruns: u32,
}

/// An exception that took nothing out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnusedException {
    /// Its name.
    pub name: String,
    /// Why that may be, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The beginning of 2013, in milliseconds since 1970.
pub(crate) const YEAR_2013: i64 = 1_356_998_400_000;

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Summary {
    /// Counts an event that an exception took out.
    pub fn suppress(&mut self, name: &str) {
        self.suppressed_by_exception += 1;
        self.suppressed_by.add(name);
    }

    /// Counts a match of an index that its rule is not about.
    pub fn other_index(&mut self, name: &str) {
        self.other_index += 1;
        self.other_index_by.add(name);
    }

    /// Counts an event that could not be judged.
    pub fn bad(&mut self, code: &str) {
        self.bad += 1;
        self.bad_by.add(code);
    }

    /// Takes the time of an event into the span.
    pub fn date(&mut self, time_ms: i64, matched: bool) {
        self.first_time_ms = Some(self.first_time_ms.map_or(time_ms, |first| first.min(time_ms)));
        self.last_time_ms = self.last_time_ms.max(Some(time_ms));
        self.before_2013 += u64::from(matched && time_ms < YEAR_2013);
    }

    /// Counts what holds no events, or was not opened.
    pub fn no_events(&mut self, what: &str) {
        let entry = what.strip_prefix(NOT_OPENED).or_else(|| what.strip_prefix(TEXT_NOT_OPENED));
        match entry {
            Some(entry) => self.not_opened.add(entry),
            None => self.no_events.add(what),
        }
    }

    /// Ends the counting: how long it took, and what that makes of a second.
    pub fn finish(&mut self, elapsed: Duration) {
        self.elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let seconds = elapsed.as_secs_f64().max(1e-6);
        self.events_per_second = (self.events as f64 / seconds) as u64;
    }

    /// Writes it as one JSON object.
    ///
    /// # Errors
    /// When the file cannot be written; it is named.
    pub fn write_json(&self, path: &Path) -> anyhow::Result<()> {
        let mut json = serde_json::to_string(self)?;
        json.push('\n');
        std::fs::write(path, json).with_context(|| {
            format!("{}: the summary cannot be written", input_name(&path.to_string_lossy()))
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Counts by name.
    pub(crate) fn named(names: &[(&str, u64)]) -> NameCounts {
        names.iter().copied().collect()
    }

    /// A run in which everything happened.
    pub(crate) fn busy() -> Summary {
        let mut summary = Summary {
            files: 12,
            bytes: 1_234_567,
            events: 1_234_567,
            matched: 58,
            alerts: 3,
            repeats: 1,
            seen: 40,
            missing_terms: 13,
            missing_by_field: named(&[("user.name", 12), ("host.id", 1)]),
            missing_causes: [(
                "user.name".to_owned(),
                named(&[("root user", 2), ("AWS service", 10)]),
            )]
            .into(),
            bad: 3,
            bad_by: named(&[("bad_json", 2), ("too_deep", 1)]),
            no_events: named(&[("CloudTrail digest", 4), ("Splunk event", 2)]),
            not_opened: named(&[("dataset:nginx.access", 3), ("log", 1)]),
            suppressed_by_exception: 1234,
            suppressed_by: named(&[("ci pipeline", 1231), ("the vendor", 3)]),
            other_index: 3,
            other_index_by: named(&[("logs-aws.guardduty-default", 3)]),
            future: 2,
            released_early: 1,
            older_than_state: 1,
            too_many_terms: 1,
            before_memory: 2,
            lost_texts: 1,
            after_lost_text: 2,
            learned: 7,
            failed_inputs: 1,
            dead_letters: 2,
            dead_letters_cut: 5,
            first_time_ms: Some(1_743_494_400_000),
            last_time_ms: Some(1_743_580_800_000),
            before_2013: 1,
            dataset: Some("aws.cloudtrail".to_owned()),
            state: "memory, nothing is kept; --state PATH keeps it".to_owned(),
            ..Summary::default()
        };
        summary.finish(Duration::from_millis(3210));
        summary
    }

    #[test]
    fn the_json_has_every_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.json");
        busy().write_json(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("}\n") && text.lines().count() == 1);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json.as_object().unwrap().len(), 38);
        for (name, value) in [
            ("events", 1_234_567),
            ("matched", 58),
            ("alerts", 3),
            ("missing_terms", 13),
            ("bad", 3),
            ("elapsed_ms", 3210),
            ("events_per_second", 384_600),
        ] {
            assert_eq!(json[name], value, "{name}");
        }
        assert_eq!(json["missing_by_field"]["user.name"], 12);
        assert_eq!(json["missing_causes"]["user.name"]["root user"], 2);
        assert_eq!(json["suppressed_by"]["the vendor"], 3);
        assert_eq!(json["bad_by"], serde_json::json!({ "bad_json": 2, "too_deep": 1 }));
        let error = busy().write_json(Path::new("/no/such/folder/s")).unwrap_err();
        assert!(error.to_string().starts_with("/no/such/folder/s: "), "{error}");
    }

    #[test]
    fn no_time_at_all_is_no_division_by_zero() {
        let mut summary = Summary { events: 1, ..Summary::default() };
        summary.finish(Duration::ZERO);
        assert_eq!(summary.events_per_second, 1_000_000);
    }
}
