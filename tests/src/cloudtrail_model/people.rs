//! Who called: users, services, sessions. In: a cleaned event. Out: the fields that name them.

use super::{ModelFields, ModelTree, PlaceholderNames, is_placeholder};

/// What marks a role that only a service takes on.
pub(super) const SERVICE_ROLE: &str = "aws-service-role/";

/// Adds `service.name` and the fields of `user`. The session's name comes back. `signed_in` is the
/// name that additionalEventData holds; where it is taken, it leaves the event.
pub(super) fn add(
    out: &mut ModelFields,
    event: &mut ModelTree,
    signed_in: Option<String>,
    names: PlaceholderNames,
) -> Option<String> {
    let text = |path: &str| event.text(&format!("userIdentity.{path}"));
    let kind = text("type").unwrap_or_default();
    let is_one_of = |kinds: &[&str]| kinds.contains(&&*kind);
    let issuer = text("sessionContext.sessionIssuer.arn").unwrap_or_default();
    let service = match &*kind {
        "AWSService" => text("invokedBy"),
        "AssumedRole" if issuer.contains(&format!(":role/{SERVICE_ROLE}")) => text("invokedBy")
            .or_else(|| {
                let (_, path) = issuer.split_once(SERVICE_ROLE)?;
                Some(path.split_once('/')?.0.to_owned()).filter(|name| !name.is_empty())
            }),
        _ => None,
    };
    let id = text("principalId").or_else(|| {
        let center = is_one_of(&["IdentityCenterUser"]);
        center.then(|| text("onBehalfOf.userId")).flatten()
    });
    let mut name = text("userName");
    if is_one_of(&["AssumedRole", "FederatedUser"]) {
        name = text("sessionContext.sessionIssuer.userName").or(name);
    }
    let session = text("arn").filter(|arn| arn.contains(":sts:"));
    let session =
        session.filter(|_| is_one_of(&["AssumedRole", "FederatedUser", "IdentityCenterUser"]));
    let session = session.and_then(|arn| Some(arn.rsplit_once('/')?.1.to_owned()));
    let session = session.filter(|name| {
        !name.is_empty() && (names == PlaceholderNames::Kept || !is_placeholder(name))
    });
    if name.is_none() && event.text("eventName").as_deref() == Some("UserAuthentication") {
        name = signed_in;
        // An object that is emptied so stays as an empty one.
        if name.is_some()
            && let ModelTree::Object(members, _) = event
            && let Some((_, data)) =
                members.iter_mut().find(|(name, _)| name == "additionalEventData")
        {
            data.remove("UserName");
        }
    }
    if service.is_none() {
        out.add("user.id", id);
        out.add("user.name", name.clone());
    }
    out.add("service.name", service);
    let is_mail = |name: &String| name.find('@').is_some_and(|at| at > 0);
    let mail = session.clone().filter(|name| name.contains('@'));
    let named = out.get("user.name").first().cloned();
    out.add("user.email", mail.or_else(|| named.filter(is_mail)));
    session
}
