"""Where the time goes: `firstseen bench` over the same data, one thread.

In: the binary, data. Out: its results, by work.
"""

import json
import subprocess

from shared import call
from suite.data import ndjson, s3_objects
from suite.rows import rules


def stages(firstseen, sizes, rounds):
    """{work: the result of `firstseen bench`}."""
    built = rules(firstseen)
    data, objects = ndjson(sizes["ndjson"]), s3_objects(sizes["s3"])
    work = {
        "flagship, NDJSON": [data],
        "flagship, S3 objects": [objects],
        "every event matches": [data, "--rule", built["broad"]],
        "many alerts": [data, "--rule", built["flood"]],
    }
    command = [firstseen, "bench", "--threads", "1", "--rounds", str(rounds), "--format", "json"]
    return {
        name: json.loads(call([*command, *of], stdout=subprocess.PIPE).stdout)
        for name, of in work.items()
    }
