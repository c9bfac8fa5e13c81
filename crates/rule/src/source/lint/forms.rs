//! Values that a field never has by their form: accounts, regions, addresses, names of services.
//!
//! In: a field with one value, and whether the rule is CloudTrail's. Out: what is wrong with the value
//! and what to write. What only looks unusual is left alone.

use super::pattern::{ends, matches};
use super::tables;
use crate::source::diagnostic::short;
use firstseen_kql::{FieldType, field_type};
use firstseen_value::parse_address;

/// CloudTrail's dataset.
pub(super) const DATASET: &str = "aws.cloudtrail";

/// Fields that hold the name of a call.
pub(super) const ACTIONS: &[&str] = &["event.action", "eventName"];

/// Fields that hold the service that was called.
pub(super) const PROVIDERS: &[&str] = &["event.provider", "eventSource"];

/// Fields that hold a dataset.
pub(super) const DATASETS: &[&str] = &["event.dataset", "data_stream.dataset"];

/// How the services end in events; the second one in China.
const DOMAINS: &[&str] = &[".amazonaws.com", ".amazonaws.com.cn"];

/// Fields with one value in all of CloudTrail.
const CONSTANTS: &[(&str, &str)] = &[
    ("cloud.provider", "aws"),
    ("data_stream.type", "logs"),
    ("event.kind", "event"),
    ("event.module", "aws"),
];

/// Fields that hold the id of an account.
const ACCOUNTS: &[&str] = &[
    "aws.cloudtrail.recipient_account_id",
    "aws.cloudtrail.resources.account_id",
    "aws.cloudtrail.user_identity.session_context.session_issuer.account_id",
    "aws.cloudtrail.vpc_endpoint_account_id",
    "cloud.account.id",
    "recipientAccountId",
    "userIdentity.accountId",
    "userIdentity.sessionContext.sessionIssuer.accountId",
];

/// What S3 writes for callers without an account.
const NOBODY: &[&str] = &["ANONYMOUS_PRINCIPAL", "anonymous"];

/// Fields that hold a region.
const REGIONS: &[&str] = &["awsRegion", "cloud.region"];

/// How far a dataset is from CloudTrail's and still meant to be that.
const EDITS: usize = 2;

/// What is wrong with a value.
pub(super) struct WrongForm {
    /// What was probably meant.
    pub(super) meant: Option<String>,
    pub(super) message: String,
    pub(super) help: String,
}

/// A value as it is looked at.
#[derive(Clone, Copy)]
pub(super) struct FormOf<'v> {
    pub(super) field: &'v str,
    pub(super) value: &'v str,
    pub(super) is_pattern: bool,
}

/// What is wrong with a value by its form.
pub(super) fn wrong(one: FormOf<'_>, is_cloudtrail: bool) -> Option<WrongForm> {
    let is = |fields: &[&str]| fields.contains(&one.field);
    if is(DATASETS) {
        return is_nearly_cloudtrail(one.value, one.is_pattern).then(|| {
            let message =
                format!("`{}` is not how CloudTrail's dataset is named", short(one.value));
            meant(message, DATASET.to_owned())
        });
    }
    if field_type(one.field) == FieldType::Ip {
        return address(one, is_cloudtrail);
    }
    if !is_cloudtrail {
        return None;
    }
    if let Some((_, constant)) = CONSTANTS.iter().find(|(field, _)| *field == one.field) {
        let fits =
            if one.is_pattern { matches(one.value, constant) } else { one.value == *constant };
        let message = || format!("`{}` is always `{constant}` in CloudTrail's events", one.field);
        return (!fits).then(|| meant(message(), (*constant).to_owned()));
    }
    match () {
        () if is(ACCOUNTS) => account(one),
        () if is(REGIONS) => region(one),
        () if is(PROVIDERS) => provider(one),
        () if is(ACTIONS) => policy_action(one),
        () => None,
    }
}

/// With the value to write.
fn meant(message: String, value: String) -> WrongForm {
    WrongForm { message, help: format!("write `{}`", short(&value)), meant: Some(value) }
}

/// With advice.
fn advised(message: String, help: &str) -> WrongForm {
    WrongForm { meant: None, message, help: help.to_owned() }
}

/// Whether a dataset was probably meant to be CloudTrail's, and is not.
pub(super) fn is_nearly_cloudtrail(value: &str, is_pattern: bool) -> bool {
    let lower = value.to_ascii_lowercase();
    if is_pattern {
        return !matches(value, DATASET) && matches(&lower, DATASET);
    }
    let far = value.len().abs_diff(DATASET.len()) > EDITS;
    !far && value != DATASET && strsim::osa_distance(&lower, DATASET) <= EDITS
}

/// Text in a field of addresses. Only fields that are surely of that type.
fn address(one: FormOf<'_>, is_cloudtrail: bool) -> Option<WrongForm> {
    let known = tables::ecs().fields.has_field(one.field)
        || is_cloudtrail && tables::cloudtrail().has_field(one.field);
    let is_address = match one.is_pattern {
        // What may be between the stars of an address.
        true => one.value.chars().all(|c| c.is_ascii_hexdigit() || ".:*".contains(c)),
        false => parse_address(one.value.split('/').next().unwrap_or_default()).is_some(),
    };
    if !known || is_address {
        return None;
    }
    let message = format!("`{}` is no IP address", short(one.value));
    let is_name = one.value.contains('.') && one.value.contains(|c: char| c.is_ascii_alphabetic());
    let help = match one.field {
        "source.ip" if is_cloudtrail && is_name => {
            "names of hosts and services are in `source.address`"
        }
        _ => "write an address, or a network such as `\"10.0.0.0/8\"`",
    };
    Some(advised(message, help))
}

fn account(one: FormOf<'_>) -> Option<WrongForm> {
    let is_id = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if one.is_pattern || is_id(one.value) || NOBODY.contains(&one.value) {
        return None;
    }
    let message = format!("`{}` is no id of an account", short(one.value));
    let digits: String = one.value.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    Some(match is_id(&digits) {
        true => meant(message, digits),
        false => advised(message, "account ids have 12 digits, zeros at the front too"),
    })
}

fn region(one: FormOf<'_>) -> Option<WrongForm> {
    if one.is_pattern {
        let lower = one.value.to_ascii_lowercase();
        let message = format!("`{}` matches no region: they are in lower case", short(one.value));
        return (lower != one.value).then(|| meant(message, lower));
    }
    if is_region(one.value) {
        return None;
    }
    let message = format!("`{}` is no region of AWS", short(one.value));
    let lower = one.value.to_ascii_lowercase().replace('_', "-");
    let digit = lower.find(|c: char| c.is_ascii_digit()).unwrap_or(lower.len());
    let (name, number) = lower.split_at(digit);
    let joined = format!("{}-{}", name.trim_end_matches('-'), number);
    let without_zone = joined.trim_end_matches(|c: char| c.is_ascii_lowercase());
    Some(
        match [lower.as_str(), joined.as_str(), without_zone].into_iter().find(|one| is_region(one))
        {
            Some(region) => meant(message, region.to_owned()),
            None => advised(message, "regions are named as in `us-east-1`"),
        },
    )
}

/// `us-east-1`, `us-gov-west-1`: words, then a number.
fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else { return false };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
        && words.contains('-')
        && words.split('-').all(is_word)
}

fn provider(one: FormOf<'_>) -> Option<WrongForm> {
    let lower = one.value.to_ascii_lowercase();
    if !may_be_service(&lower, one.is_pattern) {
        let message = format!("`{}` is not how CloudTrail names a service", short(one.value));
        let is_word = one.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let name = if is_word { lower } else { "iam".to_owned() };
        let help = format!("names end in `.amazonaws.com`, as in `{}.amazonaws.com`", short(&name));
        return Some(WrongForm { meant: Some(format!("{name}.amazonaws.com")), message, help });
    }
    let message = format!("`{}` is no service: their names are in lower case", short(one.value));
    (lower != one.value).then(|| meant(message, lower))
}

/// Whether a value, or a text that a pattern matches, may be a service's name.
fn may_be_service(value: &str, is_pattern: bool) -> bool {
    let last = if is_pattern { ends(value).1 } else { value };
    DOMAINS.iter().any(|domain| last.ends_with(domain) || is_pattern && domain.ends_with(last))
}

/// `iam:CreateUser`, as policies name an action.
fn policy_action(one: FormOf<'_>) -> Option<WrongForm> {
    let (service, action) = one.value.split_once(':')?;
    let is_service = !service.is_empty()
        && service
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c));
    let is_action = action.starts_with(|c: char| c.is_ascii_uppercase() || c == '*')
        && action.chars().all(|c| c.is_ascii_alphanumeric() || c == '*');
    (is_service && is_action).then(|| {
        let message = format!("`{}` is an action of a policy, not a call's name", short(one.value));
        let service = service.trim_end_matches(".amazonaws.com");
        let help = format!(
            "write `{}`; the service is in `event.provider`, `{}.amazonaws.com`",
            short(action),
            short(service)
        );
        WrongForm { meant: Some(action.to_owned()), message, help }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(field: &str, value: &str, is_cloudtrail: bool) -> String {
        let one = FormOf { field, value, is_pattern: value.contains('*') };
        wrong(one, is_cloudtrail)
            .map(|one| format!("{}; {}", one.message, one.help))
            .unwrap_or_default()
    }

    #[test]
    fn wrong_forms_are_told_with_what_to_write() {
        for (field, value, word) in [
            ("event.dataset", "aws.cloudtrial", "write `aws.cloudtrail`"),
            ("data_stream.dataset", "AWS.CloudTrail", "write `aws.cloudtrail`"),
            ("event.dataset", "aws_cloudtrail", "write `aws.cloudtrail`"),
            ("event.dataset", "AWS.*", "write `aws.cloudtrail`"),
            ("cloud.provider", "AWS", "always `aws`"),
            ("event.module", "cloudtrail", "write `aws`"),
            ("event.kind", "alert", "always `event`"),
            ("cloud.account.id", "1234-5678-9012", "write `123456789012`"),
            ("cloud.account.id", "12345678901", "12 digits"),
            ("recipientAccountId", "prod", "12 digits"),
            ("cloud.region", "us-east1", "write `us-east-1`"),
            ("awsRegion", "US-EAST-1", "write `us-east-1`"),
            ("cloud.region", "us-east-1a", "write `us-east-1`"),
            ("cloud.region", "US-*", "write `us-*`"),
            ("cloud.region", "virginia", "as in `us-east-1`"),
            ("source.ip", "300.1.1.1", "is no IP address"),
            ("source.ip", "10.0.0.1-10.0.0.9", "a network such as"),
            ("source.ip", "cloudformation.amazonaws.com", "`source.address`"),
            ("source.ip", "*.amazonaws.com", "`source.address`"),
            ("event.provider", "iam", "as in `iam.amazonaws.com`"),
            ("event.provider", "EC2", "as in `ec2.amazonaws.com`"),
            ("eventSource", "iam.amazonaws", "end in `.amazonaws.com`"),
            ("event.provider", "*.aws", "end in `.amazonaws.com`"),
            ("event.provider", "IAM.amazonaws.com", "write `iam.amazonaws.com`"),
            ("event.provider", "IAM*", "write `iam*`"),
            ("event.action", "iam:CreateUser", "write `CreateUser`; the service is in"),
            ("eventName", "s3:Put*", "`s3.amazonaws.com`"),
        ] {
            let found = said(field, value, true);
            assert!(found.contains(word), "{field} {value}: {found}");
        }
        assert!(said("source.ip", "bastion", false).contains("no IP address"));
        assert!(said("event.dataset", "aws.cloudtrial", false).contains("aws.cloudtrail"));
    }

    #[test]
    fn what_may_be_is_left_alone() {
        for (field, value) in [
            ("event.dataset", "aws.cloudtrail"),
            ("event.dataset", "aws.vpcflow"),
            ("event.dataset", "aws.*"),
            ("event.dataset", "aws.cloudwatch"),
            ("cloud.provider", "a*"),
            ("cloud.account.id", "012345678901"),
            ("cloud.account.id", "1234*"),
            ("userIdentity.accountId", "ANONYMOUS_PRINCIPAL"),
            ("cloud.region", "us-gov-west-1"),
            ("cloud.region", "ap-southeast-2"),
            ("cloud.region", "us-*"),
            ("source.ip", "10.0.0.1"),
            ("source.ip", "2001:db8::/32"),
            ("source.ip", "10.0.*"),
            ("source.address", "bastion"),
            ("event.provider", "iam.amazonaws.com"),
            ("event.provider", "ec2.amazonaws.com.cn"),
            ("event.provider", "iam*"),
            ("event.provider", "*.com"),
            ("event.provider", "*sso.amazonaws.com"),
            ("event.action", "CreateUser"),
            ("event.action", "arn:aws:x"),
            ("event.action", "a: B"),
        ] {
            assert_eq!(said(field, value, true), "", "{field} {value}");
        }
        // Not of a rule about CloudTrail, or of a field that is an address only by its name.
        for (field, value) in [
            ("cloud.provider", "azure"),
            ("event.kind", "alert"),
            ("cloud.region", "eastus"),
            ("event.provider", "iam"),
            ("company.ip", "bastion"),
        ] {
            assert_eq!(said(field, value, false), "", "{field} {value}");
        }
    }
}
