//! Who did it: the user fields of an event, by the type of its identity.
//!
//! In: the spans of an event. Out: `user.id`, `user.name`, `user.email`, `service.name` and
//! `related.user`. It never looks beyond the event.

use crate::cut::{cut, cut_around};
use crate::json::{push_string, push_texts};
use crate::path::{Node, SCALARS, Trie};
use crate::raw::{ComputedField, EventCache, RawField};
use crate::spans::{Blanks, FieldValues, Spans, TextSet};
use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::vec::Vec;
use firstseen_value::Value;

/// What stands before a service's name in the ARN of a role that only that service can assume, in two parts: few
/// ARNs have many slashes.
const SERVICE_ROLES: (&str, &str) = (":role", "/aws-service-role/");

/// The caller of an event.
///
/// | `user.name` of | name |
/// | --- | --- |
/// | AssumedRole, FederatedUser | the session issuer's (the role, the user that federates) |
/// | all others, and those without an issuer's name | `userIdentity.userName`; Root, AWSService and AWSAccount mostly have none |
/// | a UserAuthentication event without either | `additionalEventData.UserName` |
/// | a service, if its name is known | none, and no `user.id`: `service.name` names it |
pub(super) struct Caller {
    kind: Node,
    name: Node,
    principal: Node,
    arn: Node,
    issuer_name: Node,
    issuer_arn: Node,
    invoked_by: Node,
    on_behalf_of: Node,
    action: Node,
    signed_in: Node,
}

impl Caller {
    pub(super) fn new(trie: &mut Trie) -> Self {
        let mut add = |path| trie.add(path, SCALARS);
        Self {
            kind: add("userIdentity.type"),
            name: add("userIdentity.userName"),
            principal: add("userIdentity.principalId"),
            arn: add("userIdentity.arn"),
            issuer_name: add("userIdentity.sessionContext.sessionIssuer.userName"),
            issuer_arn: add("userIdentity.sessionContext.sessionIssuer.arn"),
            invoked_by: add("userIdentity.invokedBy"),
            on_behalf_of: add("userIdentity.onBehalfOf.userId"),
            action: add("eventName"),
            signed_in: add("additionalEventData.UserName"),
        }
    }

    pub(super) fn is_kind(&self, event: &Spans<'_>, kinds: &[&str]) -> bool {
        is_one_of(event.first(self.kind).as_deref(), kinds)
    }

    pub(super) fn arn<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        event.first(self.arn)
    }

    pub(super) fn issuer_arn<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        event.first(self.issuer_arn)
    }

    pub(super) fn invoked_by<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        event.first(self.invoked_by)
    }

    pub(super) fn on_behalf_of<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        event.first(self.on_behalf_of)
    }

    /// `userIdentity.userName`.
    pub(super) fn own_name<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        event.first_name(self.name)
    }

    pub(super) fn issuer_name<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        event.first_name(self.issuer_name)
    }

    /// The name in the identity, before it is known whether the caller is a service.
    fn name_in_identity<'a>(&self, event: &Spans<'a>, kind: Option<&str>) -> Option<Cow<'a, str>> {
        let of_issuer = is_one_of(kind, &["AssumedRole", "FederatedUser"]);
        let issuer = of_issuer.then(|| self.issuer_name(event)).flatten();
        issuer.or_else(|| self.own_name(event))
    }

    /// The name that `user.name` takes over from `additionalEventData.UserName`.
    pub(super) fn moved_name<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        if event.first(self.action)? != "UserAuthentication"
            || self.name_in_identity(event, event.first(self.kind).as_deref()).is_some()
        {
            return None;
        }
        event.first_name(self.signed_in)
    }

    /// `service.name`: of an AWSService, and of a role that only a service can assume.
    fn service<'a>(&self, event: &Spans<'a>, kind: Option<&str>) -> Option<Cow<'a, str>> {
        if is_one_of(kind, &["AWSService"]) {
            return self.invoked_by(event);
        }
        if !is_one_of(kind, &["AssumedRole"]) {
            return None;
        }
        let arn = self.issuer_arn(event)?;
        let path = behind_service_role(&arn)?;
        let of_path = || cut(path, b'/').filter(|(service, _)| !service.is_empty());
        self.invoked_by(event).or_else(|| Some(Cow::Owned(of_path()?.0.to_owned())))
    }

    /// `user.name`.
    fn user_name<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        let kind = event.first(self.kind);
        let kind = kind.as_deref();
        let name = self.name_or_moved(event, kind)?;
        self.service(event, kind).is_none().then_some(name)
    }

    /// `user.name`, be the caller a service or not.
    fn name_or_moved<'a>(&self, event: &Spans<'a>, kind: Option<&str>) -> Option<Cow<'a, str>> {
        self.name_in_identity(event, kind).or_else(|| self.moved_name(event))
    }

    /// `user.id`: the principal's, of an IdentityCenterUser without one the user's on whose behalf
    /// it acts.
    fn user_id<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        let kind = event.first(self.kind);
        let kind = kind.as_deref();
        let id = self.id_of_any(event, kind)?;
        self.service(event, kind).is_none().then_some(id)
    }

    /// `user.id`, be the caller a service or not.
    fn id_of_any<'a>(&self, event: &Spans<'a>, kind: Option<&str>) -> Option<Cow<'a, str>> {
        let principal = event.first_name(self.principal);
        principal.or_else(|| {
            let of_center = is_one_of(kind, &["IdentityCenterUser"]);
            of_center.then(|| self.on_behalf_of(event)).flatten()
        })
    }

    /// The name of a session: what follows the last slash of its ARN.
    fn session<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        if !self.is_kind(event, &["AssumedRole", "FederatedUser", "IdentityCenterUser"]) {
            return None;
        }
        let arn = self.arn(event).filter(|arn| cut_around(arn, ":sts:").is_some())?;
        let place = memchr::memrchr(b'/', arn.as_bytes())?;
        part(arn, place + 1).filter(|name| !name.is_empty())
    }

    /// `user.email`.
    fn email<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        let session = self.session(event).filter(|session| is_email(session));
        session.or_else(|| self.user_name(event).filter(|name| is_email_name(name)))
    }
}

/// Whether a session is called like an address.
fn is_email(session: &str) -> bool {
    cut(session, b'@').is_some()
}

/// Whether a name is one: not with `@` as its first character.
fn is_email_name(name: &str) -> bool {
    memchr::memrchr(b'@', name.as_bytes()) > Some(0)
}

/// `user.email` of a session and a user's name.
fn email_of<'o, 'a>(session: &'o Cow<'a, str>, name: &'o Cow<'a, str>) -> Option<&'o Cow<'a, str>> {
    let session = Some(session).filter(|session| is_email(session));
    session.or_else(|| Some(name).filter(|name| is_email_name(name)))
}

#[inline]
fn is_one_of(kind: Option<&str>, kinds: &[&str]) -> bool {
    kind.is_some_and(|kind| kinds.contains(&kind))
}

/// What is behind the first [`SERVICE_ROLES`] of an ARN.
#[inline]
fn behind_service_role(arn: &str) -> Option<&str> {
    let (before, path) = SERVICE_ROLES;
    let mut from = 0;
    loop {
        let place = from + memchr::memchr(b'/', arn.as_bytes().get(from..)?)?;
        let (role, rest) = arn.split_at_checked(place)?;
        if let Some(rest) = rest.strip_prefix(path).filter(|_| role.ends_with(before)) {
            return Some(rest);
        }
        from = place + 1;
    }
}

/// What follows that byte.
fn part(text: Cow<'_, str>, from: usize) -> Option<Cow<'_, str>> {
    Some(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(from..)?),
        Cow::Owned(text) => Cow::Owned(text.get(from..)?.to_owned()),
    })
}

/// A field of the caller.
struct CallerField {
    caller: Caller,
    field: CallerPart,
}

enum CallerPart {
    Id,
    Name,
    Email,
    Service,
    /// `related.user`: the names in the request, the created user's id, the new name.
    Related {
        requested: Node,
        renamed: Node,
        created: Node,
    },
}

pub(super) fn derive(name: &str, trie: &mut Trie) -> Option<RawField> {
    let field = match name {
        "user.id" => CallerPart::Id,
        "user.name" => CallerPart::Name,
        "user.email" => CallerPart::Email,
        "service.name" => CallerPart::Service,
        "related.user" => CallerPart::Related {
            requested: trie.add("requestParameters.userName", SCALARS),
            renamed: trie.add("requestParameters.newUserName", SCALARS),
            created: trie.add("responseElements.user.userId", SCALARS),
        },
        _ => return None,
    };
    Some(RawField::Computed(Box::new(CallerField { caller: Caller::new(trie), field })))
}

/// What a document says of the caller several times, each once; empty where there is none.
const FACTS: &str = "caller";

impl CallerField {
    fn users<'a>(
        &self,
        event: &Spans<'a>,
        [requested, renamed, created]: [Node; 3],
        [session, id, name]: [Option<Cow<'a, str>>; 3],
    ) -> TextSet<'a> {
        let mut users = TextSet::default();
        if let Some(session) = session {
            let before = cut(&session, b'@').map(|(name, _)| name.to_owned());
            users.add(session);
            users.add(Cow::Owned(before.unwrap_or_default()));
        }
        for node in [requested, renamed, created] {
            users.extend(event.texts(node, Blanks::All));
        }
        users.extend(id);
        users.extend(name);
        users.extend(self.caller.on_behalf_of(event));
        users
    }
}

impl ComputedField for CallerField {
    fn write<'a>(
        &self,
        event: &Spans<'a>,
        cache: &mut EventCache<'a>,
        out: &mut Vec<u8>,
    ) -> Option<bool> {
        let caller = &self.caller;
        let facts = cache.texts(FACTS, |_| {
            let kind = event.first(caller.kind);
            let kind = kind.as_deref();
            let service = caller.service(event, kind);
            let name = caller.name_or_moved(event, kind).filter(|_| service.is_none());
            let id = caller.id_of_any(event, kind).filter(|_| service.is_none());
            let facts = [service, id, name, caller.session(event)];
            facts.map(Option::unwrap_or_default).into()
        });
        let [service, id, name, session] = facts else { return None };
        let text = match &self.field {
            CallerPart::Id => id,
            CallerPart::Name => name,
            CallerPart::Service => service,
            CallerPart::Email => match email_of(session, name) {
                Some(email) => email,
                None => return Some(false),
            },
            CallerPart::Related { requested, renamed, created } => {
                let nodes = [*requested, *renamed, *created];
                let known = [session, id, name].map(|text| Some(text.clone()));
                let users = self.users(event, nodes, known).into_texts();
                return Some(push_texts(out, users.iter().map(|user| &**user)));
            }
        };
        if text.is_empty() {
            return Some(false);
        }
        push_string(out, text);
        Some(true)
    }

    fn only<'a>(&self, event: &Spans<'a>) -> Option<Value<'a>> {
        match &self.field {
            CallerPart::Name => self.caller.user_name(event).map(Value::Text),
            _ => None,
        }
    }

    fn values<'a>(&self, event: &Spans<'a>, _: &mut EventCache<'a>) -> FieldValues<'a> {
        let caller = &self.caller;
        FieldValues::one(
            match &self.field {
                CallerPart::Id => caller.user_id(event),
                CallerPart::Name => caller.user_name(event),
                CallerPart::Email => caller.email(event),
                CallerPart::Service => caller.service(event, event.first(caller.kind).as_deref()),
                CallerPart::Related { requested, renamed, created } => {
                    let nodes = [*requested, *renamed, *created];
                    let known =
                        [caller.session(event), caller.user_id(event), caller.user_name(event)];
                    return self.users(event, nodes, known).into_values();
                }
            }
            .map(Value::Text),
        )
    }
}
