//! Which events `explain` shows, and what it says of each: when, who, id.
//!
//! In: `--id`, `--where`, an event's text and the ids of its alerts. Out: whether the event is wanted,
//! and its facts. It judges nothing: an event that is not shown is decided all the same, as later
//! ones rest on it.

use crate::escape::escaped;
use crate::terminal::{diagnostic, message};
use anyhow::anyhow;
use firstseen_compiler::RuleText;
use firstseen_rule::alert::rfc3339;
use firstseen_rule::probe::{EventProbe, ProbedEvent};
use firstseen_rule::source;
use serde_json::{Map, Value};

/// Who did it: the first of these that an event has.
const WHO: [&str; 6] = [
    "user.name",
    "aws.cloudtrail.user_identity.arn",
    "aws.cloudtrail.user_identity.invoked_by",
    "user.id",
    "aws.cloudtrail.user_identity.type",
    "host.name",
];

/// Chooses events.
pub(super) struct EventFilter {
    ids: Vec<String>,
    probe: EventProbe,
    has_query: bool,
    has_shown: bool,
}

impl EventFilter {
    /// # Errors
    /// What is wrong with the query.
    pub(super) fn new(ids: &[String], kql: Option<&str>) -> anyhow::Result<Self> {
        let probe = match kql {
            Some(kql) => {
                checked(kql)?;
                EventProbe::with_query(&WHO, kql).map_err(|e| anyhow!("--where: {e}"))?
            }
            None => EventProbe::new(&WHO),
        };
        Ok(Self { ids: ids.to_vec(), probe, has_query: kql.is_some(), has_shown: false })
    }

    /// Whether every event is wanted, also one that cannot be read.
    pub(super) fn takes_all(&self) -> bool {
        self.ids.is_empty() && !self.has_query
    }

    /// The facts of an event; nothing where it is not wanted. `alerts` gives the ids that its alerts
    /// have or would have; it is asked only where an id is wanted that is not the event's.
    pub(super) fn look(
        &mut self,
        event: &[u8],
        alerts: impl FnOnce() -> Vec<String>,
    ) -> Option<Map<String, Value>> {
        let Some(found) = self.probe.look(event) else {
            return self.takes_all().then(Map::new);
        };
        if !found.matches {
            return None;
        }
        let is_wanted = |id: &String| self.ids.contains(id);
        let mut alert = None;
        if !self.ids.is_empty() && !found.id.as_ref().is_some_and(is_wanted) {
            alert = Some(alerts().into_iter().find(is_wanted)?);
        }
        self.has_shown = true;
        let mut out = facts(found);
        out.extend(alert.map(|id| ("of_alert".to_owned(), id.into())));
        Some(out)
    }

    /// What to say where events were asked for and there was none of them.
    pub(super) fn found_nothing(&self) -> Option<String> {
        if self.has_shown || self.takes_all() {
            return None;
        }
        let ids: Vec<String> = self.ids.iter().map(|id| escaped(id).into_owned()).collect();
        Some(match (ids.is_empty(), self.has_query) {
            (true, _) => "no event matches --where".to_owned(),
            (false, false) => format!("no event and no alert has the id {}", ids.join(" or ")),
            (false, true) => {
                let ids = ids.join(" or ");
                format!("no event that matches --where has the id {ids}, nor has its alert")
            }
        })
    }
}

/// Says of a query what is said of a rule's: its warnings are printed.
///
/// # Errors
/// When it is no query, after what is wrong with it was printed.
fn checked(kql: &str) -> anyhow::Result<()> {
    let source = RuleText { name: "--where", text: kql };
    let (found, is_query) = match source::check_query(kql) {
        Ok(warnings) => (warnings, true),
        Err(faults) => (faults, false),
    };
    for one in &found {
        message::page(diagnostic::level(one), &(diagnostic::shown(&source, one) + "\n"));
    }
    if is_query { Ok(()) } else { Err(anyhow!("--where is no query: {}", escaped(kql))) }
}

fn facts(found: ProbedEvent) -> Map<String, Value> {
    let mut out = Map::new();
    if let Some(ms) = found.time_ms {
        out.insert("when".to_owned(), rfc3339(ms).into());
    }
    if let Some(who) = (0..WHO.len()).find_map(|name| found.first(name)) {
        out.insert("who".to_owned(), who.into());
    }
    if let Some(id) = found.id {
        out.insert("id".to_owned(), id.into());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_chosen_by_id_and_by_query() {
        let event = |id: &str, user: &str| {
            json!({ "@timestamp": "2025-04-01T08:00:00Z", "event": { "id": id },
                    "user": { "name": user } })
            .to_string()
        };
        let shown = |ids: &[&str], kql: Option<&str>| {
            let ids: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
            let mut filter = EventFilter::new(&ids, kql).unwrap();
            let all = [event("a", "ann"), event("b", "bob"), "{".to_owned()];
            let look = |event: &String| filter.look(event.as_bytes(), Vec::new).is_some();
            all.iter().map(look).collect::<Vec<_>>()
        };
        assert_eq!(shown(&[], None), [true, true, true]);
        assert_eq!(shown(&["b", "x"], None), [false, true, false]);
        assert_eq!(shown(&[], Some("user.name: a*")), [true, false, false]);
        assert_eq!(shown(&["b"], Some("user.name: a*")), [false, false, false]);
        let mut filter = EventFilter::new(&["c".to_owned()], None).unwrap();
        assert!(filter.look(event("a", "ann").as_bytes(), Vec::new).is_none());
        let nothing = Some("no event and no alert has the id c");
        assert_eq!(filter.found_nothing().as_deref(), nothing);
        let unasked = || panic!("the event's own id is wanted");
        let facts = filter.look(event("c", "ann").as_bytes(), unasked).unwrap();
        assert_eq!(facts.get("of_alert"), None);
        assert_eq!(filter.found_nothing(), None);
        let facts = filter.look(event("a", "ann").as_bytes(), || vec!["x".into(), "c".into()]);
        assert_eq!(facts.unwrap()["of_alert"], "c");
        let mut filter = EventFilter::new(&[], None).unwrap();
        let facts = filter.look(event("a", "ann").as_bytes(), Vec::new).unwrap();
        let expected = json!({ "when": "2025-04-01T08:00:00.000Z", "who": "ann", "id": "a" });
        assert_eq!(Value::Object(facts), expected);
        let error = EventFilter::new(&[], Some("(")).err().unwrap().to_string();
        assert!(error.starts_with("--where is no query: ("), "{error}");
    }
}
