"""The story in which the flagship rule must alert; README.md summarises it.

A scene is a time, an account, a region, and a list of steps: seconds after that time, actor, call.
"""

from calls import (
    attach_policy,
    caller_identity,
    change_set,
    console_login,
    create_bucket,
    create_role,
    denied,
    describe_stacks,
    read_events,
    update_stack,
    validate,
)
from cast import (
    CFN,
    EAST,
    IRELAND,
    TEMPLATES,
    VPN,
    administrator,
    alice,
    bob,
    carol,
    pipeline,
    sandbox_root,
    stack_sets,
)
from trail import SANDBOX, WORKLOAD, Call, at, create_stack, create_stack_set, uuid


def story():
    """Scenes: when, account, region, then for each call its seconds after that, who, and what."""
    t = at("2025-03-03 09:14:07")
    network = f"{TEMPLATES}/network-base.yaml"
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (0, alice(t), caller_identity()),
            (21, alice(t), validate(network)),
            (
                48,
                alice(t),
                create_stack(
                    WORKLOAD,
                    EAST,
                    "network-base",
                    template=network,
                    more={
                        "capabilities": ["CAPABILITY_IAM"],
                        "parameters": [{"parameterKey": "VpcCidr", "parameterValue": "****"}],
                    },
                ),
            ),
            (79, alice(t), describe_stacks("network-base")),
            (140, alice(t), read_events("network-base")),
        ],
    )
    t = at("2025-03-04 10:02:11")
    service = f"{TEMPLATES}/checkout-service.yaml"
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (0, pipeline(t), caller_identity()),
            (4, pipeline(t), validate(service)),
            (
                9,
                pipeline(t),
                create_stack(
                    WORKLOAD,
                    EAST,
                    "checkout-service",
                    template=service,
                    more={
                        "capabilities": ["CAPABILITY_NAMED_IAM"],
                        "roleARN": f"arn:aws:iam::{WORKLOAD}:role/cfn-execution",
                        "tags": [{"key": "team", "value": "checkout"}],
                    },
                ),
            ),
            (15, pipeline(t, CFN), create_role(WORKLOAD, "checkout-service-task")),
            (31, pipeline(t, CFN), create_bucket("example-org-checkout-assets")),
            (62, pipeline(t), describe_stacks("checkout-service")),
        ],
    )
    # A failure is not a sighting: Bob's first success, the day after, is still new.
    t = at("2025-03-05 15:31:40")
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (0, bob(t), describe_stacks()),
            (
                35,
                bob(t),
                create_stack(
                    WORKLOAD,
                    EAST,
                    "bob-playground",
                    error=denied(
                        bob(t), WORKLOAD, EAST, "cloudformation:CreateStack", "bob-playground"
                    ),
                ),
            ),
            (
                95,
                bob(t),
                create_stack(
                    WORKLOAD,
                    EAST,
                    "network-base",
                    error=("AlreadyExistsException", "Stack [network-base] already exists"),
                ),
            ),
        ],
    )
    # Delivered ten minutes late, in its own object, after his second stack (see objects()).
    t = at("2025-03-06 10:12:02")
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (
                0,
                bob(t),
                create_stack(
                    WORKLOAD, EAST, "bob-playground", template=f"{TEMPLATES}/playground.yaml"
                ),
            ),
            (25, bob(t), describe_stacks("bob-playground")),
        ],
    )
    t = at("2025-03-06 10:14:20")
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (0, bob(t), describe_stacks("bob-playground")),
            (
                14,
                bob(t),
                create_stack(
                    WORKLOAD, EAST, "bob-playground-2", template=f"{TEMPLATES}/playground.yaml"
                ),
            ),
            (30, bob(t), read_events("bob-playground-2")),
        ],
    )
    # In the region that sorts first: read in the order of paths, this would look like the first.
    t = at("2025-03-06 16:41:00")
    yield (
        t,
        WORKLOAD,
        IRELAND,
        [
            (0, alice(t), create_stack(WORKLOAD, IRELAND, "network-base", template=network)),
            (44, alice(t), describe_stacks("network-base")),
        ],
    )
    t = at("2025-03-06 17:05:30")
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (
                0,
                pipeline(t),
                create_stack(
                    WORKLOAD, EAST, "checkout-alarms", template=f"{TEMPLATES}/alarms.yaml"
                ),
            ),
            (8, pipeline(t), describe_stacks("checkout-alarms")),
        ],
    )
    # The same name in another account is another term.
    t = at("2025-03-10 11:20:15")
    yield (
        t,
        SANDBOX,
        EAST,
        [
            (0, alice(t, SANDBOX), caller_identity()),
            (
                33,
                alice(t, SANDBOX),
                create_stack(
                    SANDBOX,
                    EAST,
                    "alice-experiment",
                    more={"onFailure": "DELETE", "timeoutInMinutes": 15},
                ),
            ),
            (70, alice(t, SANDBOX), read_events("alice-experiment")),
        ],
    )
    # A StackSet, and what CloudFormation then does with it in the other account.
    t = at("2025-03-11 13:37:52")
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (0, administrator(t), describe_stacks()),
            (
                66,
                administrator(t),
                create_stack_set(
                    "org-guardrails",
                    f"{TEMPLATES}/guardrails.yaml",
                    {
                        "permissionModel": "SERVICE_MANAGED",
                        "autoDeployment": {"enabled": True, "retainStacksOnAccountRemoval": False},
                        "capabilities": ["CAPABILITY_NAMED_IAM"],
                        "clientRequestToken": uuid("token", "org-guardrails"),
                    },
                ),
            ),
            (
                92,
                administrator(t),
                Call(
                    CFN,
                    "CreateStackInstances",
                    False,
                    {
                        "stackSetName": "org-guardrails",
                        "regions": [EAST],
                        "deploymentTargets": {"organizationalUnitIds": ["ou-ab12-example1"]},
                    },
                    {"operationId": uuid("operation", "org-guardrails")},
                ),
            ),
        ],
    )
    t = at("2025-03-11 13:41:10")
    guardrails = f"StackSet-org-guardrails-{uuid('stackset', 'org-guardrails')}"
    yield (
        t,
        SANDBOX,
        EAST,
        [
            (
                0,
                stack_sets(t),
                create_stack(
                    SANDBOX,
                    EAST,
                    guardrails,
                    more={"capabilities": ["CAPABILITY_NAMED_IAM"], "disableRollback": False},
                ),
            ),
            (21, stack_sets(t), create_role(SANDBOX, "org-guardrails-audit")),
        ],
    )
    t = at("2025-03-11 18:22:40")
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (0, pipeline(t), create_stack(WORKLOAD, EAST, "checkout-service-v2", template=service)),
            (
                6,
                pipeline(t, CFN),
                create_stack(
                    WORKLOAD,
                    EAST,
                    "checkout-service-v2-Queue-1XAMPLE",
                    template=f"{TEMPLATES}/queue.yaml",
                ),
            ),
            (40, pipeline(t), describe_stacks("checkout-service-v2")),
        ],
    )
    # Near misses: neither call is in the query, so Alice's silence goes on.
    t = at("2025-03-12 09:50:00")
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (0, alice(t), change_set(WORKLOAD, EAST, "network-base")),
            (55, alice(t), update_stack(WORKLOAD, EAST, "network-base", network)),
            (99, alice(t), read_events("network-base")),
        ],
    )
    # Root has no user.name: it matches, and cannot alert.
    t = at("2025-03-13 22:48:19")
    yield (
        t,
        SANDBOX,
        EAST,
        [
            (0, sandbox_root(t), console_login("No")),
            (
                110,
                sandbox_root(t),
                create_stack(
                    SANDBOX,
                    EAST,
                    "emergency-access",
                    template=f"{TEMPLATES}/break-glass.yaml",
                    more={"capabilities": ["CAPABILITY_IAM"]},
                ),
            ),
            (160, sandbox_root(t), read_events("emergency-access")),
        ],
    )
    # The one to look at: odd hour, odd network, somebody else's bucket, rights raised after it.
    t = at("2025-03-14 03:06:44")
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (0, carol(t), caller_identity()),
            (
                12,
                carol(t),
                Call(
                    "iam.amazonaws.com",
                    "ListRoles",
                    True,
                    None,
                    None,
                    (
                        "AccessDenied",
                        f"User: {carol(t).identity['arn']} is not authorized to perform: "
                        f"iam:ListRoles on resource: arn:aws:iam::{WORKLOAD}:role/",
                    ),
                ),
            ),
            (
                47,
                carol(t),
                create_stack(
                    WORKLOAD,
                    EAST,
                    "metrics-exporter",
                    template="https://cdn-metrics-7f3a.s3.amazonaws.com/exporter.yaml",
                    more={"capabilities": ["CAPABILITY_NAMED_IAM"], "disableRollback": True},
                ),
            ),
            (61, carol(t), create_role(WORKLOAD, "metrics-exporter-role")),
            (64, carol(t), attach_policy("metrics-exporter-role")),
            (120, carol(t), describe_stacks("metrics-exporter")),
        ],
    )
    # Bob again, nine days after his last one: seen.
    t = at("2025-03-15 08:55:21")
    yield (
        t,
        WORKLOAD,
        IRELAND,
        [
            (
                0,
                bob(t),
                create_stack(
                    WORKLOAD, IRELAND, "bob-playground-3", template=f"{TEMPLATES}/playground.yaml"
                ),
            ),
            (18, bob(t), describe_stacks("bob-playground-3")),
        ],
    )
    # Alice again, after more than twelve days of silence in this account: new once more.
    t = at("2025-03-19 14:29:33")
    yield (
        t,
        WORKLOAD,
        IRELAND,
        [
            (0, alice(t, address=VPN), validate(f"{TEMPLATES}/data-lake.yaml")),
            (
                31,
                alice(t, address=VPN),
                create_stack(
                    WORKLOAD,
                    IRELAND,
                    "data-lake",
                    template=f"{TEMPLATES}/data-lake.yaml",
                    more={"capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]},
                ),
            ),
            (80, alice(t, address=VPN), read_events("data-lake")),
        ],
    )
    t = at("2025-03-20 09:12:05")
    yield (
        t,
        WORKLOAD,
        EAST,
        [
            (0, pipeline(t), create_stack(WORKLOAD, EAST, "checkout-service-v3", template=service)),
            (50, pipeline(t), describe_stacks("checkout-service-v3")),
        ],
    )
