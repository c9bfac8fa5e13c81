//! Why a matched event lacks a new-terms field, in the words of its dataset.
//!
//! In: an event's text. Out: a cause that was found in the event itself, such as `root user`; nothing
//! where none is known. A new dataset is a new row, as in `wording.rs`.

use firstseen_rule::probe::{EventProbe, ProbedEvent};

const TYPE: usize = 0;
const INVOKED_BY: usize = 1;
const ISSUER_ARN: usize = 2;
const ISSUER_NAME: usize = 3;
const ARN: usize = 4;

/// What is read of an event, in the order of the numbers above.
const NAMES: [&str; 5] = [
    "aws.cloudtrail.user_identity.type",
    "aws.cloudtrail.user_identity.invoked_by",
    "aws.cloudtrail.user_identity.session_context.session_issuer.arn",
    "user.name",
    "aws.cloudtrail.user_identity.arn",
];

/// Where the issuer of a service-linked role is.
const SERVICE_ROLES: &str = ":role/aws-service-role/";

/// Finds causes.
#[derive(Debug)]
pub struct MissingCauses {
    probe: EventProbe,
}

impl Default for MissingCauses {
    fn default() -> Self {
        Self { probe: EventProbe::new(&NAMES) }
    }
}

impl MissingCauses {
    /// Why this event has no such field, where that is known. `dataset` is what the rules are about.
    pub fn cause(&mut self, dataset: Option<&str>, field: &str, event: &[u8]) -> Option<String> {
        let found = self.probe.look(event)?;
        if let Some(dataset) = dataset.filter(|dataset| *dataset != found.dataset) {
            return Some(match found.dataset.as_str() {
                "" => format!("no event of {dataset}"),
                other => format!("other data, {other}"),
            });
        }
        match (found.dataset.as_str(), field) {
            ("aws.cloudtrail", "user.name" | "user.id") => Some(of_cloudtrail(&found)),
            _ => None,
        }
    }
}

fn of_cloudtrail(found: &ProbedEvent) -> String {
    let known = match found.first(TYPE) {
        Some("Root") => "root user",
        Some("AWSService") => "AWS service",
        Some("AWSAccount") => "caller of another account",
        Some("AssumedRole" | "FederatedUser") => match found.first(ISSUER_ARN) {
            Some(arn) if arn.contains(SERVICE_ROLES) => "service-linked role's action",
            _ if found.first(ISSUER_NAME).is_none() => "session without an issuer's name",
            _ => "session",
        },
        Some(kind) => return format!("identity of type {kind}"),
        None if found.first(INVOKED_BY).is_some() && found.first(ARN).is_none() => "AWS service",
        None => "no identity in the event",
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn cause(identity: Value) -> Option<String> {
        let event = json!({ "eventVersion": "1.11", "eventTime": "2025-04-01T08:00:00Z",
            "eventName": "CreateStack", "eventSource": "cloudformation.amazonaws.com",
            "userIdentity": identity });
        let dataset = Some("aws.cloudtrail");
        MissingCauses::default().cause(dataset, "user.name", event.to_string().as_bytes())
    }

    fn session(issuer: Value) -> Value {
        json!({ "type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/R/s",
                "principalId": "AROA:s", "sessionContext": { "sessionIssuer": issuer } })
    }

    #[test]
    fn who_has_no_name_is_found_in_the_event() {
        let linked = "arn:aws:iam::1:role/aws-service-role/config.amazonaws.com/R";
        for (identity, expected) in [
            (json!({ "type": "Root", "accountId": "1" }), "root user"),
            (json!({ "type": "AWSService", "invokedBy": "x.amazonaws.com" }), "AWS service"),
            (json!({ "invokedBy": "x.amazonaws.com" }), "AWS service"),
            (json!({ "type": "AWSAccount", "accountId": "2" }), "caller of another account"),
            (session(json!({})), "session without an issuer's name"),
            (session(json!({ "arn": linked })), "service-linked role's action"),
            (json!({ "type": "SAMLUser" }), "identity of type SAMLUser"),
            (json!(null), "no identity in the event"),
        ] {
            assert_eq!(cause(identity.clone()).as_deref(), Some(expected), "{identity}");
        }
    }

    #[test]
    fn other_data_and_other_fields_are_not_explained_by_identities() {
        let mut causes = MissingCauses::default();
        let ecs =
            json!({ "@timestamp": "2025-04-01T08:00:00Z", "event": { "dataset": "okta.system" } });
        let ecs = ecs.to_string();
        let mut of = |dataset, field| causes.cause(dataset, field, ecs.as_bytes());
        assert_eq!(
            of(Some("aws.cloudtrail"), "user.name").as_deref(),
            Some("other data, okta.system")
        );
        assert_eq!(of(Some("okta.system"), "user.name"), None);
        assert_eq!(of(None, "user.name"), None);
        let none = causes.cause(
            Some("aws.cloudtrail"),
            "user.name",
            br#"{"@timestamp":"2025-04-01T08:00:00Z"}"#,
        );
        assert_eq!(none.as_deref(), Some("no event of aws.cloudtrail"));
        assert_eq!(causes.cause(None, "user.name", b"{"), None);
    }
}
