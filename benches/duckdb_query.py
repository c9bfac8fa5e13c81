"""The same detections as window queries in DuckDB, beside which benches/run measures firstseen.

In: a file of CloudTrail events as NDJSON or a folder of S3 objects, `flagship`, `broad` or `flood`, and a number of
threads. Out: one JSON object with the seconds that the query took, without Python and the library's start, and the
alerts it found. Only the columns that it needs are read. Of a flood it writes each alert's six columns as JSON.
"""

import argparse
import json
import pathlib
import tempfile
import time

import duckdb

STRUCT = """
    userIdentity STRUCT("type" VARCHAR, accountId VARCHAR, userName VARCHAR,
                        sessionContext STRUCT(sessionIssuer STRUCT(userName VARCHAR))),
    eventTime TIMESTAMP, eventSource VARCHAR, eventName VARCHAR, eventID VARCHAR,
    errorCode VARCHAR, errorMessage VARCHAR, recipientAccountId VARCHAR"""

EVENTS = "read_json($path, format = 'newline_delimited', columns = {columns})"
RECORDS = """(SELECT unnest(Records, max_depth := 2)
     FROM read_json($path, columns = {{Records: '{struct}'}}))"""

FILTERS = {
    "flagship": """eventSource = 'cloudformation.amazonaws.com'
        AND eventName IN ('CreateStack', 'CreateStackSet')
        AND errorCode IS NULL AND errorMessage IS NULL""",
    "broad": "true",
    "flood": "true",
}
TERMS = {
    "flagship": "account, username",
    "broad": "account, username",
    "flood": "account, username, action",
}

QUERY = """
WITH sighting AS (
    SELECT coalesce(userIdentity.accountId, recipientAccountId) AS account,
           CASE WHEN userIdentity."type" IN ('AssumedRole', 'FederatedUser')
                THEN userIdentity.sessionContext.sessionIssuer.userName
                ELSE userIdentity.userName END AS username,
           eventTime AS seen, eventID AS id, eventName AS action, eventSource AS provider
    FROM {source}
    WHERE {filter}
), spaced AS (
    SELECT *, seen - lag(seen) OVER (PARTITION BY {terms} ORDER BY seen, id) AS silence
    FROM sighting
    WHERE account IS NOT NULL AND username IS NOT NULL
)
SELECT {result} FROM spaced WHERE silence IS NULL OR silence > INTERVAL 10 DAYS
"""

ALERT = "account, username, seen, id, action, provider"


def columns():
    """`name TYPE, ...` as the struct that read_json takes."""
    parts, depth, part = [], 0, ""
    for letter in STRUCT:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += letter
    named = (" ".join(column.split()).split(" ", 1) for column in [*parts, part])
    return "{" + ", ".join(f"{name}: '{kind}'" for name, kind in named) + "}"


def query(path, rule):
    """The query, and the value of its parameter."""
    if path.is_dir():
        source = RECORDS.format(struct=f"STRUCT({STRUCT})[]")
        path = path / "**" / "*.json.gz"
    else:
        source = EVENTS.format(columns=columns())
    result = ALERT if rule == "flood" else "count(*)"
    parts = {"source": source, "filter": FILTERS[rule], "terms": TERMS[rule], "result": result}
    return QUERY.format(**parts), {"path": str(path)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=pathlib.Path)
    parser.add_argument("rule", choices=sorted(FILTERS))
    parser.add_argument("threads", type=int, nargs="?", default=1)
    args = parser.parse_args()
    text, parameters = query(args.path, args.rule)
    with tempfile.TemporaryDirectory() as folder:
        if args.rule == "flood":
            text = f"COPY ({text}) TO '{folder}/alerts.json' (FORMAT json)"
        connection = duckdb.connect(config={"threads": args.threads})
        start = time.perf_counter()
        (alerts,) = connection.execute(text, parameters).fetchone()
        seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "alerts": alerts, "version": duckdb.__version__}))


if __name__ == "__main__":
    main()
