//! Raw CloudTrail to ECS: for an ECS name, where its values come from.
//!
//! In: a field's name. Out: a `Source`, with the raw paths that it needs added to the trie; and
//! later, for one event, its values. Nothing is computed that was not asked for. The table follows
//! Elastic's aws integration; null, "", "-", "none", {} and [] count as absent everywhere.

use crate::fields::{EventFields, Value};
use crate::identity::{RelatedUser, UserId, UserName};
use crate::java;
use crate::path::{ARRAYS, Node, OBJECTS, SCALARS, Trie};
use alloc::borrow::Cow;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::net::IpAddr;

/// ECS names whose values are taken as they are, and the raw paths.
pub(crate) const COPIED: &[(&str, &str)] = &[
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
pub(crate) const DERIVED: &[&str] = &[
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

/// Objects that stand twice: as text under the first name, taken apart under the second.
pub(crate) const OBJECT_FIELDS: &[(&str, &str, &str)] = &[
    (
        "aws.cloudtrail.request_parameters",
        "aws.cloudtrail.flattened.request_parameters",
        "requestParameters",
    ),
    (
        "aws.cloudtrail.response_elements",
        "aws.cloudtrail.flattened.response_elements",
        "responseElements",
    ),
    (
        "aws.cloudtrail.additional_eventdata",
        "aws.cloudtrail.flattened.additional_eventdata",
        "additionalEventData",
    ),
    (
        "aws.cloudtrail.service_event_details",
        "aws.cloudtrail.flattened.service_event_details",
        "serviceEventDetails",
    ),
];

/// Where the values of an ECS field come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The raw path's values.
    Copy(Node),
    /// The same in every event.
    Constant(&'static str),
    /// The event's own text.
    Original,
    /// An object as text, written `{key=value, key=[a, b]}` as the integration writes it (by
    /// Java's `toString`), keys in the order of the event.
    Text(Node),
    /// The first if it is there, else the second.
    Either(Node, Node),
    /// Where it is an IP address.
    Ip(Node),
    Outcome {
        name: Node,
        code: Node,
        message: Node,
        login: Node,
    },
    UserId(UserId),
    UserName(UserName),
    RelatedUser(Box<RelatedUser>),
    TlsProtocol(Node),
    TlsVersion(Node),
}

impl Source {
    /// Where the field's values come from. An unknown name is looked up as it stands, so that raw
    /// names (`eventName`) work where no ECS name is in the way.
    pub(crate) fn new(field: &str, trie: &mut Trie) -> Self {
        if let Some((_, path)) = COPIED.iter().find(|(name, _)| *name == field) {
            return Self::Copy(trie.add(path, SCALARS));
        }
        if let Some((_, _, path)) = OBJECT_FIELDS.iter().find(|(text, _, _)| *text == field) {
            return Self::Text(trie.add(path, SCALARS | OBJECTS | ARRAYS));
        }
        match field {
            "event.outcome" => Self::Outcome {
                name: trie.add("eventName", SCALARS),
                code: trie.add("errorCode", SCALARS),
                message: trie.add("errorMessage", SCALARS),
                login: trie.add("responseElements.ConsoleLogin", SCALARS),
            },
            "event.kind" => Self::Constant("event"),
            "event.type" => Self::Constant("info"),
            "event.dataset" | "data_stream.dataset" => Self::Constant(DATASET),
            "event.original" => Self::Original,
            "cloud.account.id" => Self::Either(
                trie.add("userIdentity.accountId", SCALARS),
                trie.add("recipientAccountId", SCALARS),
            ),
            "user.id" => Self::UserId(UserId::new(trie)),
            "user.name" => Self::UserName(UserName::new(trie)),
            "related.user" => Self::RelatedUser(Box::new(RelatedUser::new(trie))),
            "source.ip" => Self::Ip(trie.add("sourceIPAddress", SCALARS)),
            "tls.version_protocol" => Self::TlsProtocol(trie.add("tlsDetails.tlsVersion", SCALARS)),
            "tls.version" => Self::TlsVersion(trie.add("tlsDetails.tlsVersion", SCALARS)),
            _ => Self::Copy(trie.add(flattened(field).as_deref().unwrap_or(field), SCALARS)),
        }
    }

    /// The value of a field that has at most one; `Copy` and `RelatedUser` have more.
    pub(crate) fn one<'a>(&self, event: &EventFields<'a>) -> Option<Value<'a>> {
        let text = match self {
            Self::Copy(node) => return event.kept(*node).next(),
            Self::Constant(text) => Cow::Borrowed(*text),
            Self::Original => Cow::Borrowed(event.text()),
            Self::Text(node) => java::to_string(event, *node)?,
            Self::Either(first, second) => {
                let mut values = event.kept(*first).chain(event.kept(*second));
                return values.next();
            }
            Self::Ip(node) => event.first(*node).filter(|ip| ip.parse::<IpAddr>().is_ok())?,
            Self::Outcome { name, code, message, login } => {
                let of_login = || event.first(*login).map(|login| Cow::Owned(login.to_lowercase()));
                let is_login = event.first(*name).as_deref() == Some("ConsoleLogin");
                let failed = event.first(*code).or_else(|| event.first(*message)).is_some();
                let by_error = if failed { "failure" } else { "success" };
                is_login.then(of_login).flatten().unwrap_or(Cow::Borrowed(by_error))
            }
            Self::UserId(id) => id.read(event)?,
            Self::UserName(name) => name.read(event)?,
            Self::RelatedUser(_) => return None,
            Self::TlsProtocol(node) => Cow::Owned(tls(&event.first(*node)?)?.0),
            Self::TlsVersion(node) => Cow::Owned(tls(&event.first(*node)?)?.1),
        };
        Some(Value::Text(text))
    }
}

/// The dataset of every raw event.
pub(crate) const DATASET: &str = "aws.cloudtrail";

/// The raw path of a field under one of the flattened objects, or of the object itself.
pub(crate) fn flattened(field: &str) -> Option<String> {
    OBJECT_FIELDS.iter().find_map(|(_, flattened, raw)| {
        let rest = field.strip_prefix(flattened)?;
        (rest.is_empty() || rest.starts_with('.')).then(|| format!("{raw}{rest}"))
    })
}

/// Whether a string says that there is none.
#[inline]
pub(crate) fn is_blank(text: &str) -> bool {
    matches!(text, "" | "-" | "none")
}

/// `TLSv1.3` -> `tls` and `1.3`.
fn tls(text: &str) -> Option<(String, String)> {
    let (protocol, version) = text.split_once(['v', 'V'])?;
    let whole = !protocol.is_empty() && version.starts_with(|first: char| first.is_ascii_digit());
    whole.then(|| (protocol.to_lowercase(), version.to_owned()))
}
