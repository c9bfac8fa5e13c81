//! The names of the fields. In and out: nothing but tables; it reads no event.

/// Fields that are copied, and where from.
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
];

/// The same below `aws.cloudtrail.`.
pub(super) const COPIED_BELOW: &[(&str, &str)] = &[
    ("user_identity.type", "userIdentity.type"),
    ("user_identity.arn", "userIdentity.arn"),
    ("user_identity.access_key_id", "userIdentity.accessKeyId"),
    ("user_identity.invoked_by", "userIdentity.invokedBy"),
    ("user_identity.invoked_by_delegate.account_id", "userIdentity.invokedByDelegate.accountId"),
    ("user_identity.credential_id", "userIdentity.credentialId"),
    ("user_identity.identity_provider", "userIdentity.identityProvider"),
    ("user_identity.in_scope_of.issuer_type", "userIdentity.inScopeOf.issuerType"),
    (
        "user_identity.in_scope_of.credentials_issued_to",
        "userIdentity.inScopeOf.credentialsIssuedTo",
    ),
    ("user_identity.in_scope_of.source_arn", "userIdentity.inScopeOf.sourceArn"),
    ("user_identity.in_scope_of.source_account", "userIdentity.inScopeOf.sourceAccount"),
    ("user_identity.on_behalf_of.user_id", "userIdentity.onBehalfOf.userId"),
    ("user_identity.on_behalf_of.identity_store_arn", "userIdentity.onBehalfOf.identityStoreArn"),
    ("session_credential_from_console", "sessionCredentialFromConsole"),
    ("error_code", "errorCode"),
    ("error_message", "errorMessage"),
    ("event_version", "eventVersion"),
    ("event_type", "eventType"),
    ("event_category", "eventCategory"),
    ("recipient_account_id", "recipientAccountId"),
    ("request_id", "requestID"),
    ("read_only", "readOnly"),
    ("management_event", "managementEvent"),
    ("api_version", "apiVersion"),
    ("vpc_endpoint_id", "vpcEndpointId"),
    ("vpc_endpoint_account_id", "vpcEndpointAccountId"),
    ("addendum.reason", "addendum.reason"),
    ("addendum.updated_fields", "addendum.updatedFields"),
    ("addendum.original_request_id", "addendum.originalRequestID"),
    ("addendum.original_event_id", "addendum.originalEventID"),
];

/// The same below `aws.cloudtrail.user_identity.session_context.` and `userIdentity.sessionContext.`.
pub(super) const COPIED_SESSION: &[(&str, &str)] = &[
    ("mfa_authenticated", "attributes.mfaAuthenticated"),
    ("creation_date", "attributes.creationDate"),
    ("session_issuer.type", "sessionIssuer.type"),
    ("session_issuer.principal_id", "sessionIssuer.principalId"),
    ("session_issuer.arn", "sessionIssuer.arn"),
    ("session_issuer.account_id", "sessionIssuer.accountId"),
    ("ec2_role_delivery", "ec2RoleDelivery"),
    ("source_identity", "sourceIdentity"),
    ("web_id_federation_data.federated_provider", "webIdFederationData.federatedProvider"),
    ("assumed_root", "assumedRoot"),
    ("sign_in_session_arn", "signInSessionArn"),
];

/// All others that every event may have, but what stays an object.
const DERIVED: &[&str] = &[
    "actor.entity.id",
    "aws.cloudtrail.additional_eventdata",
    "aws.cloudtrail.additional_eventdata.text",
    "aws.cloudtrail.console_login.additional_eventdata.login_to",
    "aws.cloudtrail.console_login.additional_eventdata.mfa_used",
    "aws.cloudtrail.console_login.additional_eventdata.mobile_version",
    "aws.cloudtrail.flattened.additional_eventdata",
    "aws.cloudtrail.flattened.insight_details",
    "aws.cloudtrail.flattened.request_parameters",
    "aws.cloudtrail.flattened.response_elements",
    "aws.cloudtrail.flattened.service_event_details",
    "aws.cloudtrail.request_parameters",
    "aws.cloudtrail.request_parameters.text",
    "aws.cloudtrail.resources.account_id",
    "aws.cloudtrail.resources.arn",
    "aws.cloudtrail.resources.type",
    "aws.cloudtrail.response_elements",
    "aws.cloudtrail.response_elements.text",
    "aws.cloudtrail.service_event_details",
    "aws.cloudtrail.service_event_details.text",
    "aws.cloudtrail.shared_event_id",
    "aws.cloudtrail.tls_details.key_exchange",
    "cloud.account.id",
    "cloud.provider",
    "cloud.service.name",
    "data_stream.dataset",
    "data_stream.namespace",
    "data_stream.type",
    "entity.target.id",
    "event.category",
    "event.dataset",
    "event.kind",
    "event.module",
    "event.outcome",
    "event.type",
    "host.target.entity.id",
    "related.entity",
    "related.hosts",
    "related.ip",
    "related.user",
    "service.entity.id",
    "service.name",
    "service.target.entity.id",
    "source.ip",
    "target.entity.id",
    "tls.cipher",
    "tls.client.server_name",
    "tls.version",
    "tls.version_protocol",
    "user.email",
    "user.entity.id",
    "user.id",
    "user.name",
    "user.target.entity.id",
];

/// The names of all fields that every event may have.
#[must_use]
pub fn field_names() -> Vec<String> {
    let session = "aws.cloudtrail.user_identity.session_context";
    let copied = COPIED.iter().map(|(name, _)| (*name).to_owned());
    let below = COPIED_BELOW.iter().map(|(name, _)| format!("aws.cloudtrail.{name}"));
    let of_session = COPIED_SESSION.iter().map(|(name, _)| format!("{session}.{name}"));
    let derived = DERIVED.iter().map(|name| (*name).to_owned());
    copied.chain(below).chain(of_session).chain(derived).collect()
}
