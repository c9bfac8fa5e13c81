#!/usr/bin/env python3
"""Writes samples/cloudtrail and samples/expected.json: three weeks in two made-up accounts.

In: the scenes of story.py and everyday.py. Out: the same files in every run, in CloudTrail's layout in
S3, and the alerts that oracle.py finds in them.
"""

import sys

sys.dont_write_bytecode = True

import datetime
import gzip
import hashlib
import json
import pathlib

import oracle
from cast import EAST, IRELAND, MINUTE
from everyday import everyday, visits
from story import story
from trail import (
    SANDBOX,
    WORKLOAD,
    at,
    compact,
    digest,
    event,
    letters,
    packed,
    pick,
    stamp,
    write_tree,
)

HERE = pathlib.Path(__file__).resolve().parent
BUCKET = "example-org-cloudtrail"


def all_scenes():
    yield from story()
    yield from visits()
    places = [
        (WORKLOAD, EAST),
        (WORKLOAD, EAST),
        (WORKLOAD, IRELAND),
        (SANDBOX, EAST),
        (SANDBOX, IRELAND),
    ]
    for scene in range(80):
        yield everyday(*pick(places, "place", scene), scene)


def objects(scenes):
    """{(account, region, time of delivery): events}, each object's events out of order."""
    made = {}
    for start, account, region, steps in scenes:
        late = 2 if start == at("2025-03-06 10:12:02") else 0
        delivered = start.replace(minute=start.minute // 5 * 5, second=0) + (1 + late) * 5 * MINUTE
        bucket = made.setdefault((account, region, delivered), [])
        for seconds, actor, call in steps:
            time = start + datetime.timedelta(seconds=seconds)
            bucket.append(event(time, account, region, actor, call))
    for events in made.values():
        events.sort(key=lambda record: digest("order", record["eventID"]))
    return made


def object_path(account, region, delivered):
    unique = letters(16, account, region, delivered)
    name = f"{account}_CloudTrail_{region}_{delivered:%Y%m%dT%H%MZ}_{unique}"
    return f"AWSLogs/{account}/CloudTrail/{region}/{delivered:%Y/%m/%d}/{name}.json.gz"


def digest_file(account, region, day, contents):
    """What CloudTrail writes beside its objects to prove them unchanged. It holds no event."""
    end = day + datetime.timedelta(hours=23, minutes=40)
    listed = [
        {
            "s3Bucket": BUCKET,
            "s3Object": path,
            "hashValue": hashlib.sha256(content).hexdigest(),
            "hashAlgorithm": "SHA-256",
        }
        for path, content in sorted(contents.items())
        if f"/CloudTrail/{region}/{day:%Y/%m/%d}/" in path and f"/{account}/" in path
    ]
    name = f"{account}_CloudTrail-Digest_{region}_org-trail_{region}_{end:%Y%m%dT%H%M%SZ}.json.gz"
    path = f"AWSLogs/{account}/CloudTrail-Digest/{region}/{end:%Y/%m/%d}/{name}"
    content = {
        "awsAccountId": account,
        "digestStartTime": stamp(end - datetime.timedelta(hours=1)),
        "digestEndTime": stamp(end),
        "digestS3Bucket": BUCKET,
        "digestS3Object": path,
        "digestPublicKeyFingerprint": digest("key", account).hex()[:32],
        "digestSignatureAlgorithm": "SHA256withRSA",
        "previousDigestS3Bucket": None,
        "previousDigestS3Object": None,
        "logFiles": listed,
    }
    return path, compact(content).encode()


def main():
    made = objects(all_scenes())
    contents = {
        object_path(*place): compact({"Records": events}).encode()
        for place, events in sorted(made.items())
    }
    contents.update([digest_file(WORKLOAD, EAST, at("2025-03-06 00:00:00"), contents)])
    files = {path: packed(content) for path, content in contents.items()}
    write_tree(HERE / "cloudtrail", files, lambda _, data: gzip.decompress(data))

    events = [record for group in made.values() for record in group]
    ids = {record["eventID"] for record in events}
    if len(ids) != len(events):
        sys.exit("two events share an id: give their calls different times")
    alerts, counts = oracle.expected(events)
    expected = {"alerts": alerts, "counts": {**counts, "no_events": 1, "files": len(files)}}
    (HERE / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    main()
