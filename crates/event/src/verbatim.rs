//! Which fields' values an event's text holds unchanged: what the prefilter may search for.
//!
//! In: a field's ECS name, a part of a value. Out: yes or no, for every source of events at once.

use crate::sources::SOURCES;

/// Whether the event's text always holds this part of a field's values byte for byte, escapes aside,
/// in events of raw sources as well as in ECS documents. A value may be a part of a longer text.
/// Constant, case-changed and stringified fields do not, nor do fields named by a pattern, nor do
/// numbers in flattened objects, which are spelled in another way.
#[must_use]
pub fn verbatim(field: &str, literal: &str) -> bool {
    let is_made = SOURCES.iter().any(|source| {
        source.made.contains(&field)
            || source.constants.iter().any(|(name, _)| *name == field)
            || source.objects.iter().any(|object| object.text == Some(field))
            || source.objects.iter().any(|object| is_below(field, object.flattened))
                && may_be_number(literal)
    });
    !(is_made || field.ends_with(".caseless") || field.contains('*'))
}

fn is_below(field: &str, object: &str) -> bool {
    let rest = field.strip_prefix(object);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a text may be a part of a number.
fn may_be_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'E'))
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
            "event.category",
            "cloud.provider",
            "tls.version_protocol",
            "aws.cloudtrail.request_parameters",
            "aws.cloudtrail.response_elements",
            "event.original",
            "user.name.caseless",
            "aws.*",
        ] {
            assert!(!verbatim(field, "x"), "{field}");
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
            "tls.version",
            "related.user",
            "related.entity",
            "cloud.service.name",
        ] {
            assert!(verbatim(field, "x"), "{field}");
        }
    }

    #[test]
    fn numbers_in_flattened_objects_are_not_verbatim() {
        let field = "aws.cloudtrail.flattened.request_parameters.at";
        for (literal, is_verbatim) in
            [("100.0", false), ("1.0E9", false), ("443", false), ("v1.0", true), ("", false)]
        {
            assert_eq!(verbatim(field, literal), is_verbatim, "{literal}");
            assert!(verbatim("user.name", literal));
        }
    }
}
