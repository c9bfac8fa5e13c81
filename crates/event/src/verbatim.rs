//! Which fields' values an event's text holds unchanged: what the prefilter may search for.
//!
//! In: a field's ECS name. Out: yes or no, for every source of events at once.

use crate::sources::SOURCES;

/// Whether the event's text always holds the values of this field byte for byte, escapes aside, in events of raw sources as well as in ECS documents. Derived, constant, case-changed,
/// split and stringified fields do not, nor do fields named by a pattern.
#[must_use]
pub fn verbatim(field: &str) -> bool {
    let is_made = SOURCES.iter().any(|source| {
        let is_derived = source.derived.contains(&field) && !source.chosen.contains(&field);
        is_derived || source.objects.iter().any(|object| object.text == field)
    });
    let is_made = is_made || field.starts_with("data_stream.");
    !(is_made || field.ends_with(".caseless") || field.contains('*'))
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
