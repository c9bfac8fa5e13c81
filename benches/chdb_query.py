"""The same detections as window queries in chDB (ClickHouse as a library), beside which benches/run measures firstseen.

In: a file of CloudTrail events as NDJSON, `flagship` or `broad`, and a number of threads. Out: one JSON object with
the seconds that the query took, without Python and the library's start, and the alerts it found.
"""

import json
import sys
import time

import chdb

STRUCTURE = """userIdentity Tuple(type Nullable(String), accountId Nullable(String), userName Nullable(String),
        sessionContext Tuple(sessionIssuer Tuple(userName Nullable(String)))),
    eventTime DateTime64(3, \\'UTC\\'), eventSource String, eventName String, eventID String,
    errorCode Nullable(String), errorMessage Nullable(String), recipientAccountId Nullable(String)"""

FILTERS = {
    "flagship": """eventSource = 'cloudformation.amazonaws.com'
        AND eventName IN ('CreateStack', 'CreateStackSet')
        AND errorCode IS NULL AND errorMessage IS NULL""",
    "broad": "1",
}

QUERY = """
WITH sighting AS (
    SELECT coalesce(userIdentity.accountId, recipientAccountId) AS account,
           if(userIdentity.type IN ('AssumedRole', 'FederatedUser'),
              userIdentity.sessionContext.sessionIssuer.userName, userIdentity.userName) AS username,
           eventTime AS seen, eventID AS id
    FROM file('{path}', JSONEachRow, '{structure}')
    WHERE {filter}
), spaced AS (
    SELECT seen, lagInFrame(toNullable(seen)) OVER (
        PARTITION BY account, username ORDER BY seen, id
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before
    FROM sighting
    WHERE account IS NOT NULL AND username IS NOT NULL
)
SELECT count() FROM spaced WHERE before IS NULL OR seen > before + INTERVAL 10 DAY
SETTINGS max_threads = {threads}, max_parsing_threads = {threads}, input_format_skip_unknown_fields = 1,
    date_time_input_format = 'best_effort'
"""


def main():
    path, rule, threads = sys.argv[1:]
    text = QUERY.format(path=path, structure=STRUCTURE, filter=FILTERS[rule], threads=int(threads))
    start = time.perf_counter()
    alerts = int(str(chdb.query(text, "CSV")).strip())
    seconds = time.perf_counter() - start
    print(
        json.dumps({"seconds": seconds, "alerts": alerts, "version": ".".join(chdb.chdb_version)})
    )


if __name__ == "__main__":
    main()
