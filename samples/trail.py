"""Made-up CloudTrail events with the structure of real ones.

In: actor, call, time and place. Out: events as dictionaries with the keys in CloudTrail's order. It
uses no clock and no random numbers: random-looking values are hashes of names, so that every run on
every Python gives the same bytes.
"""

import dataclasses
import datetime
import hashlib
import json
import struct
import zlib

WORKLOAD = "111122223333"
SANDBOX = "444455556666"

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def digest(*name):
    return hashlib.sha256("\x1f".join(map(str, name)).encode()).digest()


def number(below, *name):
    return int.from_bytes(digest(*name)[:8], "big") % below


def pick(values, *name):
    return values[number(len(values), *name)]


def uuid(*name):
    text = digest("uuid", *name).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"


def letters(count, *name):
    return "".join(_BASE32[byte % 32] for byte in digest("letters", *name)[:count])


def principal_id(prefix, *name):
    return prefix + letters(17, *name)


def access_key(prefix, *name):
    # Ends in EXAMPLE, as in Amazon's own documentation: no scanner takes it for a leaked key.
    return prefix + letters(9, "key", *name) + "EXAMPLE"


def at(text):
    """`2025-03-03 09:14:05` as a time, UTC."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)


def stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclasses.dataclass
class Actor:
    """Somebody who calls: the `userIdentity`, and what CloudTrail notes of the connection."""

    identity: dict
    address: str
    agent: str
    tls: bool = True
    console: bool = False


def iam_user(account, name, address, agent, session=None):
    identity = {
        "type": "IAMUser",
        "principalId": principal_id("AIDA", account, name),
        "arn": f"arn:aws:iam::{account}:user/{name}",
        "accountId": account,
        "accessKeyId": access_key("ASIA" if session else "AKIA", account, name),
        "userName": name,
    }
    if session:
        identity["sessionContext"] = {
            "attributes": {"creationDate": stamp(session), "mfaAuthenticated": "true"}
        }
    return Actor(identity, address, agent, console=session is not None)


def assumed_role(account, role, session, address, agent, since, path="", invoked_by=None):
    role_id = principal_id("AROA", account, role)
    identity = {
        "type": "AssumedRole",
        "principalId": f"{role_id}:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
        "accountId": account,
        "accessKeyId": access_key("ASIA", account, role, session),
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role_id,
                "arn": f"arn:aws:iam::{account}:role/{path}{role}",
                "accountId": account,
                "userName": role,
            },
            "webIdFederationData": {},
            "attributes": {"creationDate": stamp(since), "mfaAuthenticated": "false"},
        },
    }
    if invoked_by:
        identity["invokedBy"] = invoked_by
        return Actor(identity, invoked_by, invoked_by, tls=False)
    return Actor(identity, address, agent)


def federated_user(account, name, address, agent, since):
    issuer_id = principal_id("AIDA", account, name)
    identity = {
        "type": "FederatedUser",
        "principalId": f"{account}:{name}-session",
        "arn": f"arn:aws:sts::{account}:federated-user/{name}-session",
        "accountId": account,
        "accessKeyId": access_key("ASIA", account, name, "federated"),
        "sessionContext": {
            "sessionIssuer": {
                "type": "IAMUser",
                "principalId": issuer_id,
                "arn": f"arn:aws:iam::{account}:user/{name}",
                "accountId": account,
                "userName": name,
            },
            "attributes": {"creationDate": stamp(since), "mfaAuthenticated": "false"},
        },
    }
    return Actor(identity, address, agent)


def root(account, address, agent, since):
    identity = {
        "type": "Root",
        "principalId": account,
        "arn": f"arn:aws:iam::{account}:root",
        "accountId": account,
        "accessKeyId": access_key("ASIA", account, "root"),
        "sessionContext": {
            "attributes": {"creationDate": stamp(since), "mfaAuthenticated": "true"}
        },
    }
    return Actor(identity, address, agent, console=True)


def aws_service(name):
    return Actor({"type": "AWSService", "invokedBy": name}, name, name, tls=False)


def aws_account(caller, address, agent):
    identity = {
        "type": "AWSAccount",
        "principalId": principal_id("AROA", caller, "visitor") + ":visitor",
        "accountId": caller,
    }
    return Actor(identity, address, agent)


def identity_center_user(account, user_id, address, agent):
    identity = {
        "type": "IdentityCenterUser",
        "accountId": account,
        "onBehalfOf": {
            "userId": user_id,
            "identityStoreArn": f"arn:aws:identitystore::{account}:identitystore/d-9067example",
        },
        "credentialId": uuid("credential", user_id),
    }
    return Actor(identity, address, agent)


@dataclasses.dataclass
class Call:
    """What is called, and how it ends."""

    source: str
    name: str
    read_only: bool
    request: dict | None = None
    response: dict | None = None
    error: tuple | None = None
    extra: dict | None = None
    resources: list | None = None
    kind: str = "AwsApiCall"


def event(time, account, region, actor, call):
    """One event. Its ids are hashes of its content, so equal arguments give equal events."""
    name = (stamp(time), account, region, actor.identity, call.source, call.name, call.request)
    host = call.source.replace("amazonaws.com", f"{region}.amazonaws.com")
    record = {
        "eventVersion": "1.11",
        "userIdentity": actor.identity,
        "eventTime": stamp(time),
        "eventSource": call.source,
        "eventName": call.name,
        "awsRegion": region,
        "sourceIPAddress": actor.address,
        "userAgent": actor.agent,
    }
    if call.error:
        record["errorCode"], record["errorMessage"] = call.error
    record["requestParameters"] = call.request
    record["responseElements"] = None if call.error else call.response
    if call.extra:
        record["additionalEventData"] = call.extra
    record["requestID"] = uuid("request", *name)
    record["eventID"] = uuid("event", *name)
    record["readOnly"] = call.read_only
    if call.resources:
        record["resources"] = call.resources
    record["eventType"] = call.kind
    record["managementEvent"] = True
    record["recipientAccountId"] = account
    record["eventCategory"] = "Management"
    if actor.tls and call.kind == "AwsApiCall":
        record["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": host,
        }
    if actor.console and call.kind == "AwsApiCall":
        record["sessionCredentialFromConsole"] = "true"
    return record


def create_stack(account, region, stack, *, template=None, error=None, more=None):
    request = {"stackName": stack}
    if template:
        request["templateURL"] = template
    request.update(more or {})
    arn = f"arn:aws:cloudformation:{region}:{account}:stack/{stack}/{uuid('stack', account, stack)}"
    return Call(
        "cloudformation.amazonaws.com", "CreateStack", False, request, {"stackId": arn}, error
    )


def create_stack_set(name, template, more):
    request = {"stackSetName": name, "templateURL": template, **more}
    response = {"stackSetId": f"{name}:{uuid('stackset', name)}"}
    return Call("cloudformation.amazonaws.com", "CreateStackSet", False, request, response)


def compact(value):
    """JSON as CloudTrail writes it: no white space, text as it is."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def packed(data):
    """Gzip with an empty head: no time, no name, no system. Python's own head varies by release."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    body = deflate.compress(data) + deflate.flush()
    return head + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def write_tree(folder, files, unpack):
    """Makes `folder` hold exactly `files` ({path: bytes}), without touching what is right already.

    `unpack` gives the content of a compressed file. Where the content is the same the old file
    stays: compressors may change from one release to the next, and what they hold does not.
    """
    for old in sorted(folder.rglob("*"), reverse=True):
        if old.is_dir():
            if not any(old.iterdir()):
                old.rmdir()
        elif old.relative_to(folder).as_posix() not in files:
            old.unlink()
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            present = target.read_bytes()
            if present == content or unpack(path, present) == unpack(path, content):
                continue
        target.write_bytes(content)
