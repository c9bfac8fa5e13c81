"""The WASI program in a runtime: the same alerts as `firstseen run`, restarts, kills, learning.

In: the binary, a command that runs MODULE FOLDER ARGUMENTS..., the runtime's name. Out: exit status 0
if the alerts are the same, byte for byte.
"""

import gzip
import json
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULE = ROOT / "plugin/rules/first_time_cloudformation_stack_creation.toml"


def sample():
    """The records of the sample folder, in order of time."""
    events = []
    for path in (ROOT / "samples/cloudtrail").rglob("*.gz"):
        events += json.loads(gzip.open(path).read()).get("Records", [])
    return sorted(events, key=lambda event: (event["eventTime"], event["eventID"]))


def larger(events, count):
    """Events of many users over a month, mixed with other events."""
    dice = random.Random(7)
    create = next(event for event in events if event["eventName"] == "CreateStack")
    others = [event for event in events if "Stack" not in event["eventName"]]
    for number in range(count):
        if number % 4:
            yield dice.choice(others)
            continue
        user = {"type": "IAMUser", "accountId": "1", "userName": f"u{dice.randrange(count // 20)}"}
        # In order: `run` expires terms by event time, the program only when its memory is full.
        day, minute = divmod(number * 29 * 1440 // count, 1440)
        time = f"2025-04-{day + 1:02}T{minute // 60:02}:{minute % 60:02}:00Z"
        yield {**create, "eventID": f"id{number}", "userIdentity": user, "eventTime": time}


def native(binary, wasm, lines):
    command = [binary, "run", "--rule", wasm, "--format", "ndjson", "-"]
    return subprocess.run(command, input=lines, check=True, capture_output=True).stdout


def program(command, wasm, folder, lines, *args):
    done = subprocess.run([*command, wasm, folder, *args], input=lines, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def killed(command, wasm, folder, lines):
    """Kills the program once it has answered the last of these lines; returns its output."""
    run = subprocess.Popen(
        [*command, wasm, folder, "--repeats"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    out = b""
    for line in lines:
        run.stdin.write(line)
        run.stdin.flush()
        # Each line gives an alert, which is written before the next line is sent.
        out += run.stdout.readline()
    # The alert is written before the state is committed; the kill may come in between.
    run.kill()
    out += run.stdout.read()
    run.wait()
    return out


def learning(binary, core, command, folder, rows):
    """A rule that learns, with a state in a folder: restarts, a kill, and events that come again.

    Nothing is learned twice, and nothing alerts that an undisturbed `firstseen run` has learned.
    """
    options = ["--learn-events", "150", "--learn-for", "3d"]
    wasm, events, state = folder / "learns.wasm", folder / "events.ndjson", folder / "learns"
    state.mkdir()
    build = [binary, "build", RULE, "--target", "wasi", "-o", wasm, *options]
    subprocess.run(build, check=True, capture_output=True)
    lines = [json.dumps(event).encode() + b"\n" for event in rows]
    events.write_bytes(b"".join(lines))
    run = [binary, "run", "--rule", core, "--format", "ndjson", *options, events]
    expected = subprocess.run(run, check=True, capture_output=True).stdout.splitlines()
    new = native(binary, core, events.read_bytes()).splitlines()
    assert 0 < len(expected) < len(new), "some terms are learned, and some are not"
    # The first event that alerts: the program is killed behind it.
    first = json.loads(expected[0])["event"]["id"]
    at = next(n for n, event in enumerate(rows) if event["eventID"] == first) + 1
    out = b""
    for begin, end in [(0, 100), (50, 400), (350, at - 1)]:
        out += program(command, wasm, state, b"".join(lines[begin:end]))
    assert out == b"", "it learned"
    with subprocess.Popen(
        [*command, wasm, state],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as run:
        run.stdin.write(lines[at - 1])
        run.stdin.flush()
        out += run.stdout.readline()
        run.kill()
    for begin, end in [(at - 200, at + 300), (at + 100, len(lines))]:
        out += program(command, wasm, state, b"".join(lines[begin:end]))
    # The alert before the kill comes again if its state was not written.
    assert list(dict.fromkeys(out.splitlines())) == expected, "learned by number and time"


def main(binary, name, *command):
    events = sample()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        core, wasm = folder / "rule.wasm", folder / "rule.wasi.wasm"
        for target, path in (("core", core), ("wasi", wasm)):
            build = [binary, "build", RULE, "--target", target, "-o", path]
            subprocess.run(build, check=True, capture_output=True)
        for number, rows in enumerate([events, list(larger(events, 20_000))]):
            lines = b"".join(json.dumps(event).encode() + b"\n" for event in rows)
            expected = native(binary, core, lines)
            state = folder / f"state{number}"
            state.mkdir()
            assert expected.count(b"\n") >= 7
            assert program(command, wasm, "-", lines) == expected, "in memory"
            assert program(command, wasm, state, lines) == expected, "in a folder"
            assert program(command, wasm, state, lines) == b"", "known after a restart"
            again = program(command, wasm, state, lines, "--repeats")
            # If a term alerted twice, the state holds only the later alert.
            assert again and set(again.splitlines()) <= set(expected.splitlines()), "repeats"

        # Each user once, so that each line gives one alert. After a kill behind any line, the same
        # input again: no alert is missing, and repeated alerts are the same.
        create = next(event for event in events if event["eventName"] == "CreateStack")
        user = {"type": "IAMUser", "accountId": "1"}
        rows = [
            {**create, "eventID": f"e{n}", "userIdentity": {**user, "userName": f"u{n}"}}
            for n in range(100)
        ]
        lines = [json.dumps(event).encode() + b"\n" for event in rows]
        expected = native(binary, core, b"".join(lines)).splitlines()
        assert len(expected) == len(lines)
        state, dice = folder / "killed", random.Random(11)
        state.mkdir()
        for _ in range(10):
            count = dice.randrange(1, 60)
            out = killed(command, wasm, state, lines[:count])
            assert out.splitlines() == expected[:count], "every line was answered"
        known = len(program(command, wasm, state, b"".join(lines)).splitlines())
        # All but the alerts that were written; one more if the kill came between alert and commit.
        assert known <= len(lines) - 40, f"{known} alerts came again or late"
        assert program(command, wasm, state, b"".join(lines)) == b""
        learning(binary, core, command, folder, list(larger(events, 3_000)))
    print(f"WASI, {name}: the alerts of `firstseen run`, restarts, 11 kills, learning")


main(*sys.argv[1:])
