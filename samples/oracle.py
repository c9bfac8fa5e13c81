"""The flagship rule by brute force: the alerts that firstseen must find.

In: raw CloudTrail events in any order. Out: the alerts and the counts. It shares no code with
firstseen: it has no query language and no state, and compares every pair of events.
"""

import datetime

WINDOW = datetime.timedelta(days=10)
_EMPTY = (None, "", "-", "none", {}, [])


def _time(event):
    return datetime.datetime.fromisoformat(event["eventTime"].replace("Z", "+00:00"))


def _matches(event):
    return (
        event["eventSource"] == "cloudformation.amazonaws.com"
        and event["eventName"] in ("CreateStack", "CreateStackSet")
        and event.get("errorCode") in _EMPTY
        and event.get("errorMessage") in _EMPTY
    )


def account_of(event):
    return event["userIdentity"].get("accountId") or event.get("recipientAccountId")


def user_of(event):
    """The name by which Elastic knows the caller, or None: a service is no user."""
    identity = event["userIdentity"]
    if identity["type"] not in ("AssumedRole", "FederatedUser"):
        return identity.get("userName")
    issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
    if identity["type"] == "AssumedRole" and ":role/aws-service-role/" in issuer.get("arn", ""):
        return None
    return issuer.get("userName")


def expected(events):
    """The alerts in order of time, and the counts."""
    matched = sorted(filter(_matches, events), key=_time)
    known = [event for event in matched if account_of(event) and user_of(event)]
    alerts = []
    for event in known:
        term = (account_of(event), user_of(event))
        before = [
            _time(other)
            for other in known
            if (account_of(other), user_of(other)) == term and _time(other) < _time(event)
        ]
        # Both ends of the window count: a sighting exactly one window ago is still seen.
        if not any(time >= _time(event) - WINDOW for time in before):
            previous = max(before, default=None)
            alerts.append(
                {
                    "event_id": event["eventID"],
                    "time": event["eventTime"],
                    "account": term[0],
                    "user": term[1],
                    "previous_sighting": previous and previous.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            )
    counts = {
        "events": len(events),
        "matched": len(matched),
        "alerts": len(alerts),
        "missing_terms": len(matched) - len(known),
        "bad": 0,
    }
    return alerts, counts
