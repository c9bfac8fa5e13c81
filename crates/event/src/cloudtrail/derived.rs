//! Which code computes a field.
//!
//! In: an ECS name of `names::CHOSEN` or `names::MADE`, of an object as text, or below a flattened
//! object. Out: where its values come from. Only what is requested is computed.

use super::{categories, entities, flattened, identity, related, session, targets, texts, tls};
use crate::path::{Node, SCALARS, Trie};
use crate::raw::{ComputedField, EventCache, RawField};
use crate::spans::{FieldValues, Spans};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::net::IpAddr;
use firstseen_value::{Value, parse_time_ms};

/// Where the values of a field come from; `None` for a name that is not derived.
pub(super) fn derive(name: &str, trie: &mut Trie) -> Option<RawField> {
    flattened::derive(name, trie)
        .or_else(|| texts::derive(name, trie))
        .or_else(|| simple(name, trie))
        .or_else(|| categories::derive(name, trie))
        .or_else(|| identity::derive(name, trie))
        .or_else(|| session::derive(name, trie))
        .or_else(|| tls::derive(name, trie))
        .or_else(|| entities::derive(name, trie))
        .or_else(|| targets::derive(name, trie))
        .or_else(|| related::derive(name, trie))
}

/// A field that needs few values of the event.
enum SimpleField {
    /// The text of a path, where it is an IP address.
    Ip(Node),
    /// The text of a path, where it is a date.
    Date(Node),
    /// The name of a service without the domain.
    Service(Node),
    Outcome {
        name: Node,
        code: Node,
        message: Node,
        login: Node,
    },
}

fn simple(name: &str, trie: &mut Trie) -> Option<RawField> {
    let mut add = |path| trie.add(path, SCALARS);
    let field = match name {
        "event.original" => return Some(RawField::Original),
        "source.ip" => SimpleField::Ip(add("sourceIPAddress")),
        "aws.cloudtrail.user_identity.session_context.creation_date" => {
            SimpleField::Date(add("userIdentity.sessionContext.attributes.creationDate"))
        }
        "cloud.service.name" => SimpleField::Service(add("eventSource")),
        "event.outcome" => SimpleField::Outcome {
            name: add("eventName"),
            code: add("errorCode"),
            message: add("errorMessage"),
            login: add("responseElements.ConsoleLogin"),
        },
        _ => return None,
    };
    Some(RawField::Computed(Box::new(field)))
}

impl ComputedField for SimpleField {
    fn values<'a>(&self, event: &Spans<'a>, _: &mut EventCache<'a>) -> FieldValues<'a> {
        FieldValues::one(self.text(event).map(Value::Text))
    }
}

impl SimpleField {
    fn text<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        match self {
            Self::Ip(node) => address(event, *node),
            Self::Date(node) => event.first(*node).filter(|date| parse_time_ms(date).is_some()),
            Self::Service(node) => service(event.first(*node)?),
            Self::Outcome { name, code, message, login } => {
                let of_login = || event.first(*login).map(|login| Cow::Owned(login.to_lowercase()));
                let is_login = event.first(*name).as_deref() == Some("ConsoleLogin");
                let failed = event.first(*code).or_else(|| event.first(*message)).is_some();
                let by_error = if failed { "failure" } else { "success" };
                Some(is_login.then(of_login).flatten().unwrap_or(Cow::Borrowed(by_error)))
            }
        }
    }
}

/// The text at a node, where it is an IP address (without a zone).
pub(super) fn address<'a>(event: &Spans<'a>, node: Node) -> Option<Cow<'a, str>> {
    event.first(node).filter(|ip| is_address(ip))
}

/// Whether a text is an IP address (without a zone).
#[inline(never)]
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// `sts` of `sts.amazonaws.com`.
pub(super) fn service(source: Cow<'_, str>) -> Option<Cow<'_, str>> {
    const DOMAIN: &str = ".amazonaws.com";
    let name = match source {
        Cow::Borrowed(source) => Cow::Borrowed(source.strip_suffix(DOMAIN)?),
        Cow::Owned(source) => Cow::Owned(source.strip_suffix(DOMAIN)?.into()),
    };
    (!name.is_empty()).then_some(name)
}
