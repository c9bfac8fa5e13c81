//! Which fields' values stand in an event's text as they are: what the prefilter may search for.

use crate::cloudtrail::{DERIVED, OBJECT_FIELDS};

/// Whether a value that this field takes always stands byte for byte in the event's text, escapes
/// aside, in raw CloudTrail as well as in ECS documents. Derived, constant, case-changed, split and
/// stringified fields do not, nor do fields named by a pattern.
#[must_use]
pub fn verbatim(field: &str) -> bool {
    // Chosen among values of the event, never changed.
    let chosen = ["cloud.account.id", "user.id", "user.name", "source.ip"];
    let derived = DERIVED.contains(&field) && !chosen.contains(&field);
    let stringified = OBJECT_FIELDS.iter().any(|(text, _, _)| *text == field);
    let made = derived || stringified || field.starts_with("data_stream.");
    !(made || field.ends_with(".caseless") || field.contains('*'))
}

#[cfg(test)]
mod tests {
    use super::verbatim;

    #[test]
    fn made_values_are_not_verbatim() {
        for field in [
            "event.outcome",
            "event.dataset",
            "event.kind",
            "event.type",
            "data_stream.dataset",
            "data_stream.namespace",
            "tls.version",
            "tls.version_protocol",
            "related.user",
            "aws.cloudtrail.request_parameters",
            "aws.cloudtrail.response_elements",
            "event.original",
            "user.name.caseless",
            "aws.*",
        ] {
            assert!(!verbatim(field), "{field}");
        }
        for field in [
            "event.action",
            "event.provider",
            "event.id",
            "user.name",
            "user.id",
            "cloud.account.id",
            "source.ip",
            "user_agent.original",
            "process.name",
            "aws.cloudtrail.flattened.request_parameters.stackName",
            "tls.cipher",
        ] {
            assert!(verbatim(field), "{field}");
        }
    }
}
