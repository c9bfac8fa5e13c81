//! A call of the AWS API, and the events that CloudTrail and Elastic's integration write for it.
//! This is written by hand from the description of the mapping, independently of crate event.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// An IAM user, by name.
    User(&'static str),
    /// A role, by name; the session does not matter.
    Role(&'static str),
    /// A federated user, by the federating user.
    Federated(&'static str),
    /// A SAML user.
    Saml(&'static str),
    /// A web identity.
    Web(&'static str),
    /// An IAM Identity Center user, not at sign-in: no name.
    Center,
    /// The account itself: no name.
    Root,
    /// A service: no name.
    Service,
    /// Another account: no name.
    Account,
}

impl Who {
    /// `user.name`.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::User(name)
            | Self::Role(name)
            | Self::Federated(name)
            | Self::Saml(name)
            | Self::Web(name) => Some(name),
            Self::Center | Self::Root | Self::Service | Self::Account => None,
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "IAMUser",
            Self::Role(_) => "AssumedRole",
            Self::Federated(_) => "FederatedUser",
            Self::Saml(_) => "SAMLUser",
            Self::Web(_) => "WebIdentityUser",
            Self::Center => "IdentityCenterUser",
            Self::Root => "Root",
            Self::Service => "AWSService",
            Self::Account => "AWSAccount",
        }
    }
}

/// One call of the AWS API.
#[derive(Clone, Debug)]
pub struct Call {
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// The number in the event's id.
    pub id: u32,
    /// Who called.
    pub who: Who,
    /// The account.
    pub account: &'static str,
    /// The service.
    pub provider: &'static str,
    /// The called action.
    pub action: &'static str,
    /// Whether the call failed.
    pub failed: bool,
    /// The source address, or a service.
    pub address: &'static str,
    /// The user agent.
    pub agent: &'static str,
    /// The name in the request.
    pub stack: &'static str,
}

/// The accounts in use.
pub const ACCOUNTS: [&str; 2] = ["111122223333", "444455556666"];
/// The names in use, of users and of roles.
pub const NAMES: [&str; 4] = ["alice", "Bob \"B\" O'Neil", "ci/deploy", "zo\u{eb}"];

impl Call {
    /// The event's id.
    #[must_use]
    pub fn event_id(&self) -> String {
        format!("{:08x}-0000-4000-8000-000000000000", self.id)
    }

    /// The time as in events.
    #[must_use]
    pub fn time(&self) -> String {
        let text = firstseen_rule::alert::rfc3339(self.time_ms);
        // CloudTrail has whole seconds; ECS documents may have more.
        text.replace(".000Z", "Z")
    }

    /// Whether the flagship's query matches.
    #[must_use]
    pub fn creates_a_stack(&self) -> bool {
        self.provider == "cloudformation.amazonaws.com"
            && matches!(self.action, "CreateStack" | "CreateStackSet")
            && !self.failed
    }

    /// The event as CloudTrail writes it.
    #[must_use]
    pub fn raw(&self) -> Value {
        let mut event = json!({
            "eventVersion": "1.08",
            "userIdentity": self.identity(),
            "eventTime": self.time(),
            "eventSource": self.provider,
            "eventName": self.action,
            "awsRegion": "eu-central-1",
            "sourceIPAddress": self.address,
            "userAgent": self.agent,
            "requestParameters": {
                "stackName": self.stack,
                "rate": 1_688_560_107.857,
                "tags": [{ "key": "team", "value": self.stack }, { "key": "cost", "value": "17" }],
            },
            "responseElements": null,
            "requestID": "5f2c9bd6-0000-4000-8000-000000000000",
            "eventID": self.event_id(),
            "readOnly": false,
            "resources": [
                { "accountId": self.account, "type": "AWS::CloudFormation::Stack", "ARN": "arn:aws:x" },
            ],
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": self.account,
            "eventCategory": "Management",
            "tlsDetails": { "tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256" },
        });
        if self.failed {
            event["errorCode"] = json!("AccessDenied");
            event["errorMessage"] = json!("no");
        }
        event
    }

    fn identity(&self) -> Value {
        let mut identity = json!({ "type": self.who.kind(), "principalId": "AIDAEXAMPLE" });
        let mut set = |key: &str, value: Value| identity[key] = value;
        match self.who {
            Who::Service => set("invokedBy", json!("cloudformation.amazonaws.com")),
            Who::Center => {
                set("onBehalfOf", json!({ "userId": "93a7", "identityStoreArn": "arn" }))
            }
            _ => set("accountId", json!(self.account)),
        }
        match self.who {
            Who::User(name) | Who::Saml(name) | Who::Web(name) => set("userName", json!(name)),
            Who::Role(name) | Who::Federated(name) => {
                set(
                    "sessionContext",
                    json!({
                        "attributes": { "creationDate": "2025-01-01T00:00:00Z", "mfaAuthenticated": "false" },
                        "sessionIssuer": { "type": "Role", "userName": name, "arn": "arn:aws:iam::1:role/r" },
                    }),
                );
                set("arn", json!("arn:aws:sts::1:assumed-role/r/session"));
            }
            _ => {}
        }
        identity
    }

    /// The event's ECS fields as in Elastic's integration.
    #[must_use]
    pub fn ecs(&self) -> Vec<(&'static str, Value)> {
        let mut fields = vec![
            ("@timestamp", json!(self.time())),
            ("event.dataset", json!("aws.cloudtrail")),
            ("event.kind", json!("event")),
            ("event.provider", json!(self.provider)),
            ("event.action", json!(self.action)),
            ("event.id", json!(self.event_id())),
            ("event.outcome", json!(if self.failed { "failure" } else { "success" })),
            ("cloud.account.id", json!(self.account)),
            ("cloud.region", json!("eu-central-1")),
            ("source.address", json!(self.address)),
            ("user_agent.original", json!(self.agent)),
            ("aws.cloudtrail.user_identity.type", json!(self.who.kind())),
            ("aws.cloudtrail.flattened.request_parameters.stackName", json!(self.stack)),
            (
                "aws.cloudtrail.flattened.request_parameters.tags",
                json!([{ "key": "team", "value": self.stack }, { "key": "cost", "value": "17" }]),
            ),
            ("tls.version", json!("1.3")),
            ("source.port", json!(40_000 + self.id % 5)),
            ("process.args", json!([self.stack, self.agent])),
        ];
        if let Some(name) = self.who.name() {
            fields.push(("user.name", json!(name)));
            fields.push(("related.user", json!([name, "AIDAEXAMPLE"])));
        }
        if self.address.starts_with(|first: char| first.is_ascii_digit()) {
            fields.push(("source.ip", json!(self.address)));
        }
        fields
    }
}

/// Fields as one document. The seed decides which dots become objects; with seed 0 all do.
#[must_use]
pub fn document(fields: &[(&'static str, Value)], seed: u64) -> Value {
    let mut dice = crate::json::Dice::new(seed);
    let mut document = Map::new();
    for (path, value) in fields {
        let mut object = &mut document;
        let mut rest = *path;
        // A key covers one or more parts of the path.
        let mut from = 0;
        while let Some(dot) = rest.get(from..).and_then(|tail| tail.find('.')) {
            let dot = from + dot;
            let opens = dice.roll(3) == 0;
            let head = &rest[..dot];
            if opens && object.get(head).is_none_or(Value::is_object) {
                let next = object.entry(head).or_insert_with(|| Value::Object(Map::new()));
                object = next.as_object_mut().expect("an object, as checked above");
                rest = &rest[dot + 1..];
                from = 0;
            } else {
                from = dot + 1;
            }
        }
        object.insert(rest.to_owned(), value.clone());
    }
    Value::Object(document)
}

/// Calls of all kinds; about half of them match the flagship.
pub fn call() -> impl Strategy<Value = Call> {
    let who = (0..9usize, select(&NAMES[..])).prop_map(|(kind, name)| match kind {
        0 | 1 => Who::User(name),
        2 => Who::Role(name),
        3 => Who::Federated(name),
        4 => Who::Saml(name),
        5 => Who::Web(name),
        6 => Who::Center,
        7 => Who::Root,
        _ => [Who::Service, Who::Account][usize::from(name == "alice")],
    });
    let provider = prop_oneof![
        4 => Just("cloudformation.amazonaws.com"),
        1 => Just("s3.amazonaws.com"),
        1 => Just("cloudformation"),
    ];
    let action = prop_oneof![
        4 => Just("CreateStack"),
        2 => Just("CreateStackSet"),
        1 => Just("createstack"),
        1 => Just("CreateStackInstances"),
        1 => Just("UpdateStack"),
        1 => Just("ConsoleLogin"),
    ];
    let address =
        select(&["203.0.113.7", "10.1.2.3", "2001:db8::7", "cloudformation.amazonaws.com"][..]);
    let agent =
        select(&["aws-cli/2.15 md/Botocore", "console.amazonaws.com", "Terraform/1.7 (x)"][..]);
    let stack = select(&["web/blue", "web", "db*", "", "none", "sta\\ck"][..]);
    // Whole days and seconds, so that some times are equal and some exactly one window apart.
    let time = (0..40i64, 0..3i64)
        .prop_map(|(day, second)| 1_740_000_000_000 + day * 86_400_000 + second * 1000);
    let what = (provider, action, prop::bool::weighted(0.2));
    ((time, any::<u32>(), who, select(&ACCOUNTS[..])), what, (address, agent, stack)).prop_map(
        |((time_ms, id, who, account), (provider, action, failed), (address, agent, stack))| Call {
            time_ms,
            id: id % 64,
            who,
            account,
            provider,
            action,
            failed,
            address,
            agent,
            stack,
        },
    )
}
