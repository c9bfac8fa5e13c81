//! Raw CloudTrail as Elastic's pipeline makes ECS of it: events, and the fields that differ most
//! easily.

mod common;

use common::raw::{ALICE, alice, check, check_all, event, session, values_of};
use firstseen_event::document;
use serde_json::{Value as Json, json};

#[test]
fn the_target_and_the_related_entities() {
    let event =
        event("iam", "UpdateAssumeRolePolicy", json!({"requestParameters": {"roleName": "ops"}}));
    check_all(
        &event,
        &[
            ("entity.target.id", json!("ops")),
            ("target.entity.id", json!("ops")),
            ("user.target.entity.id", json!(null)),
            ("related.entity", json!([ALICE, "alice", "ops"])),
            ("actor.entity.id", json!(ALICE)),
            ("user.entity.id", json!(ALICE)),
            ("service.entity.id", json!(null)),
            ("cloud.service.name", json!("iam")),
        ],
    );
}

#[test]
fn a_session_from_the_console() {
    let event =
        event("organizations", "ListAccounts", json!({"sessionCredentialFromConsole": "true"}));
    check(&event, "aws.cloudtrail.session_credential_from_console", &json!("true"));
}

#[test]
fn a_sign_in_without_mfa() {
    let additional = json!({"MFAUsed": "No", "MobileVersion": "No", "LoginTo": "https://x"});
    let login = |name| event("signin", name, json!({"additionalEventData": additional.clone()}));
    let names = ["mfa_used", "mobile_version", "login_to"]
        .map(|name| format!("aws.cloudtrail.console_login.additional_eventdata.{name}"));
    for (name, expected) in names.iter().zip([json!(false), json!(false), json!("https://x")]) {
        check(&login("ConsoleLogin"), name, &expected);
        check(&login("CheckMfa"), name, &json!(null));
    }
    let with_mfa =
        event("signin", "ConsoleLogin", json!({"additionalEventData": {"MFAUsed": "Yes"}}));
    check(&with_mfa, &names[0], &json!(true));
    check(&with_mfa, &names[1], &json!(null));
    check(&login("ConsoleLogin"), "entity.target.id", &json!("111122223333"));
}

#[test]
fn a_service_is_no_user() {
    let issuer = "arn:aws:iam::111122223333:role/aws-service-role/config.amazonaws.com/R";
    let identity = session("s", issuer);
    let of = |identity: &Json| event("s3", "GetBucketAcl", json!({"userIdentity": identity}));
    check_all(
        &of(&identity),
        &[
            ("user.name", json!(null)),
            ("user.id", json!(null)),
            ("service.name", json!("config.amazonaws.com")),
            ("related.user", json!("s")),
            ("service.entity.id", json!(null)),
        ],
    );
    let mut invoked = identity.clone();
    invoked["invokedBy"] = json!("other.amazonaws.com");
    check(&of(&invoked), "service.name", &json!("other.amazonaws.com"));
    // Without a path behind the service there is no name, and the role stays a user.
    let nameless = session("s", "arn:aws:iam::111122223333:role/aws-service-role/R");
    check(&of(&nameless), "service.name", &json!(null));
    check(&of(&nameless), "user.name", &json!("R"));
    let service = json!({"type": "AWSService", "invokedBy": "config.amazonaws.com"});
    check(&of(&service), "service.name", &json!("config.amazonaws.com"));
    let silent = json!({"type": "AWSService", "principalId": "P"});
    check(&of(&silent), "user.id", &json!("P"));
}

#[test]
fn types_and_categories() {
    let of = |name| event("iam", name, json!({}));
    check(&of("CreateUser"), "event.type", &json!(["user", "creation"]));
    check(&of("CreateUser"), "event.category", &json!("iam"));
    check(&of("CreateStack"), "event.type", &json!("info"));
    check(&of("CreateStack"), "event.category", &json!(null));
    let text = document(&of("CreateUser").to_string()).expect("readable");
    assert!(format!("{text:?}").contains(r#""category": List([Text("iam")])"#), "{text:?}");
}

#[test]
fn the_request_as_text_does_not_depend_on_the_order() {
    let expected = "{capabilities=[CAPABILITY_IAM], stackName=net, disableRollback=false, templateURL=https://x}";
    for parameters in [
        r#"{"stackName":"net","templateURL":"https://x","capabilities":["CAPABILITY_IAM"],"disableRollback":false}"#,
        r#"{"capabilities":["CAPABILITY_IAM"],"disableRollback":false,"templateURL":"https://x","stackName":"net"}"#,
    ] {
        let text = format!(
            r#"{{"eventSource":"cloudformation.amazonaws.com","eventName":"CreateStack","requestParameters":{parameters}}}"#
        );
        for name in ["aws.cloudtrail.request_parameters", "aws.cloudtrail.request_parameters.text"]
        {
            assert_eq!(values_of(&text, name), [json!(expected)]);
        }
    }
    let time = event("sts", "X", json!({"requestParameters": {"at": 1688560107.857, "n": 7}}));
    check(&time, "aws.cloudtrail.request_parameters", &json!("{at=1.688560107857E9, n=7}"));
    let flattened = "aws.cloudtrail.flattened.request_parameters";
    check(&time, &format!("{flattened}.at"), &json!("1.688560107857E9"));
    check(&time, &format!("{flattened}.n"), &json!(7));
}

#[test]
fn the_users_of_a_session() {
    let identity = session("dana@example.com", "arn:aws:iam::111122223333:role/admin");
    let event = event("s3", "GetObject", json!({"userIdentity": identity}));
    check_all(
        &event,
        &[
            (
                "related.user",
                json!(["dana@example.com", "dana", "AROAX:dana@example.com", "admin"]),
            ),
            ("user.email", json!("dana@example.com")),
            ("user.name", json!("admin")),
            ("user.entity.id", json!("arn:aws:iam::111122223333:role/admin")),
            (
                "actor.entity.id",
                json!("arn:aws:sts::111122223333:assumed-role/admin/dana@example.com"),
            ),
        ],
    );
}

#[test]
fn a_role_in_the_request_is_no_user() {
    let event = event("iam", "AttachRolePolicy", json!({"requestParameters": {"roleName": "ops"}}));
    check(&event, "related.user", &json!(["AIDAALICE", "alice"]));
}

#[test]
fn the_name_of_who_authenticates() {
    let more = |kind: &str, name: &str| {
        let additional = json!({"UserName": name, "LoginTo": "x"});
        json!({"userIdentity": {"type": kind}, "additionalEventData": additional})
    };
    let event =
        |kind: &str, name: &str| self::event("signin", "UserAuthentication", more(kind, name));
    let unknown = event("Unknown", "dana@example.com");
    let member = "aws.cloudtrail.flattened.additional_eventdata.UserName";
    check_all(
        &unknown,
        &[
            ("user.name", json!("dana@example.com")),
            ("user.email", json!("dana@example.com")),
            ("aws.cloudtrail.additional_eventdata", json!("{LoginTo=x}")),
            (member, json!(null)),
            ("aws.cloudtrail.flattened.additional_eventdata", json!("x")),
        ],
    );
    let text = format!("{:?}", document(&unknown.to_string()).expect("readable"));
    assert!(!text.contains("\"UserName\""), "{text}");
    // A name in the identity stays, and so does the other one.
    let named = self::event(
        "signin",
        "UserAuthentication",
        json!({"additionalEventData": {"UserName": "dana"}}),
    );
    check(&named, "user.name", &json!("alice"));
    check(&named, member, &json!("dana"));
    let alone = self::event(
        "signin",
        "UserAuthentication",
        json!({"userIdentity": {"type": "Unknown"}, "additionalEventData": {"UserName": "dana"}}),
    );
    check(&alone, "aws.cloudtrail.additional_eventdata", &json!("{}"));
    let other = self::event("signin", "Other", more("Unknown", "dana"));
    check(&other, "user.name", &json!(null));
}

#[test]
fn tls_details() {
    let of = |details: Json| event("s3", "GetObject", json!({"tlsDetails": details}));
    let whole = of(json!({"tlsVersion": "1.3"}));
    check_all(&whole, &[("tls.version", json!("1.3")), ("tls.version_protocol", json!(null))]);
    let placeholder = of(json!({
        "tlsVersion": "tlsVersion", "cipherSuite": "cipherSuite", "keyExchange": "x25519",
        "clientProvidedHostHeader": "host.example.com",
    }));
    for name in [
        "tls.version",
        "tls.version_protocol",
        "tls.cipher",
        "tls.client.server_name",
        "aws.cloudtrail.tls_details.key_exchange",
        "related.hosts",
    ] {
        check(&placeholder, name, &json!(null));
    }
    let real = of(json!({
        "tlsVersion": "TLSv1.3", "keyExchange": "x25519",
        "clientProvidedHostHeader": "files.example.com",
    }));
    check_all(
        &real,
        &[
            ("tls.version", json!("1.3")),
            ("tls.version_protocol", json!("tls")),
            ("aws.cloudtrail.tls_details.key_exchange", json!("x25519")),
            ("related.hosts", json!("files.example.com")),
        ],
    );
}

#[test]
fn rare_members_have_their_names() {
    let mut identity = alice();
    identity["credentialId"] = json!("c-1");
    identity["onBehalfOf"] =
        json!({"userId": "u-1", "identityStoreArn": "arn:aws:identitystore::1:s"});
    let event = event(
        "s3",
        "GetObject",
        json!({
            "userIdentity": identity, "vpcEndpointId": "vpce-1", "vpcEndpointAccountId": "1",
            "apiVersion": "2006-03-01", "sharedEventID": "s-1",
            "addendum": {"reason": "UPDATED_DATA", "updatedFields": "a", "originalEventID": "e-0"},
            "resources": [
                {"ARN": "arn:aws:s3:::b/k", "type": "AWS::S3::Object"},
                {"ARN": "arn:aws:s3:::b/k", "type": "AWS::S3::Object"},
            ],
        }),
    );
    check_all(
        &event,
        &[
            ("aws.cloudtrail.vpc_endpoint_id", json!("vpce-1")),
            ("aws.cloudtrail.vpc_endpoint_account_id", json!("1")),
            ("aws.cloudtrail.api_version", json!("2006-03-01")),
            ("aws.cloudtrail.shared_event_id", json!("s-1")),
            ("aws.cloudtrail.user_identity.credential_id", json!("c-1")),
            ("aws.cloudtrail.user_identity.on_behalf_of.user_id", json!("u-1")),
            (
                "aws.cloudtrail.user_identity.on_behalf_of.identity_store_arn",
                json!("arn:aws:identitystore::1:s"),
            ),
            ("aws.cloudtrail.addendum.original_event_id", json!("e-0")),
            ("aws.cloudtrail.resources.arn", json!(["arn:aws:s3:::b/k"])),
            ("service.target.entity.id", json!("arn:aws:s3:::b/k")),
            ("cloud.provider", json!("aws")),
            ("event.module", json!("aws")),
            ("data_stream.type", json!("logs")),
            ("data_stream.namespace", json!("default")),
            ("cloud.account.id", json!("111122223333")),
        ],
    );
}

#[test]
fn a_flattened_object_matches_any_value_below_it() {
    let root = "aws.cloudtrail.flattened.request_parameters";
    let parameters = json!({"roleName": "ops", "a.b": {"c.d": [1, "none", {"e": true}]}});
    let of = |parameters: Json| event("iam", "X", json!({"requestParameters": parameters}));
    check(&of(parameters.clone()), root, &json!(["1", true, "ops"]));
    check(&of(parameters.clone()), &format!("{root}.a.b.c.d.e"), &json!(true));
    check(&of(json!("plain")), root, &json!("plain"));
    check(&of(json!(["x", "y"])), root, &json!(["x", "y"]));
    check(&of(json!(["x", "y"])), "aws.cloudtrail.request_parameters", &json!("[x, y]"));
    // So it is in an ECS document, nested or flat.
    for text in [
        format!(
            r#"{{"@timestamp":1,"aws":{{"cloudtrail":{{"flattened":{{"request_parameters":{parameters}}}}}}}}}"#
        ),
        format!(
            r#"{{"@timestamp":1,"{root}.roleName":"ops","{root}.a.b":{{"c.d":[1,"none",{{"e":true}}]}}}}"#
        ),
    ] {
        let mut found: Vec<String> =
            values_of(&text, root).iter().map(ToString::to_string).collect();
        found.sort();
        assert_eq!(found, ["\"none\"", "\"ops\"", "1", "true"], "{text}");
    }
}

#[test]
fn text_twins_are_the_values_of_their_fields() {
    let event = event("iam", "X", json!({"requestParameters": {"roleName": "ops"}}));
    check(&event, "aws.cloudtrail.request_parameters.text", &json!("{roleName=ops}"));
    check(&event, "user.name.text", &json!("alice"));
    let document = r#"{"@timestamp":1,"aws.cloudtrail.request_parameters":"{roleName=ops}","process":{"io":{"text":"hi"}}}"#;
    assert_eq!(values_of(document, "aws.cloudtrail.request_parameters.text"), ["{roleName=ops}"]);
    assert_eq!(values_of(document, "process.io.text"), ["hi"]);
}
