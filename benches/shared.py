"""Shared code of the benchmarks: building, and timing one process on one core.

In: commands. Out: seconds, peak memory, what a run counted. A step that cannot be done ends the
benchmark with status 2 and the reason.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = HERE / "cache"
CORE = ["taskset", "-c", "0"]


def on_cores(count):
    """The beginning of a command that may use so many cores, as far as there are so many."""
    return CORE if count == 1 else ["taskset", "-c", f"0-{min(count, os.cpu_count() or 1) - 1}"]


def fail(reason):
    print(f"{pathlib.Path(sys.argv[0]).name}: {reason}", file=sys.stderr)
    sys.exit(2)


def call(command, **options):
    """Runs a step of the preparation; exits if it fails."""
    print("+", " ".join(str(part) for part in command), file=sys.stderr)
    try:
        return subprocess.run(command, check=True, **options)
    except FileNotFoundError:
        fail(f"{command[0]} is not installed")
    except subprocess.CalledProcessError as error:
        fail(f"{command[0]} ended with status {error.returncode}")


def built(manifest, *what):
    """The release binary of a manifest, at the path that cargo reports."""
    call(["cargo", "build", "--release", "--locked", "--manifest-path", manifest, *what])
    command = [
        "cargo",
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--manifest-path",
        manifest,
    ]
    metadata = json.loads(call(command, stdout=subprocess.PIPE).stdout)
    return pathlib.Path(metadata["target_directory"]) / "release"


def firstseen_binary():
    return built(ROOT / "Cargo.toml", "-p", "firstseen") / "firstseen"


def generated(megabytes, path):
    """Generates CloudTrail of this size."""
    CACHE.mkdir(exist_ok=True)
    generate = built(HERE / "generate" / "Cargo.toml") / "generate"
    with path.open("wb") as out:
        call([generate, str(megabytes)], stdout=out)


def timed(command, cores=1, **options):
    """Seconds, CPU seconds and peak memory in KiB of one process, on one core or on so many."""
    start = time.perf_counter()
    child = subprocess.Popen([*on_cores(cores), *map(str, command)], **options)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        fail(f"{' '.join(map(str, command))} ended with status {child.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def run_firstseen(binary, data, rules=(), output="/dev/null", threads=1, more=()):
    """A run with a state in memory; the default rule is the built-in one."""
    summary = CACHE / "summary.json"
    command = [binary, "run", "--format", "ndjson", "--output", output, "--summary", summary]
    command += ["--state", "memory:", "--threads", str(threads), *more]
    for rule in rules:
        command += ["--rule", rule]
    seconds, cpu, peak = timed([*command, data], cores=threads, stderr=subprocess.DEVNULL)
    counts = json.loads(summary.read_text())
    return {
        "seconds": seconds,
        "cpu": cpu,
        "peak": peak,
        "alerts": counts["alerts"],
        "events": counts["events"],
        "learned": counts["learned"],
    }
