//! Raw events for the tests that `new` writes.
//!
//! In: field names. Out: an example that has all of them, as the `[base]` of a test file; or which
//! field is missing. The events are made up, in the form in which CloudTrail writes them; a member that
//! none of them has is added where crate event's table says that the field comes from.

use crate::cli::test::event::merge;
use anyhow::{anyhow, bail};
use firstseen_event::{EventReader, FieldRequest, ReadOutcome, Scratch};
use firstseen_rule::source;
use serde_json::{Map, Value, json};

/// A call, and how it fails.
struct Example {
    /// `eventSource`.
    provider: &'static str,
    /// `eventName`.
    action: &'static str,
    /// What `set` changes for a call that failed.
    failed: &'static str,
    /// The event, as TOML.
    base: &'static str,
}

/// An event that has the fields that were asked for.
#[derive(Debug)]
pub(super) struct ExampleEvent {
    /// `eventSource`.
    pub(super) provider: &'static str,
    /// `eventName`.
    pub(super) action: &'static str,
    /// `success`, or `failure` where a field tells of one.
    pub(super) outcome: &'static str,
    /// What `set` changes for a call with the other outcome, or for another call.
    pub(super) other: String,
    /// The event, as TOML.
    pub(super) base: String,
    /// The first of the fields that is another in every event.
    pub(super) unique: Option<String>,
}

/// The examples; of those that have the fields the first one is taken.
const EXAMPLES: [Example; 5] = [
    Example {
        provider: "iam.amazonaws.com",
        action: "CreateUser",
        failed: "errorCode = \"AccessDenied\", responseElements = \"none\"",
        base: include_str!("create_user.toml"),
    },
    Example {
        provider: "signin.amazonaws.com",
        action: "ConsoleLogin",
        failed: "\"responseElements.ConsoleLogin\" = \"Failure\"",
        base: include_str!("console_login.toml"),
    },
    Example {
        provider: "s3.amazonaws.com",
        action: "GetObject",
        failed: "errorCode = \"AccessDenied\"",
        base: include_str!("get_object.toml"),
    },
    Example {
        provider: "ec2.amazonaws.com",
        action: "GetPasswordData",
        failed: "errorCode = \"Client.UnauthorizedOperation\"",
        base: include_str!("get_password_data.toml"),
    },
    Example {
        provider: "sts.amazonaws.com",
        action: "AssumeRole",
        failed: "errorCode = \"AccessDenied\"",
        base: include_str!("assume_role.toml"),
    },
];

/// Objects of an event that hold what a call brings along.
const OPEN: [&str; 6] = [
    "additionalEventData",
    "insightDetails",
    "requestParameters",
    "responseElements",
    "serviceEventDetails",
    "userIdentity",
];

/// The first example that has all of the fields, or is given those that it lacks.
///
/// # Errors
/// The field that raw events do not have, or that no example has beside the others.
pub(super) fn with(fields: &[String]) -> anyhow::Result<ExampleEvent> {
    for added in [false, true] {
        for example in &EXAMPLES {
            let has = values(&document(example.base)?, fields)?;
            let missing = fields.iter().zip(has).filter(|(_, has)| has.is_empty());
            let lines: Option<Vec<String>> = missing.map(|(field, _)| member(field)).collect();
            if let Some(lines) = lines
                && (added || lines.is_empty())
                && let Some(event) = complete(example, &lines, fields)?
            {
                return Ok(event);
            }
        }
    }
    let raw = firstseen_event::raw_fields();
    let is_known = |field: &&String| raw.iter().any(|known| known.name == **field);
    if fields.len() > 1 && fields.iter().all(|field| with(std::slice::from_ref(field)).is_ok()) {
        let fields = fields.join(", ");
        bail!("no example event has these fields together: {fields}; write the rule by hand");
    }
    if fields.len() > 1 {
        // The one at fault says so by itself.
        for field in fields {
            with(std::slice::from_ref(field))?;
        }
    }
    let Some(field) = fields.first() else { bail!("a rule needs a new-terms field: --field") };
    if is_known(&field) {
        bail!("no example event has `{field}`, which raw events can have; write the rule by hand");
    }
    let outside = firstseen_event::fields_of_outside_data().iter();
    let mut outside = outside.filter(|(pattern, _)| match pattern.strip_suffix('*') {
        Some(open) => field.starts_with(open),
        None => field == pattern,
    });
    let why = match outside.next() {
        Some((_, data)) => format!(" (it takes {data})"),
        None => String::new(),
    };
    let meant = source::meant_field(field);
    let meant = meant.filter(|meant| raw.iter().any(|known| known.name == *meant));
    let meant = meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
    bail!(
        "raw CloudTrail events do not have `{field}`{why}, so the rule would never alert; \
         docs/fields.md lists the fields that they have{meant}"
    )
}

/// An example with these lines added; nothing where it has not all of the fields even so.
fn complete(
    example: &Example,
    lines: &[String],
    fields: &[String],
) -> anyhow::Result<Option<ExampleEvent>> {
    let mut base = example.base.to_owned();
    if !lines.is_empty() {
        base = base.replacen("[base]\n", &format!("[base]\n{}\n", lines.join("\n")), 1);
    }
    let Ok(mut event) = document(&base) else { return Ok(None) };
    let asked: Vec<String> = fields.iter().cloned().chain(["event.outcome".to_owned()]).collect();
    let mut sets = values(&event, &asked)?;
    if sets.iter().any(Vec::is_empty) {
        return Ok(None);
    }
    let has_failed = sets.pop().is_some_and(|outcome| outcome == ["failure"]);
    // The next event: a day later, with another id.
    event.insert("eventTime".to_owned(), json!("2025-03-02T00:00:00Z"));
    event.insert("eventID".to_owned(), json!("next"));
    let next = values(&event, fields)?;
    let differs = fields.iter().zip(sets.iter().zip(&next)).find(|(_, (one, other))| one != other);
    Ok(Some(ExampleEvent {
        provider: example.provider,
        action: example.action,
        outcome: if has_failed { "failure" } else { "success" },
        other: match has_failed {
            true => "eventName = \"AnotherCall\"".to_owned(),
            false => example.failed.to_owned(),
        },
        base,
        unique: differs.map(|(field, _)| field.clone()),
    }))
}

/// The line of a `[base]` that gives an event the field; nothing where it comes from no one member.
fn member(field: &str) -> Option<String> {
    let raw = firstseen_event::raw_fields();
    let known = raw.iter().find(|known| match known.name.strip_suffix('*') {
        Some(open) => field.starts_with(open) && field.len() > open.len(),
        None => known.name == field,
    });
    let is_path = |path: &str| path.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    let path = match known {
        Some(known) => {
            let origin = known.origin.as_str();
            match (origin.strip_prefix("the members of "), origin.strip_suffix(" as text")) {
                (Some(object), _) => {
                    let open = known.name.strip_suffix('*').unwrap_or(&known.name);
                    format!("{object}.{}", field.strip_prefix(open)?)
                }
                (_, Some(object)) => format!("{object}.example"),
                _ => origin.split(", ").next()?.to_owned(),
            }
        }
        None if OPEN.contains(&field.split_once('.')?.0) => field.to_owned(),
        None => return None,
    };
    let is_array = path.starts_with("resources.");
    (is_path(&path) && !is_array).then(|| format!("\"{path}\" = \"example\""))
}

/// An example as the runner of tests makes it.
fn document(base: &str) -> anyhow::Result<Map<String, Value>> {
    let table: toml::Table = toml::from_str(base)?;
    let mut event = Map::new();
    event.insert("eventTime".to_owned(), json!("2025-03-01T00:00:00Z"));
    event.insert("eventID".to_owned(), json!("first"));
    let Some(toml::Value::Table(base)) = table.get("base") else { bail!("an example has no base") };
    merge(&mut event, base).map_err(|reason| anyhow!(reason))?;
    Ok(event)
}

/// The values that an event has of each field.
fn values(event: &Map<String, Value>, fields: &[String]) -> anyhow::Result<Vec<Vec<String>>> {
    let text = serde_json::to_string(event)?;
    let requests = fields.iter().map(|field| FieldRequest::Values(field.clone()));
    let reader = EventReader::new(requests.collect());
    let mut scratch = Scratch::default();
    match reader.read(&text, &mut scratch) {
        Ok(ReadOutcome::Event(event)) => {
            let of = |index| event.values(index).map(|value| value.into_text().into_owned());
            Ok((0..fields.len()).map(|index| of(index).collect()).collect())
        }
        Ok(_) => Err(anyhow!("an example is no event")),
        Err(error) => Err(anyhow!("an example cannot be read: {}", error.reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firstseen_rule::probe::EventProbe;

    fn names(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    #[test]
    fn the_first_example_with_all_fields_is_taken() {
        for (fields, action) in [
            (&["cloud.account.id", "user.name"][..], "CreateUser"),
            (&["source.ip", "event.action"], "CreateUser"),
            (&["aws.cloudtrail.flattened.additional_eventdata.MFAUsed"], "ConsoleLogin"),
            (&["aws.cloudtrail.resources.arn", "user.name"], "GetObject"),
            (&["requestParameters.bucketName"], "GetObject"),
            (&["requestParameters.groupName"], "CreateUser"),
            (&["host.target.entity.id"], "GetPasswordData"),
            (&["service.name"], "AssumeRole"),
        ] {
            assert_eq!(with(&names(fields)).unwrap().action, action, "{fields:?}");
        }
    }

    #[test]
    fn a_field_that_raw_events_do_not_have_is_refused() {
        let reason = |fields: &[&str]| match with(&names(fields)) {
            Ok(example) => panic!("{}", example.action),
            Err(error) => error.to_string(),
        };
        assert!(reason(&["user.name", "host.name"]).contains("`host.name`, so"));
        assert!(reason(&["usr.name"]).ends_with("; did you mean `user.name`?"));
        assert!(reason(&["user.name", "event.acton"]).ends_with("mean `event.action`?"));
        assert!(reason(&["source.as.number"]).contains("it takes a database of networks"));
        let apart = ["host.target.entity.id", "service.name"];
        assert!(reason(&apart).contains("together"));
    }

    /// Every field of the table can be had, alone; one that is not the same in two events is said to be so.
    #[test]
    fn every_field_of_raw_events_has_an_example() {
        let mut missing = Vec::new();
        for field in firstseen_event::raw_fields() {
            let name = field.name.replace('*', "someThing");
            match with(std::slice::from_ref(&name)) {
                Ok(example) => {
                    let ExampleEvent { provider, action, outcome, .. } = example;
                    let query = format!(
                        "event.dataset: aws.cloudtrail and event.provider: {provider} and \
                         event.action: {action} and event.outcome: {outcome}"
                    );
                    let mut probe = EventProbe::with_query(&[&name], &query).unwrap();
                    let mut look = |event: &Map<String, Value>| {
                        probe.look(json!(event).to_string().as_bytes()).unwrap()
                    };
                    let mut event = document(&example.base).unwrap();
                    let found = look(&event);
                    assert!(found.matches && found.first(0).is_some(), "{name}");
                    let set: toml::Table =
                        toml::from_str(&example.other.replace(", r", "\nr")).unwrap();
                    merge(&mut event, &set).unwrap();
                    assert!(!look(&event).matches, "{name}");
                    let own = ["@timestamp", "event.id", "event.original"].contains(&&*name);
                    assert_eq!(example.unique.is_some(), own, "{name}");
                }
                Err(_) => missing.push(name),
            }
        }
        assert_eq!(missing, [""; 0]);
    }
}
