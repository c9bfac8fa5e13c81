"""The calls of the story: one function for each."""

from cast import CFN
from trail import Call, create_stack, letters, principal_id, uuid


def describe_stacks(stack=None):
    return Call(CFN, "DescribeStacks", True, {"stackName": stack} if stack else None)


def read_events(stack):
    return Call(CFN, "DescribeStackEvents", True, {"stackName": stack})


def validate(template):
    return Call(CFN, "ValidateTemplate", True, {"templateURL": template})


def update_stack(account, region, stack, template):
    made = create_stack(account, region, stack, template=template)
    return Call(CFN, "UpdateStack", False, made.request, made.response)


def change_set(account, region, stack):
    name = f"review-{letters(6, 'change set', stack).lower()}"
    arn = f"arn:aws:cloudformation:{region}:{account}"
    return Call(
        CFN,
        "CreateChangeSet",
        False,
        {"stackName": stack, "changeSetName": name, "changeSetType": "UPDATE"},
        {
            "id": f"{arn}:changeSet/{name}/{uuid(name)}",
            "stackId": f"{arn}:stack/{stack}/{uuid(stack)}",
        },
    )


def caller_identity():
    return Call("sts.amazonaws.com", "GetCallerIdentity", True)


def create_bucket(name):
    request = {"bucketName": name, "Host": f"{name}.s3.amazonaws.com"}
    extra = {
        "SignatureVersion": "SigV4",
        "AuthenticationMethod": "AuthHeader",
        "bytesTransferredIn": 0,
    }
    resources = [{"type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{name}"}]
    return Call("s3.amazonaws.com", "CreateBucket", False, request, None, None, extra, resources)


def attach_policy(role):
    request = {"roleName": role, "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    return Call("iam.amazonaws.com", "AttachRolePolicy", False, request)


def create_role(account, role):
    trust = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":'
        '{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
    )
    made = {
        "path": "/",
        "roleName": role,
        "roleId": principal_id("AROA", account, role),
        "arn": f"arn:aws:iam::{account}:role/{role}",
    }
    request = {"roleName": role, "assumeRolePolicyDocument": trust}
    return Call("iam.amazonaws.com", "CreateRole", False, request, {"role": made})


def console_login(mfa="Yes"):
    extra = {
        "LoginTo": "https://console.aws.amazon.com/console/home?region=us-east-1",
        "MobileVersion": "No",
        "MFAUsed": mfa,
    }
    outcome = {"ConsoleLogin": "Success"}
    return Call(
        "signin.amazonaws.com",
        "ConsoleLogin",
        False,
        None,
        outcome,
        None,
        extra,
        kind="AwsConsoleSignIn",
    )


def denied(actor, account, region, action, what):
    arn = actor.identity["arn"]
    return (
        "AccessDenied",
        f"User: {arn} is not authorized to perform: {action} on resource: "
        f"arn:aws:cloudformation:{region}:{account}:stack/{what}/* because no identity-based "
        f"policy allows the {action} action",
    )
