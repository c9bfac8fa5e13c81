"""Makes the tables of names that warnings about rules know.

    python3 generate.py ecs ECS_CHECKOUT/generated/csv/fields.csv > ecs-fields.txt
    python3 generate.py actions BOTOCORE/data BOTOCORE_VERSION DATE > cloudtrail-actions.txt
    python3 generate.py words BOTOCORE/data BOTOCORE_VERSION DATE > api-words.txt

Names are facts; nothing else of the two projects (both Apache-2.0) is copied.
"""

import csv
import gzip
import json
import pathlib
import re
import sys
import textwrap

# Services whose calls detection rules are about.
SERVICES = """accessanalyzer account autoscaling backup bedrock bedrock-runtime cloudformation
cloudtrail cloudwatch codebuild cognito-identity cognito-idp config detective dynamodb ec2
ec2-instance-connect ecr ecs efs eks elb elbv2 events guardduty iam identitystore inspector2 kms
lambda logs macie2 organizations ram rds rolesanywhere route53 route53domains route53resolver s3
s3control secretsmanager securityhub servicecatalog ses sns sqs ssm sso sso-admin sts transfer
wafv2""".split()

# Names in events that no API model has: the console's sign-ins, Session Manager's channels, and
# Lambda's calls, which carry the date of their API.
OTHERS = """CheckMfa ConsoleLogin CreateControlChannel CreateDataChannel CredentialChallenge
CredentialVerification ExitRole GetSigninToken OpenControlChannel OpenDataChannel
PasswordRecoveryCompleted PasswordRecoveryRequested RenewRole SetSecurityTokenServicePreferences
SwitchRole UserAuthentication AddLayerVersionPermission20181031 AddPermission20150331
AddPermission20150331v2 CreateEventSourceMapping20150331 CreateFunction20150331
DeleteEventSourceMapping20150331 DeleteFunction20150331 GetFunction20150331
GetFunction20150331v2 InvokeExecution ListFunctions20150331 ListEventSourceMappings20150331
PublishLayerVersion20181031 RemovePermission20150331 RemovePermission20150331v2
UpdateEventSourceMapping20150331 UpdateFunctionCode20150331 UpdateFunctionCode20150331v2
UpdateFunctionConfiguration20150331 UpdateFunctionConfiguration20150331v2
DeleteSSHPublicKey UpdateSSHPublicKey""".split()

# Objects whose members have names of their own.
OPEN = {"object", "flattened", "nested"}


def ecs(path):
    rows = list(csv.DictReader(open(path, encoding="utf-8")))
    types = {row["Field"]: row["Type"] for row in rows}
    groups = {}
    for name in sorted(types):
        parent, _, last = name.rpartition(".")
        if last in ("text", "caseless") and parent in types:
            continue
        inside = any(other.startswith(name + ".") for other in types)
        if types[name] in OPEN and not inside:
            last += ".*"
        groups.setdefault(parent or "-", []).append(last)
    version = rows[0]["ECS_Version"]
    print(f"# Fields of the Elastic Common Schema {version}, but for the twins `.text`.")
    print("# From generated/csv/fields.csv of https://github.com/elastic/ecs (Apache-2.0), by generate.py.")
    print("# A line: an object (`-` for none), then its fields; `.*` takes any name below.")
    for parent in sorted(groups):
        print(parent, *groups[parent])


def operations(path):
    text = path.read_bytes()
    text = gzip.decompress(text) if path.suffix == ".gz" else text
    return json.loads(text)["operations"]


def words_of(names):
    """The words of names, as calls.rs splits them."""
    return {word for name in names for word in re.findall("[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def words(folder, version, date):
    listed = pathlib.Path(__file__).with_name("cloudtrail-actions.txt").read_text().splitlines()
    known = set()
    for verb, *rest in (line.split() for line in listed if not line.startswith("#")):
        known |= words_of(verb + end.strip("-") for end in rest)
    found = set()
    for path in pathlib.Path(folder).glob("*/*/service-2.json*"):
        found |= words_of(operations(path))
    print(f"# Words of the names of AWS API calls that no name in cloudtrail-actions.txt has, {date}.")
    print(f"# From all service models of https://github.com/boto/botocore {version} (Apache-2.0), by generate.py.")
    print(*textwrap.wrap(" ".join(sorted(found - known)), 98, break_on_hyphens=False), sep="\n")


def actions(folder, version, date):
    names = set(OTHERS)
    for service in SERVICES:
        newest = sorted(pathlib.Path(folder, service).glob("*/service-2.json*"))[-1]
        names.update(operations(newest))
    groups = {}
    for name in sorted(names):
        verb = re.match(r"[A-Z]?[a-z]*", name).group()
        groups.setdefault(verb, []).append(name[len(verb):] or "-")
    print(f"# Names of AWS API calls as events give them in eventName, {date}.")
    print(f"# From the service models of https://github.com/boto/botocore {version} (Apache-2.0), and")
    print("# those of sign-ins, Session Manager and Lambda that no model has; by generate.py.")
    print("# A line: the name's first word, then what may follow it; `-` is nothing.")
    for verb in sorted(groups):
        for line in textwrap.wrap(" ".join(groups[verb]), 96 - len(verb), break_on_hyphens=False):
            print(verb, line)


if __name__ == "__main__":
    {"ecs": ecs, "actions": actions, "words": words}[sys.argv[1]](*sys.argv[2:])
