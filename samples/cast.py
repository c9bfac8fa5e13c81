"""The actors of the samples: people, pipelines and services, each at a given time."""

import datetime

from trail import SANDBOX, WORKLOAD, assumed_role, federated_user, iam_user, number, root, uuid

EAST, IRELAND = "us-east-1", "eu-west-1"
CFN = "cloudformation.amazonaws.com"
TEMPLATES = "https://example-org-templates.s3.amazonaws.com"
CLI = (
    "aws-cli/2.24.14 md/awscrt#0.23.8 ua/2.1 os/linux#6.8.0-52-generic md/arch#x86_64 "
    "lang/python#3.12.9 md/installer#exe md/prompt#off md/command#cloudformation.create-stack"
)
BOTO = (
    "Boto3/1.37.4 md/Botocore#1.37.4 ua/2.0 os/linux#5.10.233 md/arch#x86_64 lang/python#3.12.9 "
    "md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 cfg/retry-mode#legacy Botocore/1.37.4"
)
TERRAFORM = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.10.5 (+https://www.terraform.io) "
    "terraform-provider-aws/5.88.0 (+https://registry.terraform.io/providers/hashicorp/aws) "
    "aws-sdk-go-v2/1.36.2 ua/2.1 os/linux lang/go#1.23.5 md/GOOS#linux md/GOARCH#amd64"
)
BROWSER = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/133.0.0.0 Safari/537.36"
)
OFFICE, VPN, HOTEL, RUNNER = "203.0.113.24", "203.0.113.77", "198.51.100.199", "192.0.2.150"
MINUTE = datetime.timedelta(minutes=1)


def alice(when, account=WORKLOAD, address=OFFICE):
    return iam_user(account, "alice", address, CLI)


def bob(when, address=VPN):
    return iam_user(WORKLOAD, "bob", address, BROWSER, session=when - 20 * MINUTE)


def pipeline(when, invoked_by=None):
    run = f"GitHubActions-{number(10**9, 'run', when.date())}"
    return assumed_role(
        WORKLOAD, "ci-deploy", run, RUNNER, BOTO, when - 2 * MINUTE, invoked_by=invoked_by
    )


def administrator(when):
    role = "AWSReservedSSO_AdministratorAccess_3f1c0d9a7be24e65"
    path = f"aws-reserved/sso.amazonaws.com/{EAST}/"
    return assumed_role(
        WORKLOAD, role, "dana@example.com", OFFICE, BROWSER, when - 35 * MINUTE, path=path
    )


def carol(when):
    return federated_user(WORKLOAD, "carol", HOTEL, CLI, when - 5 * MINUTE)


def stack_sets(when):
    role = "AWSServiceRoleForCloudFormationStackSetsOrgMember"
    path = "aws-service-role/member.org.stacksets.cloudformation.amazonaws.com/"
    session = f"StackSet-{uuid('operation', when)[:8]}"
    return assumed_role(SANDBOX, role, session, "", "", when - MINUTE, path=path, invoked_by=CFN)


def sandbox_root(when):
    return root(SANDBOX, HOTEL, BROWSER, when - 8 * MINUTE)


def web_server(when):
    return assumed_role(
        WORKLOAD, "web-server", "i-0abc123def4567890", "198.51.100.20", BOTO, when - 90 * MINUTE
    )


def planner(when):
    return assumed_role(SANDBOX, "terraform-plan", "plan", RUNNER, TERRAFORM, when - 3 * MINUTE)
