//! The ECS names that CloudTrail's events fill, and the paths of their values.
//!
//! Tables only. How a name in [`DERIVED`] is computed is in `derived`.

use crate::raw::{ObjectField, ObjectList};

/// The dataset of every event.
pub(super) const DATASET: &str = "aws.cloudtrail";

/// ECS names whose values are taken as they are, and the raw paths.
pub(super) const COPIED: &[(&str, &str)] = &[
    ("@timestamp", "eventTime"),
    ("event.provider", "eventSource"),
    ("event.action", "eventName"),
    ("event.id", "eventID"),
    ("cloud.region", "awsRegion"),
    ("source.address", "sourceIPAddress"),
    ("user_agent.original", "userAgent"),
    ("aws.cloudtrail.user_identity.type", "userIdentity.type"),
    ("aws.cloudtrail.user_identity.arn", "userIdentity.arn"),
    ("aws.cloudtrail.user_identity.access_key_id", "userIdentity.accessKeyId"),
    ("aws.cloudtrail.user_identity.invoked_by", "userIdentity.invokedBy"),
    (
        "aws.cloudtrail.user_identity.session_context.mfa_authenticated",
        "userIdentity.sessionContext.attributes.mfaAuthenticated",
    ),
    (
        "aws.cloudtrail.user_identity.session_context.creation_date",
        "userIdentity.sessionContext.attributes.creationDate",
    ),
    (
        "aws.cloudtrail.user_identity.session_context.session_issuer.type",
        "userIdentity.sessionContext.sessionIssuer.type",
    ),
    (
        "aws.cloudtrail.user_identity.session_context.session_issuer.principal_id",
        "userIdentity.sessionContext.sessionIssuer.principalId",
    ),
    (
        "aws.cloudtrail.user_identity.session_context.session_issuer.arn",
        "userIdentity.sessionContext.sessionIssuer.arn",
    ),
    (
        "aws.cloudtrail.user_identity.session_context.session_issuer.account_id",
        "userIdentity.sessionContext.sessionIssuer.accountId",
    ),
    ("aws.cloudtrail.error_code", "errorCode"),
    ("aws.cloudtrail.error_message", "errorMessage"),
    ("aws.cloudtrail.event_version", "eventVersion"),
    ("aws.cloudtrail.event_type", "eventType"),
    ("aws.cloudtrail.event_category", "eventCategory"),
    ("aws.cloudtrail.recipient_account_id", "recipientAccountId"),
    ("aws.cloudtrail.request_id", "requestID"),
    ("aws.cloudtrail.read_only", "readOnly"),
    ("aws.cloudtrail.management_event", "managementEvent"),
    ("aws.cloudtrail.resources.arn", "resources.ARN"),
    ("aws.cloudtrail.resources.account_id", "resources.accountId"),
    ("aws.cloudtrail.resources.type", "resources.type"),
    ("tls.cipher", "tlsDetails.cipherSuite"),
    ("tls.client.server_name", "tlsDetails.clientProvidedHostHeader"),
];

/// ECS names that are computed, or the same for every event.
pub(super) const DERIVED: &[&str] = &[
    "event.outcome",
    "event.kind",
    "event.type",
    "event.dataset",
    "event.original",
    "data_stream.dataset",
    "cloud.account.id",
    "user.id",
    "user.name",
    "source.ip",
    "related.user",
    "tls.version",
    "tls.version_protocol",
];

/// Those of them whose values the event holds unchanged.
pub(super) const CHOSEN: &[&str] = &["cloud.account.id", "user.id", "user.name", "source.ip"];

/// Objects that have two names: as a text, and taken apart.
pub(super) const OBJECTS: &[ObjectField] = &[
    ObjectField {
        text: "aws.cloudtrail.request_parameters",
        flattened: "aws.cloudtrail.flattened.request_parameters",
        path: "requestParameters",
    },
    ObjectField {
        text: "aws.cloudtrail.response_elements",
        flattened: "aws.cloudtrail.flattened.response_elements",
        path: "responseElements",
    },
    ObjectField {
        text: "aws.cloudtrail.additional_eventdata",
        flattened: "aws.cloudtrail.flattened.additional_eventdata",
        path: "additionalEventData",
    },
    ObjectField {
        text: "aws.cloudtrail.service_event_details",
        flattened: "aws.cloudtrail.flattened.service_event_details",
        path: "serviceEventDetails",
    },
];

/// What an event was done to.
pub(super) const LISTS: &[ObjectList] = &[ObjectList {
    name: "aws.cloudtrail.resources",
    key: "resources",
    members: &[("ARN", "arn"), ("accountId", "account_id"), ("type", "type")],
}];
