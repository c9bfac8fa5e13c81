"""Cost against size, threads, rules and terms.

In: the binary, the largest size in MB. Out: {plot: {series: [[x, y], ...]}}. Each point is the better of two runs:
a curve shows how a cost grows, and a slow minute is not part of that.
"""

import os
import shutil
import subprocess
import sys

from many_rules import rules as made_up_rules
from shared import CACHE, HERE, call, run_firstseen, timed
from suite.data import ndjson, s3_objects
from suite.rows import rules, size

REPEATS = 2
SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4000]
RULES = [1, 10, 50, 200]
# The compiled code of more does not fit the cache.
MOST_SIDE_BY_SIDE = 50
SEED = 20261123
# From few distinct terms to one for each event.
TERMS = {
    "actions": ["event.action"],
    "principals": ["cloud.account.id", "user.name"],
    "actions of a principal": ["cloud.account.id", "user.name", "event.action"],
    "events": ["event.id"],
}
NO_ALERTS = ["--learn-until", "2099-01-01T00:00:00Z"]


def best(run):
    return min((run() for _ in range(REPEATS)), key=lambda result: result["seconds"])


def sweeps(firstseen, rivals, sizes, most):
    """All of them."""
    built = rules(firstseen)
    return {
        "size": against_size(firstseen, built, rivals, sizes, most),
        "threads": against_threads(firstseen, built, sizes),
        "rules": against_rules(firstseen, sizes),
        "terms": against_terms(firstseen, sizes),
    }


def against_size(firstseen, built, rivals, sizes, most):
    """Seconds of whole processes, one thread."""
    series = {"firstseen, flagship": [], "firstseen, every event matches": []}
    series |= {"DuckDB, every event matches": []}
    for megabytes in (megabytes for megabytes in SIZES if megabytes <= most):
        print(f"size: {megabytes} MB", file=sys.stderr)
        data = ndjson(megabytes)
        runs = (
            lambda data=data: run_firstseen(firstseen, data),
            lambda data=data: run_firstseen(firstseen, data, [built["broad"]]),
            lambda data=data: rivals.duckdb(data, "broad", 1),
        )
        for line, run in zip(series.values(), runs, strict=True):
            line.append([data.stat().st_size, best(run)["seconds"]])
        if megabytes not in sizes.values():
            data.unlink()
    return series


def against_threads(firstseen, built, sizes):
    """GB/s, unpacked, with so many threads on as many cores."""
    data, objects = ndjson(sizes["ndjson"]), s3_objects(sizes["s3"])
    work = {
        "flagship, NDJSON": (data, ()),
        "flagship, S3 objects": (objects, ()),
        "every event matches, NDJSON": (data, [built["broad"]]),
    }
    series = {name: [] for name in work}
    count = 1
    while count <= (os.cpu_count() or 1):
        print(f"threads: {count}", file=sys.stderr)
        for name, (path, artifacts) in work.items():
            run = best(
                lambda p=path, a=artifacts, n=count: run_firstseen(firstseen, p, a, threads=n)
            )
            series[name].append([count, size(path) / run["seconds"] / 1e9])
        count *= 2
    return series


def against_rules(firstseen, sizes):
    """CPU seconds of one run over all rules, as a pack and side by side."""
    data, folder = ndjson(sizes["rules"]), CACHE / "sweep-rules"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sources = []
    for number, (_, text) in enumerate(made_up_rules(max(RULES), SEED)):
        sources.append(folder / f"{number:03}.toml")
        sources[-1].write_text(text)
    few = sources[:MOST_SIDE_BY_SIDE]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    singles = folder / "out"
    timed([firstseen, "build", *few, "-o", singles], **quiet)
    artifacts = [singles / source.with_suffix(".wasm").name for source in few]
    series = {"one pack": [], "side by side": []}
    for count in RULES:
        print(f"rules: {count}", file=sys.stderr)
        pack = folder / f"pack-{count}.wasm"
        timed([firstseen, "build", "--pack", *sources[:count], "-o", pack], **quiet)
        ways = [[pack]] if count > MOST_SIDE_BY_SIDE else [[pack], artifacts[:count]]
        for line, of in zip(series.values(), ways, strict=False):
            run_firstseen(firstseen, data, of)
            run = min((run_firstseen(firstseen, data, of) for _ in range(REPEATS)), key=cpu)
            line.append([count, run["cpu"]])
    return series


def cpu(run):
    return run["cpu"]


def against_terms(firstseen, sizes):
    """Microseconds of CPU for an event that matches, by how many terms are new; none alerts."""
    data = ndjson(sizes["ndjson"])
    broad = (HERE / "rules" / "broad.toml").read_text()
    line = []
    for name, fields in TERMS.items():
        print(f"terms: {name}", file=sys.stderr)
        listed = ", ".join(f'"{field}"' for field in fields)
        source, artifact = CACHE / "terms.toml", CACHE / "terms.wasm"
        source.write_text(broad.replace('"cloud.account.id", "user.name"', listed))
        call([firstseen, "build", source, "-o", artifact], stderr=subprocess.DEVNULL)
        run = min(
            (run_firstseen(firstseen, data, [artifact], more=NO_ALERTS) for _ in range(REPEATS)),
            key=cpu,
        )
        line.append([run["learned"], run["cpu"] / run["events"] * 1e6])
    return {"CPU of an event": sorted(line)}
