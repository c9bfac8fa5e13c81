//! Raw events for the tests that `new` writes.
//!
//! In: field names. Out: an example that has all of them, as the `[base]` of a test file; or which
//! field is missing. The events are made up, in the form in which CloudTrail writes them.

use anyhow::{anyhow, bail};
use firstseen_event::{EventReader, FieldRequest, ReadOutcome, Scratch};

/// A call, and how it fails.
pub(super) struct ExampleEvent {
    /// `eventSource`.
    pub(super) provider: &'static str,
    /// `eventName`.
    pub(super) action: &'static str,
    /// What `set` changes for a call that failed.
    pub(super) failed: &'static str,
    /// The event, as TOML.
    pub(super) base: &'static str,
}

/// The examples; of those that have the fields the first one is taken.
const EXAMPLES: [ExampleEvent; 3] = [
    ExampleEvent {
        provider: "iam.amazonaws.com",
        action: "CreateUser",
        failed: "errorCode = \"AccessDenied\", responseElements = \"none\"",
        base: include_str!("create_user.toml"),
    },
    ExampleEvent {
        provider: "signin.amazonaws.com",
        action: "ConsoleLogin",
        failed: "\"responseElements.ConsoleLogin\" = \"Failure\"",
        base: include_str!("console_login.toml"),
    },
    ExampleEvent {
        provider: "s3.amazonaws.com",
        action: "GetObject",
        failed: "errorCode = \"AccessDenied\"",
        base: include_str!("get_object.toml"),
    },
];

/// The first example that has all of the fields.
///
/// # Errors
/// The field that raw events do not have, or that no example has beside the others.
pub(super) fn with(fields: &[String]) -> anyhow::Result<&'static ExampleEvent> {
    let mut known = vec![false; fields.len()];
    for example in &EXAMPLES {
        let has = values(example.base, fields)?;
        if has.iter().all(|has| *has) {
            return Ok(example);
        }
        known.iter_mut().zip(has).for_each(|(known, has)| *known |= has);
    }
    let missing = fields.iter().zip(known).find(|(_, known)| !known).map(|(field, _)| field);
    let Some(field) = missing else {
        let fields = fields.join(", ");
        bail!("no example event has these fields together: {fields}; write the rule by hand");
    };
    if firstseen_event::raw_fields().iter().any(|known| known.name == *field) {
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
    bail!(
        "raw CloudTrail events do not have `{field}`{why}, so the rule would never alert; \
         docs/fields.md lists the fields that they have"
    )
}

/// Whether the example has a value for each field.
fn values(base: &str, fields: &[String]) -> anyhow::Result<Vec<bool>> {
    let table: toml::Table = toml::from_str(base)?;
    let text = serde_json::to_string(table.get("base").unwrap_or(&toml::Value::Boolean(false)))?;
    let requests = fields.iter().map(|field| FieldRequest::Values(field.clone()));
    let reader = EventReader::new(requests.collect());
    let mut scratch = Scratch::default();
    match reader.read(&text, &mut scratch) {
        Ok(ReadOutcome::Event(event)) => {
            Ok((0..fields.len()).map(|index| event.values(index).next().is_some()).collect())
        }
        Ok(_) => Err(anyhow!("an example is no event")),
        Err(error) => Err(anyhow!("an example cannot be read: {}", error.reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(reason(&["source.as.number"]).contains("it takes a database of networks"));
        let apart = [
            "requestParameters.bucketName",
            "aws.cloudtrail.flattened.additional_eventdata.MFAUsed",
        ];
        assert!(reason(&apart).contains("together"));
    }
}
