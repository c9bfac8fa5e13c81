"""The rows of the table: each kind of work, by firstseen and by its rivals in the same rounds.

In: the binary, the rivals, sizes. Out: a record for each row, as suite/page.py shows it.
"""

import os
import sys

from shared import CACHE, HERE, call, run_firstseen
from suite.data import ndjson, s3_objects
from suite.rounds import measured


def threads():
    """1, and 2 where there are two processors."""
    return [1, 2] if (os.cpu_count() or 1) > 1 else [1]


def rules(firstseen):
    """Artifacts of the rules in benches/rules, so that no run builds one."""
    built = {}
    for name in ("broad", "flood"):
        built[name] = CACHE / f"{name}.wasm"
        call([firstseen, "build", HERE / "rules" / f"{name}.toml", "-o", built[name]])
    return built


def all_rows(firstseen, rivals, sizes, rounds):
    """Measures every row."""
    built = rules(firstseen)
    data, objects = ndjson(sizes["ndjson"]), s3_objects(sizes["s3"])

    def ours(path, rule=None):
        artifacts = [built[rule]] if rule else []
        return {
            f"firstseen {count}": lambda count=count: run_firstseen(
                firstseen, path, artifacts, output=CACHE / "alerts.ndjson", threads=count
            )
            for count in threads()
        }

    def databases(path, rule, with_chdb):
        runs = {
            f"DuckDB {count}": lambda count=count: rivals.duckdb(path, rule, count)
            for count in threads()
        }
        if with_chdb and rivals.has_chdb:
            runs["chDB 1"] = lambda: rivals.chdb(path, rule, 1)
        return runs

    filters = {
        "grep -c CreateStack": lambda: rivals.grep(data),
        "read and memmem": lambda: rivals.scan_loop(data),
    }
    if rivals.has_jaq:
        filters["jaq, the query alone"] = lambda: rivals.jaq_filter(data)
    work = {
        "flagship, NDJSON": (
            data,
            {**ours(data), **databases(data, "flagship", True), **filters},
        ),
        "flagship, S3 objects, gzip, `Records`": (
            objects,
            {
                **ours(objects),
                **databases(objects, "flagship", False),
                "zcat": lambda: rivals.zcat(objects),
            },
        ),
        "every event matches, few terms": (
            data,
            {**ours(data, "broad"), **databases(data, "broad", True)},
        ),
        "every event matches, many alerts": (
            data,
            {**ours(data, "flood"), **databases(data, "flood", False)},
        ),
    }
    rows = []
    for name, (path, runs) in work.items():
        print(f"{name}:", file=sys.stderr)
        rows.append({"work": name, "bytes": size(path), "runs": measured(runs, rounds)})
    return rows


def size(path):
    """Unpacked bytes."""
    if path.is_dir():
        return size_of_records(path)
    return path.stat().st_size


def size_of_records(folder):
    # The last four bytes of a gzip member.
    tails = (path.read_bytes()[-4:] for path in folder.rglob("*.json.gz"))
    return sum(int.from_bytes(tail, "little") for tail in tails)


def disagreements(rows):
    """Rows whose runs found different numbers of alerts."""
    for row in rows:
        runs = row["runs"].items()
        found = {name: run["alerts"] for name, run in runs if "alerts" in run}
        if len({str(alerts) for alerts in found.values()}) > 1:
            yield f"{row['work']}: the numbers of alerts differ: {found}"
