//! Raw CloudTrail: limits, names that look blank, hosts, actors, dates and patterns.

mod common;

use common::raw::{alice, check, check_all, event, session, values_of};
use firstseen_event::{EventReader, FieldRequest, ReadOutcome, Scratch, document};
use firstseen_value::Value;
use serde_json::{Value as Json, json};

#[test]
fn a_long_text_has_no_flattened_members() {
    let name = "aws.cloudtrail.flattened.request_parameters.a";
    // `{a=}` and the value.
    let of = |length: usize| {
        event("iam", "X", json!({"requestParameters": {"a": "é".repeat(length - 4)}}))
    };
    assert_eq!(values_of(&of(32_765).to_string(), name).len(), 1);
    assert_eq!(values_of(&of(32_766).to_string(), name).len(), 0);
    let whole = document(&of(32_766).to_string()).expect("readable");
    assert!(!format!("{whole:?}").contains("flattened"));
}

#[test]
fn names_may_be_none_or_a_dash() {
    for name in ["none", "-"] {
        let mut identity = alice();
        identity["userName"] = json!(name);
        identity["principalId"] = json!(name);
        let user = event(
            "iam",
            "X",
            json!({
                "userIdentity": identity, "requestParameters": {"userName": name},
            }),
        );
        check_all(
            &user,
            &[
                ("user.name", json!(name)),
                ("user.id", json!(name)),
                ("related.user", json!([name])),
                ("user.target.name", json!(null)),
                ("aws.cloudtrail.flattened.request_parameters.userName", json!(null)),
            ],
        );
        let mut role = session(name, "arn:aws:iam::111122223333:role/ops");
        role["sessionContext"]["sessionIssuer"]["userName"] = json!(name);
        role["sessionContext"]["sessionIssuer"]["principalId"] = json!(name);
        let issuer = "aws.cloudtrail.user_identity.session_context.session_issuer.principal_id";
        let role = event("iam", "X", json!({"userIdentity": role}));
        check(&role, "user.name", &json!(name));
        check(&role, issuer, &json!(name));
        check(&role, "related.user", &json!([name, format!("AROAX:{name}")]));
        let signed_in = event(
            "signin",
            "UserAuthentication",
            json!({"userIdentity": {"type": "Unknown"}, "additionalEventData": {"UserName": name}}),
        );
        check(&signed_in, "user.name", &json!(name));
        check(&signed_in, "aws.cloudtrail.additional_eventdata", &json!(null));
    }
}

#[test]
fn hosts_addresses_and_instances() {
    let event = event(
        "ssm",
        "SendCommand",
        json!({
            "sourceIPAddress": "vpn.example.com",
            "serviceEventDetails": {"sourceIpAddress": "198.51.100.9"},
            "requestParameters": {"instanceIds": ["i-0123456789abcdef0", "i-1"]},
            "resources": [{"ARN": "arn:aws:ec2:us-east-1:111122223333:instance/i-00000000aa"}],
        }),
    );
    check_all(
        &event,
        &[
            ("related.ip", json!("198.51.100.9")),
            ("related.hosts", json!(["vpn.example.com", "i-00000000aa", "i-0123456789abcdef0"])),
            ("host.target.entity.id", json!(["i-0123456789abcdef0", "i-1"])),
        ],
    );
    let of = |parameters: Json| {
        self::event("ssm", "SendCommand", json!({"requestParameters": parameters}))
    };
    check(
        &of(json!({"targets": [{"key": "k", "values": ["*"]}]})),
        "entity.target.id",
        &json!("111122223333"),
    );
    check(
        &of(json!({"targets": [{"values": ["i-1", "*"]}]})),
        "host.target.entity.id",
        &json!("i-1"),
    );
}

#[test]
fn the_actor_of_assume_role() {
    let of = |identity: Json| event("sts", "AssumeRole", json!({"userIdentity": identity}));
    let issuer = "arn:aws:iam::111122223333:role/admin";
    let role = of(session("s", issuer));
    check(&role, "actor.entity.id", &json!(issuer));
    let service = of(json!({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}));
    check(&service, "actor.entity.id", &json!("ec2.amazonaws.com"));
    check(&service, "service.entity.id", &json!("ec2.amazonaws.com"));
    check(&service, "user.entity.id", &json!(null));
}

#[test]
fn dates_insights_and_web_identities() {
    let session = "aws.cloudtrail.user_identity.session_context";
    let of = |date: &str| {
        let identity = json!({"type": "AssumedRole", "sessionContext": {
            "attributes": {"creationDate": date},
            "webIdFederationData": {
                "federatedProvider": "p", "attributes": {"accounts.example.com:sub": "7", "aud": ["a", ""]},
            },
        }});
        event("sts", "X", json!({"userIdentity": identity}))
    };
    for date in ["2025-03-06T09:00:00Z", "20250306T090000Z"] {
        check(&of(date), &format!("{session}.creation_date"), &json!(date));
    }
    check(&of("soon"), &format!("{session}.creation_date"), &json!(null));
    let attributes = format!("{session}.web_id_federation_data.attributes");
    let text = of("").to_string();
    assert_eq!(values_of(&text, &format!("{attributes}.accounts.example.com:sub")), ["7"]);
    assert_eq!(values_of(&text, &attributes), ["7", "a"]);
    let whole = format!("{:?}", document(&text).expect("readable"));
    assert!(whole.contains(r#""aud": List([Text("a")])"#), "{whole}");
    let average = "aws.cloudtrail.flattened.insight_details.statistics.average";
    let long = json!({"statistics": {"average": 0.0001}, "more": "x".repeat(40_000)});
    let insight = event("ec2", "X", json!({"insightDetails": long}));
    assert_eq!(values_of(&insight.to_string(), average), ["1.0E-4"]);
}

#[test]
fn patterns_find_what_the_names_find() {
    let reader = EventReader::new(vec![
        FieldRequest::Matching("aws.cloudtrail.flattened.*.a*".into()),
        FieldRequest::Matching("related.*".into()),
    ]);
    let event = event(
        "signin",
        "UserAuthentication",
        json!({
            "userIdentity": {"type": "Unknown"},
            "requestParameters": {"at": 1e2, "a.b": "x", "b": "y"},
            "additionalEventData": {"UserName": "dana", "about": "z"},
        }),
    );
    let text = event.to_string();
    let mut scratch = Scratch::default();
    let Ok(ReadOutcome::Event(fields)) = reader.read(&text, &mut scratch) else { panic!("{text}") };
    let found = |request| {
        let mut texts: Vec<_> = fields.values(request).map(Value::into_text).collect();
        texts.sort();
        texts
    };
    assert_eq!(found(0), ["100.0", "x", "z"]);
    assert_eq!(found(1), ["dana"]);
}

#[test]
fn an_object_is_no_name_and_stays() {
    let more = json!({
        "userIdentity": {"type": "Unknown"}, "additionalEventData": {"UserName": {"a": "b"}},
    });
    let event = event("signin", "UserAuthentication", more);
    check(&event, "user.name", &json!(null));
    let member = "aws.cloudtrail.flattened.additional_eventdata.UserName.a";
    assert_eq!(values_of(&event.to_string(), member), ["b"]);
    let whole = format!("{:?}", document(&event.to_string()).expect("readable"));
    assert!(whole.contains("\"UserName\""), "{whole}");
}
