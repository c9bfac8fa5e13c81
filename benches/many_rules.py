"""Generates realistic rules over CloudTrail for benches/many.

In: a number and a seed. Out: the texts of this many rules. The same seed always gives the same rules,
and a smaller number gives the first of them. It shares no code with firstseen.

The mix follows public rules. Four in ten name rare calls of a service, of which the generated log, like
a real one, contains few. The others name everyday calls by certain people, accounts, roots, wildcards
over names, or negations.
"""

import random
import uuid

ACCOUNT = "cloud.account.id"
WHO = "user.name"
ARN = "aws.cloudtrail.user_identity.arn"
REGION = "cloud.region"
AGENT = "user_agent.original"
TERMS = [
    [WHO],
    [ARN],
    [ACCOUNT, WHO],
    [WHO, "event.action"],
    [ACCOUNT, WHO, REGION],
    ["event.provider", ARN],
    [AGENT],
]
WINDOWS = ["5d", "7d", "7d", "10d", "14d"]

# Rare calls that change permissions or monitoring.
RARE = {
    "iam": "AddUserToGroup AttachGroupPolicy AttachRolePolicy AttachUserPolicy CreateAccessKey "
    "CreateGroup CreateLoginProfile CreateSAMLProvider CreateUser CreateVirtualMFADevice "
    "DeactivateMFADevice DeleteAccessKey DeleteGroup DeleteGroupPolicy PutUserPolicy "
    "UpdateAccessKey UpdateAssumeRolePolicy UpdateLoginProfile UpdateSAMLProvider",
    "cloudtrail": "CreateTrail DeleteTrail PutEventSelectors StopLogging UpdateTrail",
    "config": "DeleteConfigRule DeleteConfigurationRecorder StopConfigurationRecorder",
    "guardduty": "CreateMembers DeleteDetector DisassociateMembers UpdateDetector",
    "kms": "CreateGrant DisableKey PutKeyPolicy ScheduleKeyDeletion",
    "s3": "DeleteBucketPolicy PutBucketAcl PutBucketLifecycle PutBucketReplication "
    "PutBucketVersioning",
    "ec2": "AuthorizeSecurityGroupIngress CreateKeyPair CreateSnapshot CreateVpcPeeringConnection "
    "DeleteFlowLogs DisableEbsEncryptionByDefault GetPasswordData ModifyImageAttribute "
    "ModifySnapshotAttribute ReplaceIamInstanceProfileAssociation",
    "rds": "CreateDBSnapshot DeleteDBCluster ModifyDBInstance RestoreDBInstanceFromDBSnapshot",
    "lambda": "AddPermission20150331v2 CreateEventSourceMapping20150331 CreateFunction20150331 "
    "PublishLayerVersion20181031",
    "sts": "AssumeRoleWithSAML AssumeRoleWithWebIdentity GetFederationToken GetSessionToken",
    "route53": "AssociateVPCWithHostedZone ChangeResourceRecordSets CreateHostedZone",
    "route53domains": "DisableDomainTransferLock TransferDomainToAnotherAwsAccount",
    "organizations": "CreateAccount InviteAccountToOrganization LeaveOrganization",
    "secretsmanager": "DeleteSecret PutResourcePolicy RestoreSecret UpdateSecret",
    "ssm": "CreateDocument DeregisterManagedInstance SendCommand StartSession",
    "logs": "DeleteLogGroup DeleteLogStream PutRetentionPolicy PutSubscriptionFilter",
    "monitoring": "DeleteAlarms DisableAlarmActions SetAlarmState",
    "dynamodb": "CreateBackup DeleteTable ExportTableToPointInTime",
    "ecr": "GetAuthorizationToken PutImage SetRepositoryPolicy",
    "eks": "AssociateAccessPolicy CreateAccessEntry CreateCluster UpdateClusterConfig",
    "cloudformation": "CreateStack CreateStackSet DeleteStack ExecuteChangeSet",
}
# Frequent calls.
EVERYDAY = {
    "ec2": ["DescribeInstances", "DescribeSecurityGroups", "RunInstances", "CreateTags"],
    "s3": ["GetBucketPolicy", "ListBuckets", "PutBucketPolicy"],
    "iam": ["ListRolePolicies", "PutRolePolicy"],
    "sts": ["GetCallerIdentity", "AssumeRole"],
    "kms": ["Decrypt"],
    "lambda": ["GetFunction20150331v2", "UpdateFunctionCode20150331v2"],
    "secretsmanager": ["GetSecretValue"],
    "ssm": ["GetParameter"],
    "cloudformation": ["DescribeStacks", "UpdateStack"],
}
PREFIXES = [
    "Put*UserPolicy",
    "Delete*Trail",
    "*MFADevice",
    "Modify*Attribute",
    "Disable*",
    "Attach*Policy",
]


def provider(service):
    return f"event.provider:{service}.amazonaws.com"


def rare(rng):
    service = rng.choice(sorted(RARE))
    calls = RARE[service].split()
    some = rng.sample(calls, min(len(calls), rng.randint(1, 4)))
    actions = some[0] if len(some) == 1 else f"({' or '.join(some)})"
    query = f"event.dataset:aws.cloudtrail and {provider(service)} and event.action:{actions}"
    return query + rng.choice(["", " and event.outcome:success", " and event.outcome:failure"])


def everyday(rng):
    service = rng.choice(sorted(EVERYDAY))
    call = rng.choice(EVERYDAY[service])
    who = f"user{rng.randint(0, 999):04}@example.com"
    narrow = rng.choice(
        [
            f"{WHO}:({who} or user{rng.randint(0, 999):04}@example.com)",
            f"{WHO}:service-role-{rng.randint(0, 99):02}*",
            "event.outcome:failure",
            "aws.cloudtrail.user_identity.type:FederatedUser",
            "source.ip:(198.18.0.0/20 or 198.19.0.0/20)",
        ]
    )
    return f"{provider(service)} and event.action:{call} and {narrow}"


def wildcard(rng):
    outcome = rng.choice(["success", "failure"])
    return f"event.action:{rng.choice(PREFIXES)} and event.outcome:{outcome}"


def person(rng):
    return f"{WHO}:user{rng.randint(0, 999):04}* and {REGION}:us-* and event.outcome:failure"


def root(rng):
    service = rng.choice(sorted(EVERYDAY))
    return (
        f"aws.cloudtrail.user_identity.type:Root and not {provider(service)} "
        f"and not event.action:({rng.choice(PREFIXES)} or Get*)"
    )


def negated(rng):
    service = rng.choice(sorted(EVERYDAY))
    return (
        f"event.outcome:failure and not {AGENT}:(*Terraform* or *aws-sdk*) and {ACCOUNT}:* "
        f"and {provider(service)} and not event.action:(Describe* or List*) "
        f"and {ARN}:*user0{rng.randint(0, 99):02}*"
    )


KINDS = [(rare, 12), (everyday, 5), (wildcard, 3), (person, 5), (root, 3), (negated, 2)]


def rules(count, seed):
    """The texts of this many rules, each with its id."""
    rng = random.Random(seed)
    kinds = [kind for kind, weight in KINDS for _ in range(weight)]
    return [rule(number, rng.choice(kinds), rng) for number in range(count)]


def rule(number, kind, rng):
    identity = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    query = kind(rng)
    terms = ", ".join(f'"{term}"' for term in rng.choice(TERMS))
    window = rng.choice(WINDOWS)
    return identity, f"""[metadata]
creation_date = "2026/11/23"
integration = ["aws"]
maturity = "development"
updated_date = "2026/11/23"

[rule]
author = ["firstseen"]
description = "Made by benches/many_rules.py, to be measured and not to be run."
from = "now-6m"
index = ["logs-aws.cloudtrail-*"]
language = "kuery"
license = "Apache-2.0"
name = "Measured {number}: {kind.__name__}"
risk_score = 21
rule_id = "{identity}"
severity = "low"
type = "new_terms"
version = 1
query = '''
{query}
'''

[rule.new_terms]
field = "new_terms_fields"
value = [{terms}]

[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-{window}"
"""
