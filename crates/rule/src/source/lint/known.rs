//! Whether a field's name is known, and which one was meant.
//!
//! In: a name. Out: whether it is doubtful, and the known name that is nearest. A name that only
//! looks foreign is left alone: events may have fields that no table has.

use super::tables;

/// The most edits between a misspelled name and the one that was meant.
const EDITS: usize = 2;

/// Shorter names are too alike for two edits.
const SHORT: usize = 6;

/// Longer names are not compared: comparing is quadratic.
const LONGEST: usize = 128;

/// Names under ECS's field sets that Elastic's integrations add (network_traffic, 2026-11).
const INTEGRATIONS: &[&str] = &["http.request.headers.", "http.response.headers."];

/// Top-level keys of CloudTrail's own events: an unlisted name is a path in the event.
const RAW_KEYS: &[&str] = &[
    "additionalEventData",
    "addendum",
    "apiVersion",
    "awsAccountId",
    "awsRegion",
    "edgeDeviceDetails",
    "errorCode",
    "errorMessage",
    "eventCategory",
    "eventContext",
    "eventID",
    "eventName",
    "eventSource",
    "eventTime",
    "eventType",
    "eventVersion",
    "insightDetails",
    "managementEvent",
    "readOnly",
    "recipientAccountId",
    "requestID",
    "requestParameters",
    "resources",
    "responseElements",
    "serviceEventDetails",
    "sessionCredentialFromConsole",
    "sharedEventID",
    "sourceIPAddress",
    "tlsDetails",
    "userAgent",
    "userIdentity",
    "vpcEndpointAccountId",
    "vpcEndpointId",
];

/// The names that are known to a rule.
pub(super) struct KnownFields<'r> {
    /// `[firstseen] known_fields` of the rule; `company.*` is all that begins so.
    pub(super) own: &'r [String],
}

/// Whether ECS or CloudTrail has the field, or the common integrations have it under another type
/// than keyword.
#[must_use]
pub fn known_field(name: &str) -> bool {
    KnownFields { own: &[] }.knows(name)
}

/// Whether a name is probably wrong, as `unknown_field` says it: `Some` with the name that was meant, if one
/// is near.
#[must_use]
pub fn doubted_field(name: &str) -> Option<Option<&'static str>> {
    KnownFields { own: &[] }.doubts(name)
}

/// The known name that a misspelled one was meant to be.
#[must_use]
pub fn meant_field(name: &str) -> Option<&'static str> {
    KnownFields { own: &[] }.doubts(name).flatten()
}

impl KnownFields<'_> {
    /// Whether a name is probably wrong: `Some` with the name that was meant, if one is near.
    pub(super) fn doubts(&self, name: &str) -> Option<Option<&'static str>> {
        let root = name.split('.').next().unwrap_or(name);
        // Paths of raw events work as names do.
        if is_twin(name) || self.knows(name) || RAW_KEYS.contains(&root) {
            return None;
        }
        let meant = nearest(name);
        // ECS leaves names with a capital to custom fields, such as `process.Ext.ancestry`.
        let custom = name.split('.').any(|part| part.starts_with(|c: char| c.is_ascii_uppercase()));
        let of_ecs = tables::ecs().sets.contains(root) && !custom;
        (meant.is_some() || of_ecs).then_some(meant)
    }

    /// Whether a name is known.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.owns(name)
            || self.is_of_tables(name)
            || firstseen_kql::typed_fields().any(|n| n == name)
    }

    /// Whether ECS or raw CloudTrail has it.
    pub(super) fn is_of_tables(&self, name: &str) -> bool {
        let name = without_twin(name);
        tables::ecs().fields.has(name)
            || tables::cloudtrail().has(name)
            || INTEGRATIONS.iter().any(|open| name.starts_with(open))
    }

    /// Whether raw CloudTrail may have it: as a field, or as a path in the event.
    pub(super) fn in_raw_cloudtrail(&self, name: &str) -> bool {
        let base = without_twin(name);
        let root = base.split('.').next().unwrap_or(base);
        self.owns(name) || RAW_KEYS.contains(&root) || tables::cloudtrail().has(base)
    }

    fn owns(&self, name: &str) -> bool {
        self.own.iter().any(|own| match own.strip_suffix('*') {
            Some(open) => name.starts_with(open),
            None => own == name,
        })
    }
}

/// Twins of a field: in lower case, and analysed as text.
fn is_twin(name: &str) -> bool {
    without_twin(name) != name
}

fn without_twin(name: &str) -> &str {
    [".caseless", ".text"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// The known name within two edits; of several the one with fewest, then the first.
fn nearest(name: &str) -> Option<&'static str> {
    if name.len() > LONGEST {
        return None;
    }
    let most = if name.chars().count() < SHORT { 1 } else { EDITS };
    let names = tables::ecs().fields.names().chain(tables::cloudtrail().names());
    let names = names.chain(firstseen_kql::typed_fields());
    let near = names.filter(|known| known.len().abs_diff(name.len()) <= most);
    let near = near.map(|known| (strsim::osa_distance(name, known), known));
    near.filter(|(edits, _)| *edits <= most).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_names_are_doubted_and_foreign_ones_are_not() {
        let known = KnownFields { own: &["event.company".to_owned(), "host.acme.*".to_owned()] };
        for (name, meant) in [
            ("event.acton", Some("event.action")),
            ("usr.name", Some("user.name")),
            ("user.nmae", Some("user.name")),
            ("aws.cloudtrail.user_identity.typ", Some("aws.cloudtrail.user_identity.type")),
            ("event.something", None),
            ("process.made_up.name", None),
        ] {
            assert_eq!(known.doubts(name), Some(meant), "{name}");
        }
        for name in [
            "event.action",
            "event.company",
            "host.acme.zone",
            "event.acton.caseless",
            "event.acton.text",
            "userIdentity.type",
            "okta.actor.id",
            "company.field",
            "process.Ext.ancestry",
            "labels.team",
            "http.response.headers.server",
            "aws.cloudtrail.flattened.request_parameters.userNme",
            "azure.auditlogs.properties.target_resources.0.display_name",
            "powershell.total",
            "user",
        ] {
            assert_eq!(known.doubts(name), None, "{name}");
        }
    }

    #[test]
    fn raw_events_have_their_own_paths_and_the_fields_of_the_table() {
        let known = KnownFields { own: &["host.acme.*".to_owned()] };
        for name in ["eventName", "requestParameters.bucketName", "user.name", "user.name.caseless"]
        {
            assert!(known.in_raw_cloudtrail(name), "{name}");
        }
        assert!(known.in_raw_cloudtrail("host.acme.zone"));
        for name in ["host.name", "source.as.number", "process.name", "okta.actor.id"] {
            assert!(!known.in_raw_cloudtrail(name), "{name}");
        }
    }
}
