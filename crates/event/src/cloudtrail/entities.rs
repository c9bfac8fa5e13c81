//! Who acted, as an entity; and what kind of entity an id names.
//!
//! In: the spans of an event, an id. Out: `actor.entity.id`, `user.entity.id` and
//! `service.entity.id`; a kind. It never looks at what was done.

use super::identity::Caller;
use crate::cut::{cut_around, first_part};
use crate::path::{Node, SCALARS, Trie};
use crate::raw::{ComputedField, EventCache, RawField};
use crate::spans::{FieldValues, Spans};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use firstseen_value::Value;

/// What an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntityKind {
    User,
    Host,
    Service,
    Other,
}

/// Types of resources, as they stand in an ARN.
const USERS: &[&str] =
    &["user", "role", "assumed-role", "federated-user", "instance-profile", "mfa", "serialNumber"];
const SERVICES: &[&str] = &[
    "stack",
    "stack-set",
    "trail",
    "configuration-recorder",
    "file-system",
    "mount-target",
    "rule",
    "detector",
    "key",
    "function",
    "log-group",
    "log-stream",
    "alarm",
    "db",
    "cluster",
    "global-cluster",
    "trust-anchor",
    "resolver-query-log-config",
    "secret",
    "parameter",
    "document",
    "session",
    "webacl",
    "rulegroup",
    "ipset",
    "topic",
    "model",
    "loadbalancer",
    "table",
    "group",
    "policy",
    "security-group",
    "network-interface",
    "vpc",
    "subnet",
    "network-acl",
    "dhcp-options",
];
/// How the ids of parts of a network begin.
const NETWORK_IDS: &[&str] = &[
    "sg-", "sgr-", "eni-", "vpc-", "subnet-", "acl-", "rtb-", "igw-", "nat-", "vpce-", "tgw-",
    "pcx-",
];

impl EntityKind {
    pub(super) fn of(id: &str) -> Self {
        if !id.starts_with("arn:") {
            let is_key = id.starts_with("AKIA") && id.len() == 20;
            return match id {
                _ if is_key => Self::User,
                _ if id.starts_with("i-") => Self::Host,
                _ if NETWORK_IDS.iter().any(|prefix| id.starts_with(prefix)) => Self::Service,
                _ => Self::Other,
            };
        }
        let kind = resource_type(id);
        if is_of_service(id) {
            Self::Service
        } else if USERS.contains(&kind) {
            Self::User
        } else if kind == "instance" {
            Self::Host
        } else if SERVICES.contains(&kind) || part(id, 2) == "s3" {
            Self::Service
        } else {
            Self::Other
        }
    }
}

/// The type of the resource that an ARN names: its sixth part, up to a slash.
fn resource_type(arn: &str) -> &str {
    first_part(part(arn, 5), b'/').0
}

/// The part of an ARN with that number.
fn part(arn: &str, number: usize) -> &str {
    let mut rest = arn;
    for _ in 0..number {
        rest = first_part(rest, b':').1;
    }
    first_part(rest, b':').0
}

/// Whether an ARN is that of a role that only a service can assume.
fn is_of_service(arn: &str) -> bool {
    ["/AWSServiceRoleFor", "/aws-service-role/"].iter().any(|path| cut_around(arn, path).is_some())
}

struct ActorField {
    caller: Caller,
    source: Node,
    action: Node,
    part: ActorPart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ActorPart {
    Actor,
    User,
    Service,
}

pub(super) fn derive(name: &str, trie: &mut Trie) -> Option<RawField> {
    let part = match name {
        "actor.entity.id" => ActorPart::Actor,
        "user.entity.id" => ActorPart::User,
        "service.entity.id" => ActorPart::Service,
        _ => return None,
    };
    let field = ActorField {
        caller: Caller::new(trie),
        source: trie.add("eventSource", SCALARS),
        action: trie.add("eventName", SCALARS),
        part,
    };
    Some(RawField::Computed(Box::new(field)))
}

impl ActorField {
    fn actor<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        let caller = &self.caller;
        let is_assume_role = event.first(self.action).as_deref() == Some("AssumeRole")
            && event.first(self.source).as_deref() == Some("sts.amazonaws.com");
        if !is_assume_role {
            return caller.arn(event).or_else(|| caller.on_behalf_of(event));
        }
        let behind_the_call = if caller.is_kind(event, &["AWSService"]) {
            caller.invoked_by(event)
        } else if caller.is_kind(event, &["AssumedRole"]) {
            caller.issuer_arn(event)
        } else {
            None
        };
        behind_the_call.or_else(|| caller.arn(event))
    }

    fn text<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        let actor = self.actor(event)?;
        if self.part == ActorPart::Actor {
            return Some(actor);
        }
        let caller = &self.caller;
        let is_service = caller.is_kind(event, &["AWSService"]) || is_of_service(&actor);
        if is_service || self.part == ActorPart::Service {
            return (is_service && self.part == ActorPart::Service).then_some(actor);
        }
        if caller.is_kind(event, &["AssumedRole"]) {
            return caller.issuer_arn(event).or(Some(actor));
        }
        let types = ["user", "role", "assumed-role", "federated-user"];
        let is_user = caller.is_kind(event, &["IAMUser", "Root"])
            || actor.starts_with("arn:") && types.contains(&resource_type(&actor));
        is_user.then_some(actor)
    }
}

impl ComputedField for ActorField {
    fn values<'a>(&self, event: &Spans<'a>, _: &mut EventCache<'a>) -> FieldValues<'a> {
        FieldValues::one(self.text(event).map(Value::Text))
    }
}

#[cfg(test)]
mod tests {
    use super::EntityKind::{self, Host, Other, Service, User};

    #[test]
    fn kinds_of_entities() {
        for (id, kind) in [
            ("arn:aws:iam::111122223333:user/alice", User),
            ("arn:aws:iam::111122223333:role/path/ops", User),
            ("arn:aws:iam::111122223333:mfa/alice", User),
            ("arn:aws:iam::111122223333:role/aws-service-role/a.amazonaws.com/R", Service),
            ("arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForX/s", Service),
            ("arn:aws:ec2:us-east-1:111122223333:instance/i-1", Host),
            ("arn:aws:iam::aws:policy/ReadOnlyAccess", Service),
            ("arn:aws:rds:us-east-1:111122223333:db:orders", Service),
            ("arn:aws:s3:::bucket/any/key", Service),
            ("arn:aws:ec2:us-east-1:111122223333:image/ami-1", Other),
            ("arn:aws", Other),
            ("AKIAIOSFODNN7EXAMPLE", User),
            ("AKIAIOSFODNN7EXAMPLES", Other),
            ("i-0123456789abcdef0", Host),
            ("subnet-1", Service),
            ("111122223333", Other),
            ("ops", Other),
        ] {
            assert_eq!(EntityKind::of(id), kind, "{id}");
        }
    }
}
