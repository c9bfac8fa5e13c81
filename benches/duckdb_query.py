"""The same detection as a window query in DuckDB, with which benches/run compares firstseen.

In: a file of CloudTrail events as NDJSON, and `flagship` or `broad`. Out: one JSON object with the
seconds that the query took and the alerts it found. Only the query is timed, not Python or the
library's start, and only the columns that it needs are read.
"""

import json
import sys
import time

import duckdb

COLUMNS = """{
    userIdentity: 'STRUCT("type" VARCHAR, accountId VARCHAR, userName VARCHAR,
                          sessionContext STRUCT(sessionIssuer STRUCT(userName VARCHAR)))',
    eventTime: 'TIMESTAMP', eventSource: 'VARCHAR', eventName: 'VARCHAR', eventID: 'VARCHAR',
    errorCode: 'VARCHAR', errorMessage: 'VARCHAR', recipientAccountId: 'VARCHAR'}"""

FILTERS = {
    "flagship": """eventSource = 'cloudformation.amazonaws.com'
        AND eventName IN ('CreateStack', 'CreateStackSet')
        AND errorCode IS NULL AND errorMessage IS NULL""",
    "broad": "true",
}

QUERY = """
WITH sighting AS (
    SELECT coalesce(userIdentity.accountId, recipientAccountId) AS account,
           CASE WHEN userIdentity."type" IN ('AssumedRole', 'FederatedUser')
                THEN userIdentity.sessionContext.sessionIssuer.userName
                ELSE userIdentity.userName END AS username,
           eventTime AS seen, eventID AS id
    FROM read_json(?, format = 'newline_delimited', columns = {columns})
    WHERE {filter}
), spaced AS (
    SELECT seen - lag(seen) OVER (PARTITION BY account, username ORDER BY seen, id) AS silence
    FROM sighting
    WHERE account IS NOT NULL AND username IS NOT NULL
)
SELECT count(*) FROM spaced WHERE silence IS NULL OR silence > INTERVAL 10 DAYS
"""


def main():
    path, rule = sys.argv[1:]
    connection = duckdb.connect(config={"threads": 1})
    query = QUERY.format(columns=COLUMNS, filter=FILTERS[rule])
    start = time.perf_counter()
    (alerts,) = connection.execute(query, [path]).fetchone()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "alerts": alerts, "version": duckdb.__version__}))


if __name__ == "__main__":
    main()
