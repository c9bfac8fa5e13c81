//! The ECS names that CloudTrail's events fill, and the paths of their values.
//!
//! Tables only. How a name in [`DERIVED`] is computed is in `derived`; types and sources for readers
//! are in `origins`.

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
    ("user.target.name", "requestParameters.userName"),
    ("user.target.id", "responseElements.user.userId"),
    ("user.changes.name", "requestParameters.newUserName"),
    ("group.name", "requestParameters.groupName"),
    ("group.id", "responseElements.group.groupId"),
    ("aws.cloudtrail.user_identity.type", "userIdentity.type"),
    ("aws.cloudtrail.user_identity.arn", "userIdentity.arn"),
    ("aws.cloudtrail.user_identity.access_key_id", "userIdentity.accessKeyId"),
    ("aws.cloudtrail.user_identity.invoked_by", "userIdentity.invokedBy"),
    (
        "aws.cloudtrail.user_identity.invoked_by_delegate.account_id",
        "userIdentity.invokedByDelegate.accountId",
    ),
    ("aws.cloudtrail.user_identity.credential_id", "userIdentity.credentialId"),
    ("aws.cloudtrail.user_identity.identity_provider", "userIdentity.identityProvider"),
    ("aws.cloudtrail.user_identity.in_scope_of.issuer_type", "userIdentity.inScopeOf.issuerType"),
    (
        "aws.cloudtrail.user_identity.in_scope_of.credentials_issued_to",
        "userIdentity.inScopeOf.credentialsIssuedTo",
    ),
    ("aws.cloudtrail.user_identity.in_scope_of.source_arn", "userIdentity.inScopeOf.sourceArn"),
    (
        "aws.cloudtrail.user_identity.in_scope_of.source_account",
        "userIdentity.inScopeOf.sourceAccount",
    ),
    ("aws.cloudtrail.user_identity.on_behalf_of.user_id", "userIdentity.onBehalfOf.userId"),
    (
        "aws.cloudtrail.user_identity.on_behalf_of.identity_store_arn",
        "userIdentity.onBehalfOf.identityStoreArn",
    ),
    (
        "aws.cloudtrail.user_identity.session_context.mfa_authenticated",
        "userIdentity.sessionContext.attributes.mfaAuthenticated",
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
    (
        "aws.cloudtrail.user_identity.session_context.ec2_role_delivery",
        "userIdentity.sessionContext.ec2RoleDelivery",
    ),
    (
        "aws.cloudtrail.user_identity.session_context.source_identity",
        "userIdentity.sessionContext.sourceIdentity",
    ),
    (
        "aws.cloudtrail.user_identity.session_context.web_id_federation_data.federated_provider",
        "userIdentity.sessionContext.webIdFederationData.federatedProvider",
    ),
    (
        "aws.cloudtrail.user_identity.session_context.assumed_root",
        "userIdentity.sessionContext.assumedRoot",
    ),
    (
        "aws.cloudtrail.user_identity.session_context.sign_in_session_arn",
        "userIdentity.sessionContext.signInSessionArn",
    ),
    ("aws.cloudtrail.session_credential_from_console", "sessionCredentialFromConsole"),
    ("aws.cloudtrail.error_code", "errorCode"),
    ("aws.cloudtrail.error_message", "errorMessage"),
    ("aws.cloudtrail.event_version", "eventVersion"),
    ("aws.cloudtrail.event_type", "eventType"),
    ("aws.cloudtrail.event_category", "eventCategory"),
    ("aws.cloudtrail.recipient_account_id", "recipientAccountId"),
    ("aws.cloudtrail.request_id", "requestID"),
    ("aws.cloudtrail.read_only", "readOnly"),
    ("aws.cloudtrail.management_event", "managementEvent"),
    ("aws.cloudtrail.api_version", "apiVersion"),
    ("aws.cloudtrail.vpc_endpoint_id", "vpcEndpointId"),
    ("aws.cloudtrail.vpc_endpoint_account_id", "vpcEndpointAccountId"),
    ("aws.cloudtrail.addendum.reason", "addendum.reason"),
    ("aws.cloudtrail.addendum.updated_fields", "addendum.updatedFields"),
];

/// ECS names that hold each value of a path once, and the raw paths.
pub(super) const DISTINCT: &[(&str, &str)] = &[
    ("aws.cloudtrail.resources.arn", "resources.ARN"),
    ("aws.cloudtrail.resources.account_id", "resources.accountId"),
    ("aws.cloudtrail.resources.type", "resources.type"),
];

/// ECS names that hold the first value of the first raw path that has one.
pub(super) const FIRST_OF: &[(&str, &[&str])] = &[
    ("cloud.account.id", &["userIdentity.accountId", "recipientAccountId", "awsAccountId"]),
    ("aws.cloudtrail.shared_event_id", &["sharedEventID", "sharedEventId"]),
    (
        "aws.cloudtrail.addendum.original_request_id",
        &["addendum.originalRequestID", "addendum.originalRequestId"],
    ),
    (
        "aws.cloudtrail.addendum.original_event_id",
        &["addendum.originalEventID", "addendum.originalEventId"],
    ),
];

/// ECS names with the same value in every event.
pub(super) const CONSTANTS: &[(&str, &str)] = &[
    ("event.kind", "event"),
    ("event.module", "aws"),
    ("cloud.provider", "aws"),
    ("event.dataset", DATASET),
    ("data_stream.type", "logs"),
    ("data_stream.dataset", DATASET),
    ("data_stream.namespace", "default"),
];

/// ECS names whose values are parts of the event's text, found by code.
pub(super) const CHOSEN: &[&str] = &[
    "cloud.service.name",
    "service.name",
    "user.id",
    "user.name",
    "user.email",
    "source.ip",
    "tls.version",
    "tls.cipher",
    "tls.client.server_name",
    "aws.cloudtrail.tls_details.key_exchange",
    "aws.cloudtrail.user_identity.session_context.creation_date",
    "aws.cloudtrail.console_login.additional_eventdata.login_to",
    "actor.entity.id",
    "user.entity.id",
    "service.entity.id",
    "target.entity.id",
    "user.target.entity.id",
    "host.target.entity.id",
    "service.target.entity.id",
    "entity.target.id",
    "related.entity",
    "related.hosts",
    "related.ip",
    "related.user",
];

/// ECS names whose values are made by code.
pub(super) const MADE: &[&str] = &[
    "event.outcome",
    "event.type",
    "event.category",
    "event.original",
    "tls.version_protocol",
    "aws.cloudtrail.console_login.additional_eventdata.mfa_used",
    "aws.cloudtrail.console_login.additional_eventdata.mobile_version",
];

/// ECS names that are lists, also where they hold one value.
pub(super) const ALWAYS_LISTS: &[&str] = &[
    "event.type",
    "event.category",
    "actor.entity.id",
    "user.entity.id",
    "service.entity.id",
    "target.entity.id",
    "user.target.entity.id",
    "host.target.entity.id",
    "service.target.entity.id",
    "entity.target.id",
    "related.entity",
    "related.hosts",
    "related.ip",
    "related.user",
];

/// Names of callers: `-` and `none` are legal ones.
pub(super) const CALLERS: &[&str] = &[
    "userIdentity.userName",
    "userIdentity.principalId",
    "userIdentity.sessionContext.sessionIssuer.userName",
    "userIdentity.sessionContext.sessionIssuer.principalId",
];

/// Objects whose members are fields below an ECS name.
pub(super) const OBJECTS: &[ObjectField] = &[
    ObjectField {
        text: Some("aws.cloudtrail.request_parameters"),
        flattened: "aws.cloudtrail.flattened.request_parameters",
        path: "requestParameters",
    },
    ObjectField {
        text: Some("aws.cloudtrail.response_elements"),
        flattened: "aws.cloudtrail.flattened.response_elements",
        path: "responseElements",
    },
    ObjectField {
        text: Some("aws.cloudtrail.additional_eventdata"),
        flattened: "aws.cloudtrail.flattened.additional_eventdata",
        path: "additionalEventData",
    },
    ObjectField {
        text: Some("aws.cloudtrail.service_event_details"),
        flattened: "aws.cloudtrail.flattened.service_event_details",
        path: "serviceEventDetails",
    },
    ObjectField {
        text: None,
        flattened: "aws.cloudtrail.flattened.insight_details",
        path: "insightDetails",
    },
    ObjectField {
        text: None,
        flattened: "aws.cloudtrail.user_identity.session_context.web_id_federation_data.attributes",
        path: "userIdentity.sessionContext.webIdFederationData.attributes",
    },
];

/// What an event was done to.
pub(super) const LISTS: &[ObjectList] = &[ObjectList {
    name: "aws.cloudtrail.resources",
    key: "resources",
    members: &[("ARN", "arn"), ("accountId", "account_id"), ("type", "type")],
}];
