//! The fields that are computed of an event, or the same in every event.
//!
//! In: an ECS name of `names::DERIVED` or of an object as text. Out: where its values come from, and
//! for one event its values. Only what is requested is computed.

use super::identity::{RelatedUser, UserId, UserName};
use super::names::{DATASET, OBJECTS};
use super::stringify::stringify;
use crate::path::{ARRAYS, Node, OBJECTS as WHOLE_OBJECTS, SCALARS, Trie};
use crate::raw::{ComputedField, RawField};
use crate::spans::{FieldValues, Spans};
use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::string::String;
use core::net::IpAddr;
use firstseen_value::Value;

/// A field that is computed.
#[derive(Debug)]
enum Derived {
    /// An object as text.
    Stringified(Node),
    /// The text of a path, where it is an IP address.
    Ip(Node),
    Outcome {
        name: Node,
        code: Node,
        message: Node,
        login: Node,
    },
    UserId(UserId),
    UserName(UserName),
    RelatedUser(RelatedUser),
    TlsProtocol(Node),
    TlsVersion(Node),
}

/// Where the values of a field come from; `None` for a name that is not derived.
pub(super) fn derive(name: &str, trie: &mut Trie) -> Option<RawField> {
    if let Some(object) = OBJECTS.iter().find(|object| object.text == name) {
        let node = trie.add(object.path, SCALARS | WHOLE_OBJECTS | ARRAYS);
        return Some(computed(Derived::Stringified(node)));
    }
    Some(match name {
        "event.outcome" => computed(Derived::Outcome {
            name: trie.add("eventName", SCALARS),
            code: trie.add("errorCode", SCALARS),
            message: trie.add("errorMessage", SCALARS),
            login: trie.add("responseElements.ConsoleLogin", SCALARS),
        }),
        "event.kind" => RawField::Constant("event"),
        "event.type" => RawField::Constant("info"),
        "event.dataset" | "data_stream.dataset" => RawField::Constant(DATASET),
        "event.original" => RawField::Original,
        "cloud.account.id" => RawField::FirstOf(
            trie.add("userIdentity.accountId", SCALARS),
            trie.add("recipientAccountId", SCALARS),
        ),
        "user.id" => computed(Derived::UserId(UserId::new(trie))),
        "user.name" => computed(Derived::UserName(UserName::new(trie))),
        "related.user" => computed(Derived::RelatedUser(RelatedUser::new(trie))),
        "source.ip" => computed(Derived::Ip(trie.add("sourceIPAddress", SCALARS))),
        "tls.version_protocol" => {
            computed(Derived::TlsProtocol(trie.add("tlsDetails.tlsVersion", SCALARS)))
        }
        "tls.version" => computed(Derived::TlsVersion(trie.add("tlsDetails.tlsVersion", SCALARS))),
        _ => return None,
    })
}

fn computed(field: Derived) -> RawField {
    RawField::Computed(Box::new(field))
}

impl ComputedField for Derived {
    fn values<'a>(&self, event: &Spans<'a>) -> FieldValues<'a> {
        match self {
            Self::RelatedUser(users) => {
                FieldValues::many(users.read(event).into_iter().map(Value::Text).collect())
            }
            one => FieldValues::one(one.text(event).map(Value::Text)),
        }
    }
}

impl Derived {
    /// The value of a field that has at most one.
    fn text<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        match self {
            Self::Stringified(node) => stringify(event, *node),
            Self::Ip(node) => event.first(*node).filter(|ip| ip.parse::<IpAddr>().is_ok()),
            Self::Outcome { name, code, message, login } => {
                let of_login = || event.first(*login).map(|login| Cow::Owned(login.to_lowercase()));
                let is_login = event.first(*name).as_deref() == Some("ConsoleLogin");
                let failed = event.first(*code).or_else(|| event.first(*message)).is_some();
                let by_error = if failed { "failure" } else { "success" };
                Some(is_login.then(of_login).flatten().unwrap_or(Cow::Borrowed(by_error)))
            }
            Self::UserId(id) => id.read(event),
            Self::UserName(name) => name.read(event),
            Self::RelatedUser(_) => None,
            Self::TlsProtocol(node) => Some(Cow::Owned(tls(&event.first(*node)?)?.0)),
            Self::TlsVersion(node) => Some(Cow::Owned(tls(&event.first(*node)?)?.1)),
        }
    }
}

/// `TLSv1.3` -> `tls` and `1.3`.
fn tls(text: &str) -> Option<(String, String)> {
    let (protocol, version) = text.split_once(['v', 'V'])?;
    let whole = !protocol.is_empty() && version.starts_with(|first: char| first.is_ascii_digit());
    whole.then(|| (protocol.to_lowercase(), version.to_owned()))
}
