//! Random callers of all types. In: dice. Out: the member `userIdentity`.

use super::{PEOPLE, odd, pick};
use crate::json::Dice;
use serde_json::{Map, Value, json};

const KINDS: &[&str] = &[
    "IAMUser",
    "Root",
    "AssumedRole",
    "FederatedUser",
    "AWSService",
    "AWSAccount",
    "IdentityCenterUser",
    "SAMLUser",
    "WebIdentityUser",
    "Role",
    "Unknown",
];

const ROLES: &[&str] = &[
    "role/ops",
    "role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig",
    "role/aws-service-role/config.amazonaws.com/R",
    "role/aws-service-role/R",
    "role/team/aws-service-role/x/R",
    "role/AWSServiceRoleForX",
];

/// A random `userIdentity`.
pub(super) fn identity(dice: &mut Dice) -> Value {
    let kind = pick(dice, KINDS);
    let mut identity = Map::new();
    let mut set = |name: &str, value: Value| identity.insert(name.to_owned(), value);
    set("type", json!(kind));
    let person = pick(dice, PEOPLE);
    let role = pick(dice, ROLES);
    let short = role.rsplit('/').next().unwrap_or(role);
    let arn = match kind {
        "AssumedRole" | "IdentityCenterUser" => {
            format!("arn:aws:sts::111122223333:assumed-role/{short}/{person}")
        }
        "FederatedUser" => format!("arn:aws:sts::111122223333:federated-user/{person}"),
        "Root" => "arn:aws:iam::111122223333:root".to_owned(),
        "Role" => format!("arn:aws:iam::111122223333:{role}"),
        _ => format!("arn:aws:iam::111122223333:user/{person}"),
    };
    if dice.roll(4) > 0 {
        set("arn", json!(arn));
    }
    for (name, values) in [
        ("principalId", &["AIDAALICE", "AROAX:dana@example.com", "none", "-", ""][..]),
        ("accountId", &["111122223333", ""]),
        ("accessKeyId", &["AKIAIOSFODNN7EXAMPLE", "ASIAX"]),
        ("userName", PEOPLE),
        ("invokedBy", &["config.amazonaws.com", "AWS Internal", ""]),
        ("credentialId", &["c-1"]),
        ("identityProvider", &["arn:aws:iam::111122223333:saml-provider/p"]),
    ] {
        if dice.roll(3) > 0 {
            set(name, odd(dice, values));
        }
    }
    if dice.roll(5) == 0 {
        set("invokedByDelegate", json!({ "accountId": "444455556666" }));
        set(
            "inScopeOf",
            json!({ "issuerType": "AWS::Lambda::Function", "credentialsIssuedTo": "arn:x", "sourceArn": odd(dice, &["arn:aws:lambda:x"]), "sourceAccount": "111122223333" }),
        );
    }
    if kind == "IdentityCenterUser" || dice.roll(6) == 0 {
        set(
            "onBehalfOf",
            json!({ "userId": odd(dice, &["93a7", "b2c4"]), "identityStoreArn": odd(dice, &["arn:aws:identitystore::1:identitystore/d-1"]) }),
        );
    }
    if matches!(kind, "AssumedRole" | "FederatedUser") || dice.roll(6) == 0 {
        let mut session = json!({
            "attributes": { "creationDate": "2025-03-06T09:00:00Z", "mfaAuthenticated": odd(dice, &["true", "false"]) },
            "ec2RoleDelivery": "2.0", "sourceIdentity": odd(dice, &["dana"]), "assumedRoot": "true",
            "signInSessionArn": "arn:aws:signin:x",
        });
        if matches!(kind, "AssumedRole" | "FederatedUser") && dice.roll(8) > 0 {
            session["sessionIssuer"] = json!({
                "type": "Role", "principalId": odd(dice, &["AROAX", "-"]),
                "arn": odd(dice, &[&format!("arn:aws:iam::111122223333:{role}")]),
                "accountId": "111122223333", "userName": odd(dice, &[short, person]),
            });
        }
        if dice.roll(3) == 0 {
            session["webIdFederationData"] = json!({ "federatedProvider": "cognito", "attributes": { "aud": "x", "amr": ["a", "", "b"] } });
        }
        set("sessionContext", session);
    }
    Value::Object(identity)
}
