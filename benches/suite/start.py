"""Start: from the beginning of the process to its end, over one event that alerts.

In: the binary. Out: milliseconds with the compiled code in the cache, and without; and what `firstseen --version` takes,
which loads no rule.
"""

import json
import shutil
import statistics
import subprocess

from shared import CACHE, timed

WARM_ROUNDS = 20
COLD_ROUNDS = 5

EVENT = {
    "eventVersion": "1.11",
    "userIdentity": {
        "type": "IAMUser",
        "accountId": "111122223333",
        "arn": "arn:aws:iam::111122223333:user/alice",
        "userName": "alice",
    },
    "eventTime": "2025-03-03T09:14:55Z",
    "eventSource": "cloudformation.amazonaws.com",
    "eventName": "CreateStack",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "203.0.113.24",
    "eventID": "d18e2cf0-fa50-4638-a1f6-907d4b60ed7a",
    "recipientAccountId": "111122223333",
}


def start(firstseen):
    """{"warm": ms, "cold": ms, "version": ms}, medians of wall and of CPU time."""
    event, folder = CACHE / "one.ndjson", CACHE / "code"
    event.write_text(json.dumps(EVENT) + "\n")
    command = [firstseen, "run", "--threads", "1", "--cache", folder, event]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def once(command, cold):
        if cold:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        return timed(command, **quiet)

    def medians(command, rounds, cold):
        once(command, cold)
        runs = [once(command, cold) for _ in range(rounds)]
        wall, cpu, _ = zip(*runs, strict=True)
        ms = [statistics.median(times) * 1000 for times in (wall, cpu)]
        return {"ms": ms[0], "cpu_ms": ms[1], "rounds": rounds}

    return {
        "compiled code in the cache": medians(command, WARM_ROUNDS, False),
        "compiled code nowhere": medians(command, COLD_ROUNDS, True),
        "`firstseen --version`": medians([firstseen, "--version"], WARM_ROUNDS, False),
    }
