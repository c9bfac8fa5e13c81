"""Interleaved rounds: what is compared runs one after the other, again and again, so that a slow minute of the machine
affects all of it.

In: functions that each run one process. Out: the medians of what they measured, and the highest peak of memory.
"""

import statistics
import sys

# A run that takes longer is measured only so often.
LONG_SECONDS = 4.0
LONG_ROUNDS = 2


def measured(runs, rounds):
    """{name: medians} of {name: function}; each ran once before, which fills caches."""
    results = {name: [] for name in runs}
    warm = {}
    for name, run in runs.items():
        print(f"  {name}", file=sys.stderr)
        warm[name] = run()
    for number in range(rounds):
        for name, run in runs.items():
            if warm[name]["seconds"] > LONG_SECONDS and number >= LONG_ROUNDS:
                continue
            results[name].append(run())
    return {name: medians(of) for name, of in results.items()}


def medians(runs):
    """One result of several: medians, the highest peak, and what is the same in all."""
    first = runs[0]
    result = {key: value for key, value in first.items() if not isinstance(value, float)}
    for key in (key for key, value in first.items() if isinstance(value, float)):
        result[key] = statistics.median(run[key] for run in runs)
    result["peak"] = max(run["peak"] for run in runs)
    result["rounds"] = len(runs)
    for key in ("alerts", "events"):
        found = {run[key] for run in runs if key in run}
        if len(found) > 1:
            result[key] = sorted(found)
    return result
