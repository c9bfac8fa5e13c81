"""The days around the story: ordinary work, and rare kinds of callers. Scenes as in story.py."""

import datetime

from calls import console_login, describe_stacks
from cast import BOTO, BROWSER, CFN, EAST, MINUTE, OFFICE, alice, bob, pipeline, planner, web_server
from trail import (
    SANDBOX,
    WORKLOAD,
    Call,
    at,
    aws_account,
    aws_service,
    identity_center_user,
    number,
    pick,
    principal_id,
    uuid,
)


def everyday(account, region, scene):
    """A few calls of one caller on an ordinary day."""
    day = at("2025-03-03 00:00:00") + datetime.timedelta(days=number(20, "day", scene))
    t = day + number(600, "minute", scene) * MINUTE + datetime.timedelta(hours=8)
    bucket = f"example-org-{pick(['logs', 'media', 'reports', 'backup'], 'bucket', scene)}"
    key_arn = f"arn:aws:kms:{region}:{account}:key/{uuid('key', account, region)}"
    task = f"report-{number(90, 'task', scene)}"
    calls = [
        Call("ec2.amazonaws.com", "DescribeInstances", True, {"instancesSet": {}, "filterSet": {}}),
        Call("ec2.amazonaws.com", "DescribeSecurityGroups", True, {"maxResults": 100}),
        Call(
            "s3.amazonaws.com",
            "GetBucketPolicy",
            True,
            {"bucketName": bucket, "policy": ""},
            None,
            ("NoSuchBucketPolicy", "The bucket policy does not exist"),
        ),
        Call("s3.amazonaws.com", "ListBuckets", True, {"Host": "s3.amazonaws.com"}),
        Call("iam.amazonaws.com", "ListAccountAliases", True),
        Call("lambda.amazonaws.com", "ListFunctions20150331", True, {"maxItems": 50}),
        Call(
            "lambda.amazonaws.com",
            "UpdateFunctionCode20150331v2",
            False,
            {"functionName": task, "s3Bucket": bucket, "s3Key": f"{task}.zip", "publish": True},
            {"functionName": task, "runtime": "python3.12", "memorySize": 256, "version": "7"},
        ),
        Call(
            "kms.amazonaws.com",
            "Decrypt",
            True,
            {"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "keyId": key_arn},
            None,
            None,
            None,
            [{"accountId": account, "type": "AWS::KMS::Key", "ARN": key_arn}],
        ),
        Call("secretsmanager.amazonaws.com", "GetSecretValue", True, {"secretId": f"prod/{task}"}),
        Call(
            "logs.amazonaws.com",
            "CreateLogStream",
            False,
            {"logGroupName": f"/aws/lambda/{task}", "logStreamName": uuid("log stream", scene)},
        ),
        Call("monitoring.amazonaws.com", "DescribeAlarms", True, {"stateValue": "ALARM"}),
        Call("dynamodb.amazonaws.com", "DescribeTable", True, {"tableName": "orders"}),
        Call("ecr.amazonaws.com", "GetAuthorizationToken", True),
        Call(
            "ssm.amazonaws.com",
            "GetParameter",
            True,
            {"name": f"/prod/{task}/dsn", "withDecryption": True},
        ),
        describe_stacks(),
        Call(CFN, "ListStacks", True),
        Call(CFN, "GetTemplateSummary", True, {"stackName": "network-base"}),
        Call(
            "health.amazonaws.com",
            "DescribeEventAggregates",
            True,
            {
                "aggregateField": "eventTypeCategory",
                "filter": {"eventStatusCodes": ["open", "upcoming"]},
            },
        ),
    ]
    casts = {
        WORKLOAD: [alice, bob, web_server, web_server, pipeline],
        SANDBOX: [lambda when: alice(when, SANDBOX), planner, planner],
    }
    actor = pick(casts[account], "actor", scene)(t)
    steps, after = [], 0
    for step in range(2 + number(6, "length", scene)):
        after += 1 + number(70, "pause", scene, step)
        steps.append((after, actor, pick(calls, "call", scene, step)))
    return t, account, region, steps


def visits():
    """Callers of the rarer kinds: services, other accounts, people signing in."""
    t = at("2025-03-04 06:00:03")
    role = f"arn:aws:iam::{WORKLOAD}:role/web-server"
    assumed = [{"accountId": WORKLOAD, "type": "AWS::IAM::Role", "ARN": role}]
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (
                0,
                aws_service("ec2.amazonaws.com"),
                Call(
                    "sts.amazonaws.com",
                    "AssumeRole",
                    True,
                    {"roleArn": role, "roleSessionName": "i-0abc123def4567890"},
                    {
                        "assumedRoleUser": {
                            "assumedRoleId": principal_id("AROA", WORKLOAD, "web-server"),
                            "arn": role,
                        }
                    },
                    resources=assumed,
                ),
            ),
            (
                9,
                aws_service("ssm.amazonaws.com"),
                Call(
                    "ssm.amazonaws.com",
                    "UpdateInstanceInformation",
                    False,
                    {"agentVersion": "3.3.1611.0"},
                ),
            ),
        ],
    )
    t = at("2025-03-09 12:30:00")
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (
                0,
                aws_account("777788889999", "198.51.100.87", BOTO),
                Call(
                    "sts.amazonaws.com",
                    "AssumeRole",
                    True,
                    {"roleArn": role, "roleSessionName": "visitor"},
                    None,
                    resources=assumed,
                ),
            ),
        ],
    )
    t = at("2025-03-11 13:02:20")
    user_id = "9067642ac7-6d8b9fd3-2c0a-4d5c-b5ef-b7f4f0f0e111"
    dana = identity_center_user(WORKLOAD, user_id, OFFICE, BROWSER)
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (
                0,
                dana,
                Call(
                    "signin.amazonaws.com",
                    "UserAuthentication",
                    False,
                    None,
                    {"UserAuthentication": "Success"},
                    None,
                    {
                        "UserName": "dana@example.com",
                        "CredentialType": "PASSWORD",
                        "LoginTo": "https://example-org.awsapps.com/start",
                    },
                    kind="AwsServiceEvent",
                ),
            ),
            (14, dana, Call("sso.amazonaws.com", "ListAccounts", True)),
            (
                40,
                dana,
                Call(
                    "sso.amazonaws.com",
                    "GetRoleCredentials",
                    True,
                    {"role_name": "AdministratorAccess", "account_id": WORKLOAD},
                ),
            ),
        ],
    )
    t = at("2025-03-05 15:12:00")
    yield t, WORKLOAD, EAST, [(0, bob(t), console_login())]
