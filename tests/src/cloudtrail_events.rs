//! Random raw CloudTrail events: all types of identity, the calls that the model's tables know and
//! some others, with blanks and scalars of other types, members in any order.
//!
//! In: dice. Out: an event's text. Not every event is one that AWS writes; each is one of which the
//! integration's tables say what becomes of it.

mod identity;

use crate::cloudtrail_model::{calls, names};
use crate::json::Dice;
use identity::identity;
use serde_json::{Map, Value, json};

const PEOPLE: &[&str] =
    &["alice", "dana@example.com", "@ops", "ci/deploy", "none", "-", "zo\u{eb}", "none ", "a b"];

const ADDRESSES: &[&str] = &[
    "203.0.113.7",
    "2001:db8::7",
    "::ffff:198.51.100.9",
    "fe80::1%eth0",
    "cloudformation.amazonaws.com",
    "host.example.com",
    "AWS Internal",
    "ec2.amazonaws.com.example.org",
    "localhost",
];

const IDS: &[&str] = &[
    "ops",
    "*",
    "i-0123456789abcdef0",
    "i-1",
    "i-12345678",
    "sg-0a1b",
    "sgr-1",
    "vpc-1",
    "subnet-22",
    "tgw-1",
    "AKIAIOSFODNN7EXAMPLE",
    "AKIASHORT",
    "arn:aws:iam::111122223333:user/alice",
    "arn:aws:iam::111122223333:role/ops",
    "arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
    "arn:aws:iam::111122223333:policy/p",
    "arn:aws:iam::111122223333:mfa/alice",
    "arn:aws:ec2:eu-central-1:111122223333:instance/i-0123456789abcdef0",
    "arn:aws:ec2:eu-central-1:111122223333:instance/i-1",
    "arn:aws:s3:::bucket/key",
    "arn:aws:s3:::bucket",
    "arn:aws:logs:eu-central-1:111122223333:log-group:/a/b:*",
    "arn:aws:sns:eu-central-1:111122223333:topic",
    "arn:aws:rds:eu-central-1:111122223333:cluster:c",
    "arn:aws:secretsmanager:eu-central-1:111122223333:secret:a/b",
    "arn:aws:kms:eu-central-1:111122223333:key/1",
    "arn:aws:bedrock:::foundation-model/m",
    "arn:aws",
    "111122223333",
];

/// A random event.
#[must_use]
pub fn event(dice: &mut Dice) -> String {
    let known = calls();
    let (source, name, paths) = if dice.roll(8) > 0 {
        known[dice.roll(known.len() as u64) as usize].clone()
    } else {
        let known = names();
        let name = known[dice.roll(known.len() as u64) as usize];
        let source = pick(
            dice,
            &[
                "iam.amazonaws.com",
                "s3.amazonaws.com",
                "signin.amazonaws.com",
                "health.aws",
                "amazonaws.com",
            ],
        );
        (source, name, Vec::new())
    };
    let (source, name) = match dice.roll(16) {
        0 => ("ssm.amazonaws.com", "SendCommand"),
        1 => ("signin.amazonaws.com", "ConsoleLogin"),
        2 => ("signin.amazonaws.com", "UserAuthentication"),
        3 => ("sts.amazonaws.com", "AssumeRole"),
        4 => ("iam.amazonaws.com", "UpdateUser"),
        _ => (source, name),
    };
    // Their names end in the version of the interface.
    let versioned = format!("{name}20150331v2");
    let is_versioned = source == "lambda.amazonaws.com" && dice.roll(2) == 0;
    let name = if is_versioned { &*versioned } else { name };
    let mut event = Map::new();
    let mut set = |name: &str, value: Value| event.insert(name.to_owned(), value);
    set("eventVersion", json!("1.08"));
    set(
        "eventTime",
        json!(pick(dice, &["2025-03-06T10:12:00Z", "20250306T101200Z", "2025-03-06T10:12:00.5Z"])),
    );
    set("eventSource", json!(source));
    set("eventName", json!(name));
    set("userIdentity", identity(dice));
    for (name, values) in [
        ("eventID", &["e-1", "e-2"][..]),
        ("awsRegion", &["eu-central-1", "", "none"]),
        ("sourceIPAddress", ADDRESSES),
        ("userAgent", &["aws-cli/2.15", "console.amazonaws.com", "-", ""]),
        ("requestID", &["r-1", ""]),
        ("eventType", &["AwsApiCall", "AwsServiceEvent"]),
        ("eventCategory", &["Management", "Data"]),
        ("recipientAccountId", &["111122223333", "444455556666"]),
        ("awsAccountId", &["777788889999"]),
        ("errorCode", &["AccessDenied", "", "none"]),
        ("errorMessage", &["no", "-"]),
        ("apiVersion", &["2006-03-01"]),
        ("vpcEndpointId", &["vpce-1"]),
        ("vpcEndpointAccountId", &["444455556666"]),
        ("sharedEventID", &["s-1", ""]),
        ("sharedEventId", &["s-2"]),
        ("sessionCredentialFromConsole", &["true"]),
        ("sourceIdentity", &["dana"]),
    ] {
        if dice.roll(3) > 0 {
            set(name, odd(dice, values));
        }
    }
    for name in ["readOnly", "managementEvent"] {
        if dice.roll(3) > 0 {
            set(name, json!(dice.roll(2) == 0));
        }
    }
    if dice.roll(4) == 0 {
        set(
            "addendum",
            json!({ "reason": "UPDATED_DATA", "updatedFields": "a, b", "originalRequestID": "r", "originalEventID": odd(dice, &["e-0"]) }),
        );
    }
    if dice.roll(2) == 0 {
        let resource = |dice: &mut Dice| json!({ "ARN": odd(dice, IDS), "accountId": odd(dice, &["111122223333", ""]), "type": "AWS::S3::Bucket" });
        let list: Vec<Value> = (0..dice.roll(4)).map(|_| resource(dice)).collect();
        set("resources", json!(list));
    }
    if dice.roll(2) == 0 {
        set(
            "tlsDetails",
            json!({
                "tlsVersion": odd(dice, &["TLSv1.3", "TLSv1.2", "1.3", "tlsVersion", "SSLv3"]),
                "cipherSuite": odd(dice, &["TLS_AES_128_GCM_SHA256", "-"]),
                "clientProvidedHostHeader": odd(dice, &["s3.amazonaws.com", "bucket.example.com", ""]),
                "keyExchange": odd(dice, &["X25519"]),
            }),
        );
    }
    if dice.roll(4) == 0 {
        set("insightDetails", json!({ "state": "Start", "insightContext": anything(dice, 3) }));
    }
    if dice.roll(4) == 0 {
        set(
            "serviceEventDetails",
            json!({ "sourceIpAddress": odd(dice, ADDRESSES), "more": anything(dice, 2) }),
        );
    }
    for (name, chance) in
        [("requestParameters", 6), ("responseElements", 4), ("additionalEventData", 2)]
    {
        set(name, side(dice, name, chance));
    }
    let mut event = Value::Object(event);
    for path in paths {
        if path.contains('.') || path.contains('[') {
            put(&mut event, path, dice);
        }
    }
    extras(&mut event, name, dice);
    shuffled(&event, dice)
}

fn pick<'t>(dice: &mut Dice, from: &[&'t str]) -> &'t str {
    from[dice.roll(from.len() as u64) as usize]
}

/// One of these, sometimes something else that is a scalar or blank.
fn odd(dice: &mut Dice, from: &[&str]) -> Value {
    match dice.roll(24) {
        0 => Value::Null,
        1 => json!([]),
        2 => json!({}),
        3 => json!(["", null]),
        4 => json!("none"),
        _ => json!(pick(dice, from)),
    }
}

/// The value of one of the four members that are written as text.
fn side(dice: &mut Dice, name: &str, chance: u64) -> Value {
    match dice.roll(12) {
        0 => Value::Null,
        1 => json!("as text"),
        2 => json!(["a", "none", 1.5, true]),
        _ if dice.roll(8) >= chance => json!({}),
        _ => {
            let mut members = Map::new();
            for _ in 0..dice.roll(6) {
                let key = pick(
                    dice,
                    &[
                        "stackName",
                        "templateURL",
                        "capabilities",
                        "disableRollback",
                        "Aa",
                        "BB",
                        "k\u{e9}y",
                        "parameters",
                    ],
                );
                members.insert(key.to_owned(), anything(dice, 3));
            }
            if dice.roll(12) == 0 {
                // Enough for a larger table.
                members.extend((0..dice.roll(40)).map(|n| (format!("key{n}"), odd(dice, &["v"]))));
            }
            if dice.roll(300) == 0 {
                let at = 32_700 + dice.roll(80) as usize;
                members.insert(name.to_owned(), json!("x".repeat(at)));
            }
            Value::Object(members)
        }
    }
}

/// Any value, nested up to so many levels.
fn anything(dice: &mut Dice, levels: u64) -> Value {
    match dice.roll(14) {
        0 => Value::Null,
        1 => json!(""),
        2 => json!("-"),
        3 => json!(dice.roll(1000)),
        4 => json!([1.5, -0.25, 1_688_560_107.857, 1e22, 100.0, 0.0001][dice.roll(6) as usize]),
        5 => json!(dice.roll(2) == 0),
        6 => json!(i64::MIN),
        7 | 8 if levels > 0 => (0..dice.roll(4)).map(|_| anything(dice, levels - 1)).collect(),
        9 | 10 if levels > 0 => {
            let mut members = Map::new();
            for _ in 0..dice.roll(5) {
                let key = pick(dice, &["key", "value", "Effect", "a", "b", "c", "items", "x1"]);
                members.insert(key.to_owned(), anything(dice, levels - 1));
            }
            Value::Object(members)
        }
        _ => json!(pick(
            dice,
            &["x", "web/blue", "CAPABILITY_IAM", "{a=b}", "q\"uote", "db*", "Ünï"]
        )),
    }
}

/// Puts ids at a path of the tables, where what is there is an object or nothing.
fn put(event: &mut Value, path: &str, dice: &mut Dice) {
    if dice.roll(8) == 0 {
        return;
    }
    let (first, rest) =
        path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let (name, each) = first.strip_suffix("[]").map_or((first, false), |name| (name, true));
    let Value::Object(members) = event else { return };
    let at = members.entry(name).or_insert(Value::Null);
    if each {
        let item = |dice: &mut Dice| match rest {
            Some(rest) => {
                let mut item = json!({});
                put(&mut item, rest, dice);
                item
            }
            None => odd(dice, IDS),
        };
        *at = (0..dice.roll(4)).map(|_| item(dice)).collect();
    } else if let Some(rest) = rest {
        if at.is_null() {
            *at = json!({});
        }
        put(at, rest, dice);
    } else {
        *at = odd(dice, IDS);
    }
}

/// What single calls have besides.
fn extras(event: &mut Value, name: &str, dice: &mut Dice) {
    let paths: &[&str] = match name {
        "SendCommand" => {
            &["requestParameters.instanceIds[]", "requestParameters.targets[].values[]"]
        }
        "UpdateUser" => &[
            "requestParameters.userName",
            "requestParameters.newUserName",
            "responseElements.user.userId",
        ],
        "ConsoleLogin" => &["requestParameters.x"],
        _ if dice.roll(3) == 0 => &[
            "requestParameters.instancesSet.items[].instanceId",
            "responseElements.instancesSet.items[].instanceId",
            "responseElements.instancesSet.items[].subnetId",
            "responseElements.vpcConfig.subnetIds[]",
            "responseElements.groupSet.items[].groupId",
            "responseElements.securityGroupRuleSet.items[].referencedGroupInfo.groupId",
            "requestParameters.computerName",
            "requestParameters.target",
            "requestParameters.groupName",
            "responseElements.group.groupId",
            "requestParameters.policyArn",
            "requestParameters.roleArn",
            "additionalEventData.MFAIdentifier",
        ],
        _ => &[],
    };
    for path in paths {
        put(event, path, dice);
    }
    if name == "ConsoleLogin" {
        if dice.roll(4) > 0 {
            event["responseElements"] =
                json!({ "ConsoleLogin": pick(dice, &["Success", "Failure"]) });
        }
        let said = |dice: &mut Dice| odd(dice, &["Yes", "No"]);
        event["additionalEventData"] = json!({ "MFAUsed": said(dice), "MobileVersion": said(dice), "LoginTo": odd(dice, &["https://console"]) });
    }
    if name == "UserAuthentication" || dice.roll(12) == 0 {
        event["additionalEventData"] = match dice.roll(2) {
            0 => json!({ "UserName": odd(dice, PEOPLE) }),
            _ => {
                json!({ "UserName": odd(dice, PEOPLE), "AuthWorkflowID": "w", "CredentialType": "PASSWORD" })
            }
        };
    }
}

/// The value as text, the members of each object in any order.
fn shuffled(value: &Value, dice: &mut Dice) -> String {
    match value {
        Value::Object(members) => {
            let mut texts: Vec<String> = Vec::new();
            for (name, value) in members {
                let at = dice.roll(texts.len() as u64 + 1) as usize;
                texts.insert(
                    at,
                    format!("{}:{}", Value::from(name.as_str()), shuffled(value, dice)),
                );
            }
            format!("{{{}}}", texts.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| shuffled(item, dice)).collect();
            format!("[{}]", items.join(","))
        }
        scalar => scalar.to_string(),
    }
}
