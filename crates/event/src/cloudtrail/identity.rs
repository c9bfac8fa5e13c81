//! Who did it: the user fields of an event, by the type of its identity.
//!
//! In: the spans of an event. Out: `user.id`, `user.name`, `related.user`. It never looks beyond the event.

use crate::path::{Node, SCALARS, Trie};
use crate::spans::Spans;
use alloc::borrow::Cow;
use alloc::borrow::ToOwned;
use alloc::vec::Vec;

/// `user.name`.
///
/// | identity type | name |
/// | --- | --- |
/// | AssumedRole, FederatedUser | the session issuer's (the role, the user that federates) |
/// | IdentityCenterUser | `additionalEventData.UserName`, in UserAuthentication events |
/// | all others | `userIdentity.userName`; Root, AWSService and AWSAccount mostly have none |
#[derive(Debug)]
pub(super) struct UserName {
    kind: Node,
    name: Node,
    issuer: Node,
    action: Node,
    center: Node,
}

impl UserName {
    pub(super) fn new(trie: &mut Trie) -> Self {
        let mut add = |path| trie.add(path, SCALARS);
        Self {
            kind: add("userIdentity.type"),
            name: add("userIdentity.userName"),
            issuer: add("userIdentity.sessionContext.sessionIssuer.userName"),
            action: add("eventName"),
            center: add("additionalEventData.UserName"),
        }
    }

    pub(super) fn read<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        let by_type = match event.first(self.kind).as_deref() {
            Some("AssumedRole" | "FederatedUser") => event.first(self.issuer),
            Some("IdentityCenterUser")
                if event.first(self.action).as_deref() == Some("UserAuthentication") =>
            {
                event.first(self.center)
            }
            _ => None,
        };
        by_type.or_else(|| event.first(self.name))
    }
}

/// `user.id`: the principal's, for an IdentityCenterUser the user's on whose behalf it acts.
#[derive(Debug)]
pub(super) struct UserId {
    kind: Node,
    principal: Node,
    behalf: Node,
}

impl UserId {
    pub(super) fn new(trie: &mut Trie) -> Self {
        let mut add = |path| trie.add(path, SCALARS);
        Self {
            kind: add("userIdentity.type"),
            principal: add("userIdentity.principalId"),
            behalf: add("userIdentity.onBehalfOf.userId"),
        }
    }

    pub(super) fn read<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        match event.first(self.kind).as_deref() {
            Some("IdentityCenterUser") => event.first(self.behalf),
            _ => event.first(self.principal),
        }
    }
}

/// `related.user`: the session's name (what follows the colon in the principal's id), the names
/// of users and roles in the request, the user's id and name; each once.
#[derive(Debug)]
pub(super) struct RelatedUser {
    id: UserId,
    name: UserName,
    principal: Node,
    requested: [Node; 3],
}

impl RelatedUser {
    pub(super) fn new(trie: &mut Trie) -> Self {
        Self {
            id: UserId::new(trie),
            name: UserName::new(trie),
            principal: trie.add("userIdentity.principalId", SCALARS),
            requested: [
                trie.add("requestParameters.userName", SCALARS),
                trie.add("requestParameters.newUserName", SCALARS),
                trie.add("requestParameters.roleName", SCALARS),
            ],
        }
    }

    pub(super) fn read<'a>(&self, event: &Spans<'a>) -> Vec<Cow<'a, str>> {
        let session = event.first(self.principal).and_then(|principal| {
            let (_, session) = principal.split_once(':')?;
            (!session.is_empty()).then(|| Cow::Owned(session.to_owned()))
        });
        let requested = self.requested.iter().filter_map(|node| event.first(*node));
        let caller = [self.id.read(event), self.name.read(event)];
        let mut users: Vec<Cow<'a, str>> = Vec::new();
        for user in session.into_iter().chain(requested).chain(caller.into_iter().flatten()) {
            if !users.contains(&user) {
                users.push(user);
            }
        }
        users
    }
}
