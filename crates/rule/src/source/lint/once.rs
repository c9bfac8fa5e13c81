//! Fields of which an event has one value.
//!
//! In: a field's name, and whether the rule is CloudTrail's. Out: yes only where no event has several:
//! a field that an API's request fills may have a list.

/// Fields of which an event of any kind has one value.
const ONCE: &[&str] = &[
    "@timestamp",
    "data_stream.dataset",
    "data_stream.namespace",
    "data_stream.type",
    "event.dataset",
    "event.module",
];

/// Fields that CloudTrail gives once.
const ONCE_IN_CLOUDTRAIL: &[&str] = &[
    "aws.cloudtrail.api_version",
    "aws.cloudtrail.console_login.additional_eventdata.login_to",
    "aws.cloudtrail.console_login.additional_eventdata.mfa_used",
    "aws.cloudtrail.console_login.additional_eventdata.mobile_version",
    "aws.cloudtrail.error_code",
    "aws.cloudtrail.error_message",
    "aws.cloudtrail.event_category",
    "aws.cloudtrail.event_type",
    "aws.cloudtrail.event_version",
    "aws.cloudtrail.management_event",
    "aws.cloudtrail.read_only",
    "aws.cloudtrail.recipient_account_id",
    "aws.cloudtrail.request_id",
    "aws.cloudtrail.session_credential_from_console",
    "aws.cloudtrail.shared_event_id",
    "aws.cloudtrail.user_identity.access_key_id",
    "aws.cloudtrail.user_identity.arn",
    "aws.cloudtrail.user_identity.invoked_by",
    "aws.cloudtrail.user_identity.session_context.creation_date",
    "aws.cloudtrail.user_identity.session_context.mfa_authenticated",
    "aws.cloudtrail.user_identity.session_context.session_issuer.account_id",
    "aws.cloudtrail.user_identity.session_context.session_issuer.arn",
    "aws.cloudtrail.user_identity.session_context.session_issuer.principal_id",
    "aws.cloudtrail.user_identity.session_context.session_issuer.type",
    "aws.cloudtrail.user_identity.type",
    "aws.cloudtrail.vpc_endpoint_account_id",
    "aws.cloudtrail.vpc_endpoint_id",
    "awsRegion",
    "cloud.account.id",
    "cloud.provider",
    "cloud.region",
    "cloud.service.name",
    "errorCode",
    "errorMessage",
    "event.action",
    "event.id",
    "event.kind",
    "event.outcome",
    "event.provider",
    "eventCategory",
    "eventID",
    "eventName",
    "eventSource",
    "eventTime",
    "eventType",
    "eventVersion",
    "managementEvent",
    "readOnly",
    "recipientAccountId",
    "requestID",
    "source.address",
    "source.ip",
    "sourceIPAddress",
    "tls.cipher",
    "tls.client.server_name",
    "tls.version",
    "tls.version_protocol",
    "user.id",
    "user.name",
    "userAgent",
    "userIdentity.accessKeyId",
    "userIdentity.accountId",
    "userIdentity.arn",
    "userIdentity.principalId",
    "userIdentity.type",
    "userIdentity.userName",
    "user_agent.original",
];

/// Whether an event has a field once.
pub(super) fn is_once(field: &str, is_cloudtrail: bool) -> bool {
    // A twin of a field has as many values.
    let base = field.strip_suffix(".caseless").unwrap_or(field);
    ONCE.contains(&base) || is_cloudtrail && ONCE_IN_CLOUDTRAIL.contains(&base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cloudtrail_has_its_fields_once() {
        for (field, any, cloudtrail) in [
            ("event.dataset", true, true),
            ("event.action", false, true),
            ("event.action.caseless", false, true),
            ("event.category", false, false),
            ("related.user", false, false),
        ] {
            assert_eq!(is_once(field, false), any, "{field}");
            assert_eq!(is_once(field, true), cloudtrail, "{field}");
        }
        // Sorted, and of raw events: none is a name that they never have.
        assert!(ONCE_IN_CLOUDTRAIL.is_sorted() && ONCE.is_sorted());
        let known = super::super::known::KnownFields { own: &[] };
        for field in ONCE.iter().chain(ONCE_IN_CLOUDTRAIL) {
            assert!(known.in_raw_cloudtrail(field), "{field}");
        }
    }
}
