//! The called interfaces, with parameters of realistic length.

use std::fmt::Write as _;

use crate::random::Random;

/// One interface of AWS.
pub(crate) struct Call {
    pub(crate) service: &'static str,
    pub(crate) name: &'static str,
    pub(crate) read_only: bool,
    /// Whether the flagship rule searches for it.
    pub(crate) creates: bool,
    /// The code and message of an occasional failure.
    pub(crate) failure: Option<(&'static str, &'static str)>,
    shape: Shape,
}

/// The form of its parameters.
#[derive(Clone, Copy)]
enum Shape {
    None,
    Name(&'static str),
    Filters,
    Stack,
    Policy,
    Instances,
}

const DENIED: Option<(&str, &str)> = Some((
    "AccessDenied",
    r#"User is not authorized to perform this action on resource \"arn:aws:example\" because no identity-based policy allows it"#,
));

const fn read(service: &'static str, name: &'static str, shape: Shape) -> Call {
    Call { service, name, read_only: true, creates: false, failure: DENIED, shape }
}

const fn write(service: &'static str, name: &'static str, shape: Shape) -> Call {
    Call { service, name, read_only: false, creates: false, failure: DENIED, shape }
}

const fn create(name: &'static str) -> Call {
    let service = "cloudformation";
    Call { service, name, read_only: false, creates: true, failure: DENIED, shape: Shape::Stack }
}

const CREATE_STACK: Call = create("CreateStack");
const CREATE_STACK_SET: Call = create("CreateStackSet");

/// Everyday calls, including near misses of CloudFormation.
const EVERYDAY: [Call; 24] = [
    read("ec2", "DescribeInstances", Shape::Filters),
    read("ec2", "DescribeSecurityGroups", Shape::Filters),
    read("ec2", "DescribeVolumes", Shape::Filters),
    write("ec2", "RunInstances", Shape::Instances),
    write("ec2", "CreateTags", Shape::Instances),
    read("s3", "GetBucketPolicy", Shape::Name("bucketName")),
    read("s3", "ListBuckets", Shape::None),
    write("s3", "PutBucketPolicy", Shape::Policy),
    read("sts", "GetCallerIdentity", Shape::None),
    read("sts", "AssumeRole", Shape::Name("roleSessionName")),
    read("iam", "ListRolePolicies", Shape::Name("roleName")),
    write("iam", "PutRolePolicy", Shape::Policy),
    read("kms", "Decrypt", Shape::Name("keyId")),
    read("lambda", "GetFunction20150331v2", Shape::Name("functionName")),
    write("lambda", "UpdateFunctionCode20150331v2", Shape::Name("functionName")),
    write("logs", "CreateLogStream", Shape::Name("logStreamName")),
    read("monitoring", "DescribeAlarms", Shape::Filters),
    read("dynamodb", "DescribeTable", Shape::Name("tableName")),
    read("secretsmanager", "GetSecretValue", Shape::Name("secretId")),
    read("ssm", "GetParameter", Shape::Name("name")),
    read("rds", "DescribeDBInstances", Shape::Filters),
    read("cloudformation", "DescribeStacks", Shape::Name("stackName")),
    read("cloudformation", "DescribeStackEvents", Shape::Name("stackName")),
    write("cloudformation", "UpdateStack", Shape::Stack),
];

/// The next call. A quarter of the creating calls fail, so 1 in 1,500 gives 1 success in 2,000.
pub(crate) fn pick(random: &mut Random) -> &'static Call {
    if random.one_in(1_500) {
        return if random.one_in(10) { &CREATE_STACK_SET } else { &CREATE_STACK };
    }
    random.of(&EVERYDAY)
}

impl Call {
    /// The `requestParameters`.
    pub(crate) fn request(&self, line: &mut String, random: &mut Random) {
        let bits = random.next();
        // Writing to a String cannot fail.
        let _ = match self.shape {
            Shape::None => write!(line, "null"),
            Shape::Name(key) => write!(line, r#"{{"{key}":"production-{bits:016x}"}}"#),
            Shape::Filters => write!(
                line,
                r#"{{"maxResults":{},"filterSet":{{"items":[{{"name":"tag:team","valueSet":{{"items":[{{"value":"team-{}"}},{{"value":"platform"}}]}}}}]}}}}"#,
                50 + bits % 950,
                bits % 77
            ),
            Shape::Stack => write!(
                line,
                r#"{{"stackName":"service-{:x}","templateURL":"https://example-org-templates.s3.amazonaws.com/service-{:x}.yaml","capabilities":["CAPABILITY_IAM"],"parameters":[{{"parameterKey":"Size","parameterValue":"****"}}],"tags":[{{"key":"team","value":"team-{}"}}]}}"#,
                bits % 5_000,
                bits % 500,
                bits % 77
            ),
            // In one of a hundred, a string that contains the name of the searched call.
            Shape::Policy => write!(
                line,
                r#"{{"roleName":"role-{:x}","policyName":"inline","policyDocument":"{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{{\n    \"Effect\": \"Allow\",\n    \"Action\": [\"s3:GetObject\", \"{}\"],\n    \"Resource\": \"arn:aws:s3:::example-{:x}/*\"\n  }}]\n}}"}}"#,
                bits % 5_000,
                if bits.is_multiple_of(100) {
                    "cloudformation:CreateStack"
                } else {
                    "s3:PutObject"
                },
                bits % 300
            ),
            Shape::Instances => write!(
                line,
                r#"{{"instancesSet":{{"items":[{{"imageId":"ami-{:017x}","minCount":1,"maxCount":{}}}]}},"instanceType":"m7g.large","blockDeviceMapping":{{}},"monitoring":{{"enabled":false}},"disableApiTermination":false,"tagSpecificationSet":{{"items":[{{"resourceType":"instance","tags":[{{"key":"Name","value":"worker – {}"}},{{"key":"team","value":"team-{}"}}]}}]}}}}"#,
                bits >> 4,
                1 + bits % 9,
                bits % 100,
                bits % 77
            ),
        };
    }

    /// The `responseElements` of a call that changes something.
    pub(crate) fn response(&self, line: &mut String, account: u64, random: &mut Random) {
        let (id, service, bits) = (random.uuid(), self.service, random.next());
        let _ = match self.shape {
            Shape::Stack => write!(
                line,
                r#"{{"stackId":"arn:aws:cloudformation:us-east-1:{account}:stack/service-{:x}/{id}"}}"#,
                bits % 5_000
            ),
            Shape::Instances => write!(
                line,
                r#"{{"requestId":"{id}","ownerId":"{account}","groupSet":{{}},"instancesSet":{{"items":[{{"instanceId":"i-{bits:017x}","currentState":{{"code":0,"name":"pending"}},"privateDnsName":"ip-10-0-{}-{}.ec2.internal","amiLaunchIndex":0,"productCodes":{{}},"instanceType":"m7g.large","launchTime":1735689600000,"placement":{{"availabilityZone":"us-east-1a","tenancy":"default"}},"monitoring":{{"state":"disabled"}},"ebsOptimized":true,"architecture":"arm64"}}]}}}}"#,
                bits % 256,
                bits / 256 % 256
            ),
            _ => write!(line, r#"{{"arn":"arn:aws:{service}:us-east-1:{account}:{id}"}}"#),
        };
    }
}
