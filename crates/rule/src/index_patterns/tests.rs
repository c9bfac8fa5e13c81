//! Names and patterns, by hand.

use super::IndexPatterns;
use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use firstseen_event::StatedIndex;

fn covers(patterns: &[&str], name: &str, is_stream: bool) -> bool {
    let patterns: Vec<_> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    IndexPatterns::new(&patterns).cover(&StatedIndex { name: name.to_owned(), is_stream })
}

const FLAGSHIP: &[&str] = &["filebeat-*", "logs-aws.cloudtrail-*"];

#[test]
fn patterns_cover_names() {
    for (patterns, name, expected) in [
        (FLAGSHIP, "filebeat-8.1", true),
        (FLAGSHIP, "filebeat-8.17.0-2025.03.01-000001", true),
        (FLAGSHIP, "logs-aws.cloudtrail-default", true),
        (FLAGSHIP, ".ds-logs-aws.cloudtrail-default-2025.03.01-000001", true),
        (FLAGSHIP, "partial-.ds-filebeat-8.17.0-2025.03.01-000001", true),
        (FLAGSHIP, "prod:logs-aws.cloudtrail-default", true),
        (FLAGSHIP, "logs-aws.guardduty-default", false),
        (FLAGSHIP, ".ds-logs-aws.cloudtrail_digest-default-2025.03.01-000001", false),
        (FLAGSHIP, "Filebeat-8.1", false),
        (FLAGSHIP, "my-filebeat-8.1", false),
        (FLAGSHIP, "", false),
        (&["logs-*"], ".ds-logs-nginx.access-default-2025.03.01-000001", true),
        (&["*"], ".internal.alerts-000001", true),
        // Without a star, the name of a stream or of an index.
        (&["logs-a-default"], ".ds-logs-a-default-2025.03.01-000001", true),
        (&["logs-a-default"], "logs-a-default-2", false),
        (&[".ds-logs-a-*"], ".ds-logs-a-default-2025.03.01-000001", true),
        // A backing index is not named by its date.
        (&["logs-a-default-*"], ".ds-logs-a-default-2025.03.01-000001", false),
    ] {
        assert_eq!(covers(patterns, name, false), expected, "{patterns:?} {name}");
    }
}

#[test]
fn an_exclusion_takes_out_what_is_before_it() {
    for (patterns, name, expected) in [
        (&["logs-*", "-logs-a-*"][..], "logs-a-x", false),
        (&["logs-*", "-logs-a-*"], ".ds-logs-a-x-2025.03.01-000001", false),
        (&["logs-*", "-logs-a-*"], "logs-b-x", true),
        (&["logs-*", "-logs-a-*", "logs-a-x"], "logs-a-x", true),
        (&["-logs-a-*", "logs-*"], "logs-a-x", true),
        (&["logs-a", "-logs-a"], "logs-a", true),
        (&["-logs-a"], "logs-b", false),
        (&["*:logs-*", "prod:-logs-a"], "prod:logs-a", false),
        (&["*:logs-*", "prod:-logs-a"], "test:logs-a", true),
        (&["*:logs-*", "-prod:*"], "prod:logs-a", false),
        (&["*:logs-*", "-prod:*"], "test:logs-a", true),
    ] {
        assert_eq!(covers(patterns, name, false), expected, "{patterns:?} {name}");
    }
}

#[test]
fn a_cluster_is_that_of_the_name() {
    for (patterns, name, expected) in [
        (&["prod:logs-*"][..], "prod:logs-a", true),
        (&["prod:logs-*"], "prod:.ds-logs-a-x-2025.03.01-000001", true),
        (&["prod:logs-*"], "test:logs-a", false),
        (&["prod:logs-*"], "logs-a", false),
        (&["*:logs-*"], "test:logs-a", true),
        (&["*:logs-*"], "logs-a", false),
        (&["eu-*:logs-*"], "eu-1:logs-a", true),
        (&["logs-*", "*:logs-*"], "logs-a", true),
    ] {
        assert_eq!(covers(patterns, name, false), expected, "{patterns:?} {name}");
    }
    // `data_stream.*` does not say which cluster.
    assert!(covers(&["prod:logs-*"], "logs-a-x", true));
    assert!(!covers(&["prod:filebeat-*"], "logs-a-x", true));
    assert!(covers(&["*:logs-*", "prod:-logs-a-x"], "logs-a-x", true));
}
