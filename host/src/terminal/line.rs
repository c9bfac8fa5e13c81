//! An alert on one line: time, severity, rule, new terms, when they were last seen.
//!
//! In: an alert in the ECS form, and the width of the terminal. Out: a line without its line break,
//! in columns that are the same for every alert of that width. Nothing in it is taken on trust: text
//! from events is escaped, and cut in its middle where it is too wide, because both its ends say
//! something. Without a width nothing is cut.

use super::pretty::{cut, cut_middle, fitting, severity_style};
use super::style::{DIM, paint};
use super::value::{field, lookup, short_span, text, time};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// Narrower than this, times have no seconds, severities four letters, and gaps one column.
const WIDE: usize = 100;
/// Narrower than this there is no line.
const NARROWEST: usize = 60;
/// Wider than this a name of a rule need not be.
const WIDEST_RULE: usize = 56;

/// The columns of a line.
struct Layout {
    time: (&'static str, usize),
    severity: usize,
    rule: usize,
    /// What is left for the new terms and for what is said of the sighting before.
    rest: usize,
    gap: usize,
}

impl Layout {
    fn of(width: usize) -> Self {
        let (time, severity, gap) =
            if width < WIDE { (("%F %H:%M", 16), 4, 1) } else { (("%FT%TZ", 20), 8, 2) };
        if width == usize::MAX {
            return Self { time, severity, rule: 0, rest: usize::MAX, gap };
        }
        let left = width.max(NARROWEST) - time.1 - severity - 4 * gap;
        let rule = (left * 2 / 5 - 3).min(WIDEST_RULE);
        Self { time, severity, rule, rest: left - rule, gap }
    }
}

/// Columns of `12d before`; longer words take theirs from the new terms.
const BEFORE: usize = 10;

/// An alert's JSON as a line. `width` is in columns.
#[must_use]
pub fn render(json: &str, colour: bool, width: usize) -> String {
    match serde_json::from_str(json) {
        Ok(alert) => line(&alert, colour, width),
        // Nested too deep to be read, for one; an alert is shown all the same.
        Err(_) => cut(&crate::escape::escaped(json), width),
    }
}

fn line(alert: &Value, colour: bool, width: usize) -> String {
    let layout = Layout::of(width);
    let when = ["kibana.alert.original_time", "@timestamp"].into_iter();
    let when = when.clone().find_map(|path| time(alert, path));
    let when = when.map_or_else(|| "-".to_owned(), |t| t.format(layout.time.0).to_string());
    let severity = field(alert, "kibana.alert.severity").unwrap_or_else(|| "-".to_owned());
    let rule = field(alert, "kibana.alert.rule.name").unwrap_or_else(|| "-".to_owned());
    let before = before(alert);
    let style = severity_style(Some(&severity));
    let mut out = String::new();
    let mut column = |text: &str, columns: usize, style: Option<_>| {
        let gap = " ".repeat(columns.saturating_sub(text.width()) + layout.gap);
        out += &style.map_or(text.into(), |style| paint(style, text, colour));
        out += &gap;
    };
    column(&cut(&when, layout.time.1), layout.time.1, Some(DIM));
    let severity = match severity.as_str() {
        "medium" if layout.severity < 6 => "med".to_owned(),
        other => fitting(other.chars(), layout.severity),
    };
    column(&severity, layout.severity, Some(style));
    if width == usize::MAX {
        column(&rule, 0, None);
        column(&terms(alert, usize::MAX), 0, None);
    } else {
        let columns = layout.rest.saturating_sub(before.width().max(BEFORE));
        column(&cut_middle(&rule, layout.rule), layout.rule, None);
        column(&terms(alert, columns), columns, None);
    }
    out += &before;
    out
}

/// The values of the new terms with commas between, within so many columns: each is cut in its middle
/// where it takes more than its share.
fn terms(alert: &Value, columns: usize) -> String {
    let list = lookup(alert, "kibana.alert.new_terms").and_then(Value::as_array);
    let values = list.into_iter().flatten().map(|term| text(term).unwrap_or_else(|| "-".into()));
    let mut values: Vec<String> = values.collect();
    let mut left = columns.saturating_sub(2 * values.len().saturating_sub(1));
    // The shortest first: what they leave is for the others.
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|at| values[*at].width());
    for (taken, at) in order.iter().enumerate() {
        let share = left / (values.len() - taken);
        values[*at] = cut_middle(&values[*at], share);
        left = left.saturating_sub(values[*at].width());
    }
    if values.is_empty() { "-".to_owned() } else { values.join(", ") }
}

/// `never seen`, or how long before the event the terms were last seen.
fn before(alert: &Value) -> String {
    if lookup(alert, "firstseen.previous_sighting").is_none() {
        return "never seen".to_owned();
    }
    let now = time(alert, "kibana.alert.original_time").or_else(|| time(alert, "@timestamp"));
    match (time(alert, "firstseen.previous_sighting"), now) {
        (Some(at), Some(now)) => format!("{} before", short_span((now - at).num_milliseconds())),
        _ => "seen before".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn alert(user: &str, previous: Option<&str>) -> Value {
        let mut alert = json!({
            "kibana.alert.original_time": "2026-11-03T09:14:07.250Z",
            "kibana.alert.severity": "medium",
            "kibana.alert.rule.name": "First Time AWS Cloudformation Stack Creation by User",
            "kibana.alert.new_terms": [user, 7],
            "firstseen": {"window": "10d"}
        });
        if let Some(previous) = previous {
            alert["firstseen"]["previous_sighting"] = json!(previous);
        }
        alert
    }

    #[test]
    fn columns_stand_at_the_same_place_whatever_is_in_them() {
        let long = "arn:aws:sts::111122223333:assumed-role/administrator/dana@example.com";
        let shown: Vec<String> = [
            alert("alice", None),
            alert(long, Some("2026-09-03T09:14:07Z")),
            alert("漢字", Some("2026-11-03T01:14:07Z")),
            json!({}),
        ]
        .iter()
        .map(|alert| line(alert, false, 80))
        .collect();
        assert_eq!(
            shown,
            [
                "2026-11-03 09:14 med  First Tim…n by User alice, 7                    never seen",
                "2026-11-03 09:14 med  First Tim…n by User arn:aws:sts:…example.com, 7 61d before",
                "2026-11-03 09:14 med  First Tim…n by User 漢字, 7                     8h before",
                "-                -    -                   -                           never seen",
            ]
        );
        for width in [1, 80, 120, 200] {
            for alert in [alert(long, Some("1999-01-01T00:00:00Z")), alert("a", None)] {
                let shown = line(&alert, false, width);
                assert!(shown.width() <= width.max(NARROWEST), "{width}: {shown}");
            }
        }
    }

    #[test]
    fn without_a_width_nothing_is_cut() {
        let long = "x".repeat(300);
        let shown = line(&alert(&long, None), false, usize::MAX);
        assert!(shown.contains(&format!("Creation by User  {long}, 7  never seen")), "{shown}");
    }

    #[test]
    fn it_is_one_line_and_nothing_in_it_acts() {
        let hostile = json!({
            "kibana.alert.severity": "hi\ngh\x1b[2J",
            "kibana.alert.rule.name": "a\nb\x1b[2J",
            "kibana.alert.new_terms": ["c\r\nd\u{9b}2J\u{202e}", {"e\n": "\x1b"}],
            "firstseen": {"previous_sighting": "\x1b]0;"}
        });
        for width in [80, 200, usize::MAX] {
            let shown = line(&hostile, false, width);
            assert!(!shown.chars().any(crate::escape::acts), "{shown:?}");
        }
        assert!(!render("\x1b[2J\n", false, 80).chars().any(crate::escape::acts));
        assert!(line(&alert("a", None), true, 120).contains("\x1b[1m\x1b[33mmedium\x1b[0m    "));
    }
}
