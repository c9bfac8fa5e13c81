//! Raw CloudTrail to ECS, row by row: every field of the mapping, every identity type.

mod common;

use firstseen_event::{EventReader, FieldRequest, ReadOutcome, Scratch, document, verbatim};
use firstseen_value::Value;
use serde_json::{Value as Json, json};

/// All values of a field, as JSON.
fn field(event: &Json, name: &str) -> Vec<Json> {
    let reader = EventReader::new(vec![FieldRequest::Values(name.into())]);
    let mut scratch = Scratch::default();
    let text = event.to_string();
    let Ok(ReadOutcome::Event(fields)) = reader.read(&text, &mut scratch) else { panic!("{text}") };
    assert!(fields.is_raw(), "{text}");
    let json = |value| match value {
        Value::Bool(value) => json!(value),
        Value::Number(text) => serde_json::from_str(text).expect("a number"),
        Value::Text(text) => json!(text),
    };
    let values: Vec<Json> = fields.values(0).map(json).collect();
    // What is found more quickly is the same.
    let only = fields.only_value(0).map(json);
    assert!(only.is_none_or(|only| values == [only]), "{name} of {text}");
    values
}

fn event(more: Json) -> Json {
    let mut event = json!({
        "eventVersion": "1.09",
        "eventTime": "2024-05-01T10:00:00Z",
        "eventSource": "cloudformation.amazonaws.com",
        "eventName": "CreateStack",
    });
    let (Json::Object(event_members), Json::Object(more)) = (&mut event, more) else { panic!() };
    event_members.extend(more);
    event
}

fn full() -> Json {
    event(json!({
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:deploy-17",
            "arn": "arn:aws:sts::111122223333:assumed-role/deployer/deploy-17",
            "accountId": "111122223333",
            "accessKeyId": "ASIAEXAMPLE",
            "invokedBy": "cloudformation.amazonaws.com",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROAEXAMPLE",
                    "arn": "arn:aws:iam::111122223333:role/deployer",
                    "accountId": "111122224444",
                    "userName": "deployer",
                },
                "attributes": {"creationDate": "2024-05-01T09:00:00Z", "mfaAuthenticated": "false"},
            },
        },
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2",
        "requestParameters": {
            "stackName": "web", "userName": "bob", "x-amz-acl": "private", "count": 3,
            "parameters": [{"k": "a"}, {"k": "b"}], "none": null, "empty": "", "blank": {},
        },
        "responseElements": {"stackId": "s-1"},
        "additionalEventData": {"vpc": true},
        "serviceEventDetails": {"state": "ok"},
        "requestID": "r-1",
        "eventID": "e-1",
        "readOnly": false,
        "managementEvent": true,
        "eventType": "AwsApiCall",
        "eventCategory": "Management",
        "recipientAccountId": "111122225555",
        "errorCode": "AccessDenied",
        "errorMessage": "not allowed",
        "resources": [
            {"ARN": "arn:1", "accountId": "1", "type": "AWS::S3::Bucket"},
            {"ARN": "arn:2", "accountId": "2", "type": "AWS::S3::Object"},
        ],
        "tlsDetails": {
            "tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": "cloudformation.eu-central-1.amazonaws.com",
        },
    }))
}

/// Every row: the ECS name, and what it gives for `full`.
fn rows() -> Vec<(&'static str, Vec<Json>)> {
    let one = |name, value: &str| (name, vec![json!(value)]);
    vec![
        one("@timestamp", "2024-05-01T10:00:00Z"),
        one("event.provider", "cloudformation.amazonaws.com"),
        one("event.action", "CreateStack"),
        one("event.id", "e-1"),
        one("event.outcome", "failure"),
        one("event.kind", "event"),
        one("event.type", "info"),
        one("event.dataset", "aws.cloudtrail"),
        one("data_stream.dataset", "aws.cloudtrail"),
        one("event.module", "aws"),
        one("cloud.provider", "aws"),
        one("cloud.service.name", "cloudformation"),
        one("user.target.name", "bob"),
        one("cloud.account.id", "111122223333"),
        one("cloud.region", "eu-central-1"),
        one("user.id", "AROAEXAMPLE:deploy-17"),
        one("user.name", "deployer"),
        one("source.address", "198.51.100.7"),
        one("source.ip", "198.51.100.7"),
        one("user_agent.original", "aws-cli/2"),
        one("aws.cloudtrail.user_identity.type", "AssumedRole"),
        one(
            "aws.cloudtrail.user_identity.arn",
            "arn:aws:sts::111122223333:assumed-role/deployer/deploy-17",
        ),
        one("aws.cloudtrail.user_identity.access_key_id", "ASIAEXAMPLE"),
        one("aws.cloudtrail.user_identity.invoked_by", "cloudformation.amazonaws.com"),
        one("aws.cloudtrail.user_identity.session_context.mfa_authenticated", "false"),
        one("aws.cloudtrail.user_identity.session_context.creation_date", "2024-05-01T09:00:00Z"),
        one("aws.cloudtrail.user_identity.session_context.session_issuer.type", "Role"),
        one(
            "aws.cloudtrail.user_identity.session_context.session_issuer.principal_id",
            "AROAEXAMPLE",
        ),
        one(
            "aws.cloudtrail.user_identity.session_context.session_issuer.arn",
            "arn:aws:iam::111122223333:role/deployer",
        ),
        one(
            "aws.cloudtrail.user_identity.session_context.session_issuer.account_id",
            "111122224444",
        ),
        one("aws.cloudtrail.error_code", "AccessDenied"),
        one("aws.cloudtrail.error_message", "not allowed"),
        one(
            "aws.cloudtrail.request_parameters",
            "{x-amz-acl=private, count=3, stackName=web, userName=bob, parameters=[{k=a}, {k=b}]}",
        ),
        one("aws.cloudtrail.response_elements", "{stackId=s-1}"),
        one("aws.cloudtrail.additional_eventdata", "{vpc=true}"),
        one("aws.cloudtrail.service_event_details", "{state=ok}"),
        one("aws.cloudtrail.flattened.request_parameters.stackName", "web"),
        one("aws.cloudtrail.flattened.request_parameters.x-amz-acl", "private"),
        ("aws.cloudtrail.flattened.request_parameters.count", vec![json!(3)]),
        ("aws.cloudtrail.flattened.request_parameters.parameters.k", vec![json!("a"), json!("b")]),
        ("aws.cloudtrail.flattened.request_parameters.none", vec![]),
        ("aws.cloudtrail.flattened.request_parameters.empty", vec![]),
        one("aws.cloudtrail.flattened.response_elements.stackId", "s-1"),
        ("aws.cloudtrail.flattened.additional_eventdata.vpc", vec![json!(true)]),
        one("aws.cloudtrail.flattened.service_event_details.state", "ok"),
        one("aws.cloudtrail.event_version", "1.09"),
        one("aws.cloudtrail.event_type", "AwsApiCall"),
        one("aws.cloudtrail.event_category", "Management"),
        one("aws.cloudtrail.recipient_account_id", "111122225555"),
        one("aws.cloudtrail.request_id", "r-1"),
        ("aws.cloudtrail.read_only", vec![json!(false)]),
        ("aws.cloudtrail.management_event", vec![json!(true)]),
        ("aws.cloudtrail.resources.arn", vec![json!("arn:1"), json!("arn:2")]),
        ("aws.cloudtrail.resources.account_id", vec![json!("1"), json!("2")]),
        ("aws.cloudtrail.resources.type", vec![json!("AWS::S3::Bucket"), json!("AWS::S3::Object")]),
        one("tls.version_protocol", "tls"),
        one("tls.version", "1.3"),
        one("tls.cipher", "TLS_AES_128_GCM_SHA256"),
        one("tls.client.server_name", "cloudformation.eu-central-1.amazonaws.com"),
        (
            "related.user",
            vec![
                json!("deploy-17"),
                json!("bob"),
                json!("AROAEXAMPLE:deploy-17"),
                json!("deployer"),
            ],
        ),
        // Raw names work where no ECS name is in the way; foreign ECS names give nothing.
        one("eventName", "CreateStack"),
        ("process.name", vec![]),
        one("cloud.region.caseless", "eu-central-1"),
        one("event.action.caseless", "createstack"),
    ]
}

#[test]
fn every_row() {
    let full = full();
    for (name, expected) in rows() {
        assert_eq!(field(&full, name), expected, "{name}");
    }
    assert_eq!(field(&full, "event.original"), [json!(full.to_string())]);
}

#[test]
fn without_the_raw_key_every_row_is_absent() {
    let constant = [
        "event.kind",
        "event.type",
        "event.dataset",
        "data_stream.dataset",
        "event.outcome",
        "event.module",
        "cloud.provider",
        "cloud.service.name",
    ];
    let given = ["@timestamp", "event.provider", "event.action", "eventName"];
    let bare = event(json!({}));
    for (name, _) in rows() {
        let name = name.trim_end_matches(".caseless");
        if !given.contains(&name) && !constant.contains(&name) && !name.ends_with("_version") {
            assert_eq!(field(&bare, name), Vec::<Json>::new(), "{name}");
        }
    }
}

#[test]
fn verbatim_values_are_in_the_text() {
    let text = full().to_string();
    for (name, values) in rows() {
        for value in values {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if !verbatim(name, &value) {
                continue;
            }
            assert!(text.contains(&value), "{name} {value}");
        }
    }
}

#[test]
fn the_document_holds_every_row() {
    let full = full();
    let document = common::as_value(&document(&full.to_string()).expect("readable"));
    for (name, expected) in rows() {
        if name.ends_with(".caseless") || name == "eventName" {
            continue;
        }
        let pointer = format!("/{}", name.replace('.', "/"));
        let found = document.pointer(&pointer);
        match name {
            _ if name.contains(".resources.") || name.contains(".parameters.") => {}
            "event.type" | "related.user" => assert_eq!(found, Some(&json!(expected)), "{name}"),
            _ => assert_eq!(found, expected.first(), "{name}"),
        }
    }
    assert_eq!(document.pointer("/aws/cloudtrail/resources/1/arn"), Some(&json!("arn:2")));
    assert_eq!(document.pointer("/event/original"), Some(&json!(full.to_string())));
    let parameters = document.pointer("/aws/cloudtrail/flattened/request_parameters").expect("set");
    let expected = json!({
        "stackName": "web", "userName": "bob", "x-amz-acl": "private", "count": 3,
        "parameters": [{"k": "a"}, {"k": "b"}],
    });
    assert_eq!(*parameters, expected);
}

#[test]
fn every_identity_type() {
    let issuer = json!({"sessionIssuer": {"userName": "issuer"}});
    let user = |kind: &str| {
        event(json!({"userIdentity": {
            "type": kind, "userName": "direct", "principalId": "P", "sessionContext": issuer,
        }}))
    };
    for (kind, name) in [
        ("IAMUser", "direct"),
        ("SAMLUser", "direct"),
        ("WebIdentityUser", "direct"),
        ("AssumedRole", "issuer"),
        ("FederatedUser", "issuer"),
        ("Root", "direct"),
        ("AWSService", "direct"),
        ("AWSAccount", "direct"),
        ("Directory", "direct"),
        ("Unknown", "direct"),
    ] {
        assert_eq!(field(&user(kind), "user.name"), [json!(name)], "{kind}");
        assert_eq!(field(&user(kind), "user.id"), [json!("P")], "{kind}");
    }
    for kind in ["Root", "AWSService", "AWSAccount"] {
        let nameless = event(json!({"userIdentity": {"type": kind, "principalId": "1"}}));
        assert_eq!(field(&nameless, "user.name"), Vec::<Json>::new(), "{kind}");
    }
    let center = |action: &str| {
        event(json!({
            "eventName": action,
            "userIdentity": {
                "type": "IdentityCenterUser", "principalId": "P",
                "onBehalfOf": {"userId": "U", "identityStoreArn": "arn"},
            },
            "additionalEventData": {"UserName": "carol"},
        }))
    };
    assert_eq!(field(&center("UserAuthentication"), "user.name"), [json!("carol")]);
    assert_eq!(field(&center("GetRoleCredentials"), "user.name"), Vec::<Json>::new());
    assert_eq!(field(&center("UserAuthentication"), "user.id"), [json!("P")]);
    let mut nameless = center("GetRoleCredentials");
    nameless["userIdentity"]["principalId"] = json!("");
    assert_eq!(field(&nameless, "user.id"), [json!("U")]);
}

#[test]
fn blank_values_are_absent() {
    for blank in [json!(null), json!(""), json!("-"), json!("none"), json!({}), json!([])] {
        let event = event(json!({
            "errorCode": blank, "errorMessage": blank, "awsRegion": blank, "sourceIPAddress": blank,
            "requestParameters": {"a": blank, "b": [blank]}, "recipientAccountId": "2",
            "userIdentity": {"type": "IAMUser", "userName": blank, "accountId": blank},
        }));
        assert_eq!(field(&event, "event.outcome"), [json!("success")], "{blank}");
        assert_eq!(field(&event, "cloud.account.id"), [json!("2")], "{blank}");
        for name in [
            "cloud.region",
            "source.address",
            "aws.cloudtrail.request_parameters",
            "aws.cloudtrail.flattened.request_parameters.a",
        ] {
            assert_eq!(field(&event, name), Vec::<Json>::new(), "{name} {blank}");
        }
    }
    // Escapes hide nothing.
    let text = r#"{"eventName":"a","eventSource":"b","awsRegion":"\u002d"}"#;
    let reader = EventReader::new(vec![FieldRequest::Values("cloud.region".into())]);
    let mut scratch = Scratch::default();
    let Ok(ReadOutcome::Event(fields)) = reader.read(text, &mut scratch) else { panic!() };
    assert!(!fields.has(0));
}

#[test]
fn the_outcome() {
    let login = |response: &str| {
        json!({
            "eventName": "ConsoleLogin", "errorMessage": "x", "responseElements": {"ConsoleLogin": response},
        })
    };
    for (more, outcome) in [
        (json!({}), "success"),
        (json!({"errorCode": "AccessDenied"}), "failure"),
        (json!({"errorMessage": "no"}), "failure"),
        (login("Failure"), "failure"),
        (login("Success"), "success"),
        (json!({"eventName": "ConsoleLogin"}), "success"),
        (json!({"responseElements": {"ConsoleLogin": "Failure"}}), "success"),
    ] {
        assert_eq!(field(&event(more.clone()), "event.outcome"), [json!(outcome)], "{more}");
    }
}

#[test]
fn only_an_address_is_an_ip() {
    for (address, is_ip) in [
        ("203.0.113.9", true),
        ("2001:db8::1", true),
        ("AWS Internal", false),
        ("ec2.amazonaws.com", false),
    ] {
        let event = event(json!({"sourceIPAddress": address}));
        assert_eq!(field(&event, "source.ip").len(), usize::from(is_ip), "{address}");
        assert_eq!(field(&event, "source.address"), [json!(address)]);
    }
}

#[test]
fn tls_versions() {
    let one = |text: Option<&str>| text.into_iter().map(|text| json!(text)).collect::<Vec<_>>();
    for (text, protocol, version) in [
        ("TLSv1.2", Some("tls"), Some("1.2")),
        ("SSLv3", Some("ssl"), Some("3")),
        ("TLSV1.2", None, Some("TLSV1.2")),
        ("1.3", None, Some("1.3")),
        ("v1", None, Some("1")),
    ] {
        let event = event(json!({"tlsDetails": {"tlsVersion": text}}));
        assert_eq!(field(&event, "tls.version"), one(version), "{text}");
        assert_eq!(field(&event, "tls.version_protocol"), one(protocol), "{text}");
    }
}

#[test]
fn patterns_reach_mapped_and_flattened_names() {
    let text = full().to_string();
    let asks = ["aws.cloudtrail.user_identity.a*", "aws.*.request_parameters.*", "user.na*"];
    let reader =
        EventReader::new(asks.iter().map(|ask| FieldRequest::Matching((*ask).into())).collect());
    let mut scratch = Scratch::default();
    let Ok(ReadOutcome::Event(fields)) = reader.read(&text, &mut scratch) else { panic!() };
    let found = |ask| {
        let mut texts: Vec<_> = fields.values(ask).map(Value::into_text).collect();
        texts.sort();
        texts
    };
    let arn = "arn:aws:sts::111122223333:assumed-role/deployer/deploy-17";
    assert_eq!(found(0), ["ASIAEXAMPLE", arn]);
    assert_eq!(found(1), ["3", "a", "b", "bob", "private", "web"]);
    assert_eq!(found(2), ["deployer"]);
}

#[test]
fn times_of_raw_and_ecs_events() {
    let reader = EventReader::new(vec![]);
    let mut scratch = Scratch::default();
    for (text, expected) in [
        (r#"{"eventName":"a","eventSource":"b","eventTime":"1970-01-01T00:00:01Z"}"#, Ok(1000)),
        (r#"{"@timestamp":"1970-01-01T01:00:01.5+01:00"}"#, Ok(1500)),
        (r#"{"@timestamp":1500}"#, Ok(1500)),
        (r#"{"@timestamp":["1970-01-01"]}"#, Ok(0)),
        (r#"{"eventName":"a","eventSource":"b"}"#, Err(("no_time", 0))),
        (r#" {"event":{"action":"a"}}"#, Err(("no_time", 1))),
        (r#"{"@timestamp":true}"#, Err(("bad_time", 14))),
        (r#"{"@timestamp":"soon"}"#, Err(("bad_time", 15))),
    ] {
        let Ok(ReadOutcome::Event(fields)) = reader.read(text, &mut scratch) else {
            panic!("{text}")
        };
        let time = fields.time_ms().map_err(|error| (error.code, error.at));
        assert_eq!(time, expected, "{text}");
    }
}
