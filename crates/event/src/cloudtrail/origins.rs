//! Types of fields, and where those come from that code computes: for people who read, and for tools
//! that check names.
//!
//! Tables only. A module never needs them.

/// The types of fields that are no keywords.
pub(crate) const TYPES: &[(&str, &str)] = &[
    ("@timestamp", "date"),
    ("aws.cloudtrail.user_identity.session_context.creation_date", "date"),
    ("aws.cloudtrail.read_only", "boolean"),
    ("aws.cloudtrail.console_login.additional_eventdata.mfa_used", "boolean"),
    ("aws.cloudtrail.console_login.additional_eventdata.mobile_version", "boolean"),
    ("source.ip", "ip"),
    ("related.ip", "ip"),
];

/// Where the values of computed fields come from.
pub(crate) const ORIGINS: &[(&str, &str)] = &[
    ("event.original", "the event's text"),
    (
        "event.outcome",
        "failure if errorCode or errorMessage is present, else success; of a ConsoleLogin responseElements.ConsoleLogin in lower case",
    ),
    ("event.type", "a table by eventName; info for other events"),
    ("event.category", "a table by eventName; none for other events"),
    ("cloud.service.name", "eventSource without .amazonaws.com"),
    (
        "service.name",
        "userIdentity.invokedBy of an AWSService and of a service-linked role; of the latter else the service in the role's path",
    ),
    (
        "user.id",
        "userIdentity.principalId; of an IdentityCenterUser else onBehalfOf.userId; none where service.name is present",
    ),
    (
        "user.name",
        "userIdentity.userName; of AssumedRole and FederatedUser the session issuer's userName; of a UserAuthentication event else additionalEventData.UserName; none where service.name is present",
    ),
    ("user.email", "the session's name if it holds an @, else user.name if it does"),
    ("source.ip", "sourceIPAddress, if it is an IP address"),
    ("tls.version", "tlsDetails.tlsVersion behind its first v; the whole without one"),
    ("tls.version_protocol", "tlsDetails.tlsVersion before its first v, in lower case"),
    ("tls.cipher", "tlsDetails.cipherSuite"),
    ("tls.client.server_name", "tlsDetails.clientProvidedHostHeader"),
    ("aws.cloudtrail.tls_details.key_exchange", "tlsDetails.keyExchange"),
    (
        "aws.cloudtrail.user_identity.session_context.creation_date",
        "userIdentity.sessionContext.attributes.creationDate, if it is a date",
    ),
    (
        "aws.cloudtrail.console_login.additional_eventdata.login_to",
        "additionalEventData.LoginTo of a ConsoleLogin",
    ),
    (
        "aws.cloudtrail.console_login.additional_eventdata.mfa_used",
        "additionalEventData.MFAUsed of a ConsoleLogin: false for No, else true",
    ),
    (
        "aws.cloudtrail.console_login.additional_eventdata.mobile_version",
        "additionalEventData.MobileVersion of a ConsoleLogin: false for No, else true",
    ),
    (
        "actor.entity.id",
        "userIdentity.arn, else onBehalfOf.userId; of sts AssumeRole the invoking service or the session issuer's ARN",
    ),
    (
        "user.entity.id",
        "the actor, if it is a user or a role; of an AssumedRole the session issuer's ARN",
    ),
    ("service.entity.id", "the actor, if it is a service"),
    (
        "target.entity.id",
        "what the event was done to: a table of paths by eventSource and eventName",
    ),
    ("user.target.entity.id", "those of the targets that are users and roles"),
    ("host.target.entity.id", "those of the targets that are instances"),
    ("service.target.entity.id", "those of the targets that are resources of services"),
    ("entity.target.id", "the other targets"),
    (
        "related.entity",
        "ids and names of the caller, of resources, of request and response (a table of paths by service), and the targets",
    ),
    (
        "related.hosts",
        "the TLS server's name and sourceIPAddress if they are names of hosts outside AWS, requestParameters.computerName, ids of instances",
    ),
    ("related.ip", "source.ip and serviceEventDetails.sourceIpAddress"),
    (
        "related.user",
        "the session's name and its part before an @, user names and ids in request and response, user.id, user.name, onBehalfOf.userId",
    ),
];

/// Fields of the integration that need data from outside of the event.
pub(crate) const OUTSIDE: &[(&str, &str)] = &[
    ("source.as.*", "a database of networks"),
    ("source.geo.*", "a database of places"),
    ("user_agent.device.name", "a database of user agents"),
    ("user_agent.name", "a database of user agents"),
    ("user_agent.os.*", "a database of user agents"),
    ("user_agent.version", "a database of user agents"),
];
