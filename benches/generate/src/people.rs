//! The callers: a thousand principals in ten accounts, some busy, some rare.

use std::fmt::Write as _;

use crate::random::{Random, mix};
use crate::time::stamp;

const PRINCIPALS: u64 = 1_000;
/// The user agents of deployments.
const DEPLOYERS: u64 = 80;
const ACCOUNTS: u64 = 10;
const REGIONS: [&str; 4] = ["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2"];
const AGENTS: [&str; 5] = [
    "aws-cli/2.24.14 md/awscrt#0.23.8 ua/2.1 os/linux#6.8.0-52-generic md/arch#x86_64 lang/python#3.12.9 md/installer#exe md/prompt#off",
    "Boto3/1.37.4 md/Botocore#1.37.4 ua/2.0 os/linux#5.10.233 md/arch#x86_64 lang/python#3.12.9 exec-env/AWS_Lambda_python3.12 cfg/retry-mode#legacy",
    "APN/1.0 HashiCorp/1.0 Terraform/1.10.5 (+https://www.terraform.io) terraform-provider-aws/5.88.0 aws-sdk-go-v2/1.36.2 lang/go#1.23.5",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
    "aws-sdk-java/2.30.31 md/io#sync md/http#Apache ua/2.1 os/Linux#5.10.233 lang/java#21.0.6 md/OpenJDK_64-Bit_Server_VM#21.0.6",
];

/// A principal, which is derived from its number.
pub(crate) struct Person {
    number: u64,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    User,
    Role,
    Federated,
    Root,
    Service,
}

/// The caller of an event at this time.
pub(crate) fn pick(creates: bool, seconds: u64, random: &mut Random) -> Person {
    if !creates && random.one_in(50) {
        let kind = if random.one_in(10) { Kind::Root } else { Kind::Service };
        return Person { number: random.below(ACCOUNTS), kind };
    }
    // A principal that calls only once: a contractor, a build's temporary role.
    if random.one_in(2_000) {
        return Person { number: PRINCIPALS + random.below(1 << 40), kind: Kind::User };
    }
    let mut number = if creates {
        random.below(DEPLOYERS)
    } else {
        // The cube makes a few of them call most often.
        let share = random.below(1_000);
        PRINCIPALS * share * share * share / 1_000_000_000
    };
    while is_away(number, seconds) {
        number = (number + 1) % PRINCIPALS;
    }
    let kind = match mix(number) % 10 {
        0..5 => Kind::Role,
        5..9 => Kind::User,
        _ => Kind::Federated,
    };
    Person { number, kind }
}

/// Every seventh principal works for two weeks and is away for two, so it is new again.
fn is_away(number: u64, seconds: u64) -> bool {
    number % 7 == 3 && (seconds / 86_400 + number) / 14 % 2 == 1
}

impl Person {
    pub(crate) fn account(&self) -> u64 {
        100_000_000_000 + mix(self.number % ACCOUNTS) % 900_000_000_000
    }

    pub(crate) fn region(&self) -> &'static str {
        REGIONS[(self.number % 4) as usize]
    }

    pub(crate) fn agent(&self) -> &'static str {
        match self.kind {
            Kind::Service => "ec2.amazonaws.com",
            _ => AGENTS[(mix(self.number) >> 8) as usize % AGENTS.len()],
        }
    }

    pub(crate) fn address(&self) -> String {
        let bits = mix(self.number + 7);
        match self.kind {
            Kind::Service => "ec2.amazonaws.com".to_owned(),
            _ if bits.is_multiple_of(20) => format!("2001:db8::{:x}", bits >> 48),
            _ => format!("198.{}.{}.{}", 18 + bits % 2, bits >> 8 & 255, bits >> 16 & 255),
        }
    }

    fn name(&self) -> String {
        match self.kind {
            Kind::Role => format!("service-role-{:04}", self.number),
            _ => format!("user{:04}@example.com", self.number),
        }
    }

    /// The `userIdentity` object.
    pub(crate) fn identity(&self, line: &mut String, seconds: u64) {
        let (account, name) = (self.account(), self.name());
        let id = format!("{:017X}", u128::from(mix(self.number)) * 7 % (1 << 68));
        let key = format!("{:09X}EXAMPLE", mix(self.number) & 0xf_ffff_ffff);
        // Sessions start on the hour.
        let since = stamp(seconds / 3_600 * 3_600);
        let attributes =
            format!(r#""attributes":{{"creationDate":"{since}","mfaAuthenticated":"false"}}"#);
        // Writing to a String cannot fail.
        let _ = match self.kind {
            Kind::User => write!(
                line,
                r#"{{"type":"IAMUser","principalId":"AIDA{id}","arn":"arn:aws:iam::{account}:user/{name}","accountId":"{account}","accessKeyId":"AKIA{key}","userName":"{name}"}}"#
            ),
            Kind::Role => write!(
                line,
                r#"{{"type":"AssumedRole","principalId":"AROA{id}:session","arn":"arn:aws:sts::{account}:assumed-role/{name}/session","accountId":"{account}","accessKeyId":"ASIA{key}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA{id}","arn":"arn:aws:iam::{account}:role/{name}","accountId":"{account}","userName":"{name}"}},"webIdFederationData":{{}},{attributes}}}}}"#
            ),
            Kind::Federated => write!(
                line,
                r#"{{"type":"FederatedUser","principalId":"{account}:{name}","arn":"arn:aws:sts::{account}:federated-user/{name}","accountId":"{account}","accessKeyId":"ASIA{key}","sessionContext":{{"sessionIssuer":{{"type":"IAMUser","principalId":"AIDA{id}","arn":"arn:aws:iam::{account}:user/{name}","accountId":"{account}","userName":"{name}"}},{attributes}}}}}"#
            ),
            Kind::Root => write!(
                line,
                r#"{{"type":"Root","principalId":"{account}","arn":"arn:aws:iam::{account}:root","accountId":"{account}","accessKeyId":"ASIA{key}","sessionContext":{{{attributes}}}}}"#
            ),
            Kind::Service => {
                write!(line, r#"{{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}}"#)
            }
        };
    }
}
