//! Events and rules that the snapshots are made from.
//!
//! In: an id, a time, a user. Out: text, the same bytes on every machine.

use crate::build::rule;

/// A CloudTrail event that the flagship matches: this user creates a stack.
pub(super) fn stack(id: &str, time: &str, user: &str) -> String {
    let arn = format!("arn:aws:iam::111122223333:user/{user}");
    format!(
        concat!(
            r#"{{"eventVersion":"1.11","userIdentity":{{"type":"IAMUser","#,
            r#""principalId":"AIDAEXAMPLE","arn":"{arn}","accountId":"111122223333","#,
            r#""userName":"{user}"}},"eventTime":"{time}","#,
            r#""eventSource":"cloudformation.amazonaws.com","eventName":"CreateStack","#,
            r#""awsRegion":"us-east-1","sourceIPAddress":"203.0.113.24","#,
            r#""userAgent":"aws-cli/2.24.14","requestParameters":{{"stackName":"base"}},"#,
            r#""responseElements":null,"requestID":"d0f6994a","eventID":"{id}","#,
            r#""eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#,
            "\n"
        ),
        arn = arn,
        user = user,
        time = time,
        id = id
    )
}

/// Such events on the first of April 2025: id, time of the day, user.
pub(super) fn stacks(events: &[(&str, &str, &str)]) -> String {
    events.iter().map(|(id, time, user)| stack(id, &format!("2025-04-01T{time}Z"), user)).collect()
}

/// The events that most scenes begin with: two users, one of them twice.
pub(super) fn three() -> String {
    stacks(&[("a", "08:00:00", "alice"), ("b", "09:00:00", "alice"), ("c", "10:00:00", "bob")])
}

/// An ECS document of [`logins`]'s rule.
pub(super) fn login(id: &str, time: &str, user: &str) -> String {
    format!(
        concat!(
            r#"{{"@timestamp":"2025-04-01T{time}Z","event":{{"id":"{id}","action":"login"}},"#,
            r#""user":{{"name":"{user}"}},"host":{{"name":"web-1"}}}}"#,
            "\n"
        ),
        time = time,
        id = id,
        user = user
    )
}

/// A rule in Elastic's form over logins: first time a user logs in.
pub(super) fn logins() -> String {
    rule("logins", "event.action: login and not user.name: root*", &["user.name"])
}

/// Another: first time a user meets a host.
pub(super) fn hosts() -> String {
    rule("hosts", "event.action: login", &["host.name", "user.name"])
}
