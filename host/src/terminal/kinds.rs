//! What holds no events, in the singular and the plural.
//!
//! In: what something is, as the reader of events or a rule names it, and how many there were. Out: both as
//! a person writes them. A name that is not known here stands before its number.

use super::formats::{counted, number};
use crate::escape::escaped;

/// The names, and those of several.
const PLURALS: [(&str, &str); 24] = [
    ("CloudTrail digest", "CloudTrail digests"),
    ("CloudTrail Lake eventData", "CloudTrail Lake eventData documents"),
    ("CloudWatch control message", "CloudWatch control messages"),
    ("CloudWatch log line", "CloudWatch log lines"),
    ("EventBridge event of something else", "EventBridge events of something else"),
    ("JSON in a string that is no CloudTrail event", "JSON strings that are no CloudTrail events"),
    (
        "JSON that is neither CloudTrail nor ECS",
        "JSON documents that are neither CloudTrail nor ECS",
    ),
    ("Loki line", "Loki lines"),
    ("Loki query result", "Loki query results"),
    ("Loki streams", "documents of Loki streams"),
    ("OCSF event", "OCSF events"),
    ("OTLP log records", "documents of OTLP log records"),
    ("S3 notification", "S3 notifications"),
    ("S3 test event", "S3 test events"),
    ("SNS notification", "SNS notifications"),
    ("SQS message", "SQS messages"),
    ("Splunk event", "Splunk events"),
    ("Splunk HEC event", "Splunk HEC events"),
    ("Wazuh alert", "Wazuh alerts"),
    ("empty input", "empty inputs"),
    ("file that is no log", "files that are no logs"),
    ("input of white space alone", "inputs of white space alone"),
    ("search hit with fields and no _source", "search hits with fields and no _source"),
    ("Elasticsearch search result", "Elasticsearch search results"),
];

/// What is where it should be and never holds events; and empty inputs, which are named one by one.
const EXPECTED: [&str; 5] = [
    "CloudTrail digest",
    "CloudWatch control message",
    "S3 test event",
    "empty input",
    "input of white space alone",
];

/// So many of a kind.
#[must_use]
pub(super) fn several(kind: &str, count: u64) -> String {
    match PLURALS.iter().find(|(one, _)| *one == kind) {
        Some((one, many)) => counted(count, one, many),
        None => format!("{} {}", escaped(kind), number(count)),
    }
}

/// Whether somebody who wants to hear of faults alone wants to hear of the kind.
#[must_use]
pub(super) fn is_expected(kind: &str) -> bool {
    EXPECTED.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_their_plurals() {
        for (kind, count, shown) in [
            ("Splunk event", 1, "1 Splunk event"),
            ("Splunk event", 2, "2 Splunk events"),
            ("file that is no log", 6000, "6,000 files that are no logs"),
            ("made up\x1b", 2, "made up\\u{1b} 2"),
        ] {
            assert_eq!(several(kind, count), shown);
        }
        assert!(PLURALS.iter().all(|(one, many)| one != many));
        assert!(EXPECTED.iter().all(|kind| PLURALS.iter().any(|(one, _)| one == kind)));
    }
}
