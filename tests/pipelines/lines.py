"""What the tests of programs that write lines to firstseen share: events, a rule, folders, waiting.

In: the path of the firstseen binary. Out: a folder with a small rule in it, events as lines, the alerts
that a file holds. A process is ended by its number, and only if the test started it.
"""

import contextlib
import functools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIGURATIONS = ROOT / "docs/pipelines/pipes"
PATIENCE = 120
# What can be under way when firstseen is killed: a full pipe (64 KiB), and as much that was read from it.
UNDER_WAY = 2 * (64 << 10)

# Each user is new once, so that each event of a burst alerts. Small alerts: bursts are large.
RULE = """
[rule]
rule_id = "00000000-0000-4000-8000-0000000000aa"
name = "Test: each user once"
type = "new_terms"
language = "kuery"
severity = "low"
risk_score = 21
query = "event.provider: cloudformation.amazonaws.com and event.action: CreateStack"

[rule.new_terms]
field = "new_terms_fields"
value = ["cloud.account.id", "user.name"]

[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-10d"
"""


def event(number, user, action="CreateStack", padding=10):
    """A CloudTrail event, as one line without its end."""
    return json.dumps(
        {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "IAMUser",
                "accountId": "111122223333",
                "userName": user,
            },
            "eventTime": f"2025-04-01T{8 + number // 3600 % 12:02}:{number // 60 % 60:02}:{number % 60:02}Z",
            "eventSource": "cloudformation.amazonaws.com",
            "eventName": action,
            "eventID": f"e{number}",
            "requestParameters": {"stackName": "x" * padding},
            "recipientAccountId": "111122223333",
        }
    )


def burst(first, count):
    """Events that all alert."""
    return [event(number, f"user-{number}") for number in range(first, first + count)]


@functools.cache
def id_of(line):
    """The id of an alert's event or of an event; nothing of a line that was cut short."""
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document.get("eventID") or document["kibana.alert.ancestors"][0]["id"]


def ids(lines):
    """The ids of alerts or events, in their order."""
    return [number for line in lines if (number := id_of(line))]


def by_id(alerts):
    """The alerts by their ids; what is there more than once has the same bytes."""
    text_of = {}
    for line in alerts:
        for number in ids([line]):
            assert text_of.setdefault(number, line) == line, f"{number} alerts in two ways"
    return text_of


class Growing:
    """A file of lines that somebody appends to: what is new is read, and no line twice."""

    def __init__(self, path):
        self.path = path
        self.forget()

    def forget(self):
        """The file is read from its beginning again: somebody may have cut it back."""
        self.offset, self.open, self.lines = 0, b"", []

    def read(self):
        """All lines so far."""
        if self.path.exists():
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                new = file.read()
            self.offset += len(new)
            *whole, self.open = (self.open + new).split(b"\n")
            self.lines += whole
        return self.lines


def wait_for(what, check, process=None):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if check():
            return
        if process is not None and process.poll() is not None:
            raise SystemExit(f"{what}: the program ended with {process.returncode}")
        time.sleep(0.05)
    raise SystemExit(f"{what}: not within {PATIENCE} s")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def folder(name):
    """A folder that is removed if nothing went wrong in it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"firstseen-{name}-"))
    try:
        yield path
    except BaseException:
        print(f"{name}: see {path}")
        raise
    shutil.rmtree(path)


def stop(process, log):
    """Ends a process, and the log that it writes; its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    status = process.wait(PATIENCE)
    log.close()
    return status


class Firstseen:
    """The binary, with a cache and a rule of its own."""

    def __init__(self, binary, home):
        self.binary, self.home = pathlib.Path(binary).resolve(), home
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(home / "cache")}
        (home / "rule.toml").write_text(RULE)
        self.rule = home / "rule.wasm"
        self.run("build", home / "rule.toml", "-o", self.rule, "--quiet")

    def run(self, *arguments):
        command = [self.binary, *arguments]
        done = subprocess.run(command, check=True, env=self.environment, stdout=subprocess.PIPE)
        return done.stdout.splitlines()

    def configuration(self, name, changes):
        """The documented configuration, with this machine's paths in it."""
        text = (CONFIGURATIONS / name).read_text()
        changes = [
            ("/usr/local/bin/firstseen run -", f"{self.binary} run - --rule {self.rule}"),
            ("/var/lib/firstseen/", f"{self.home}/"),
            ("/var/log/firstseen/", f"{self.home}/"),
            *changes,
        ]
        for old, new in changes:
            assert old in text, f"{name} does not have {old}"
            text = text.replace(old, new)
        path = self.home / name
        path.write_text(text)
        return path


def child(parent, name):
    """The process of this name that `parent` started, itself or through a shell; nothing if it has none."""
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            text = (entry / "stat").read_text()
            if int(text.rpartition(")")[2].split()[1]) == parent:
                if (entry / "exe").resolve().name == name:
                    return int(entry.name)
                if found := child(int(entry.name), name):
                    return found
    return None


class Server:
    """A program that takes lines over TCP and starts firstseen."""

    def __init__(self, command, firstseen, port, log):
        self.firstseen, self.port = firstseen, port
        self.log = open(log, "ab")
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, env=firstseen.environment
        )
        wait_for(f"{command[0]} listens", lambda: is_listening(port), self.process)

    def send(self, lines, prefix="<134>Apr  1 08:00:00 host cloudtrail: "):
        text = "".join(f"{prefix}{line}\n" for line in lines).encode()
        with socket.create_connection(("127.0.0.1", self.port)) as to:
            to.sendall(text)

    def kill_firstseen(self):
        number = child(self.process.pid, self.firstseen.binary.name)
        assert number is not None, "firstseen does not run"
        os.kill(number, signal.SIGKILL)

    def stop(self):
        return stop(self.process, self.log)


def burst_and_kill(server, alerts, count, say):
    """A burst of which nothing may be lost; one with firstseen killed in it, sent again afterwards."""
    first = burst(0, count)
    server.send(first)
    wait_for("the alerts of the burst", lambda: len(alerts.read()) >= count, server.process)
    assert sorted(ids(alerts.read())) == sorted(ids(first)), "a burst alerts, each event once"

    second = burst(count, count)
    # The last alert says that all before it went through: there is one process, which keeps the order.
    mark = event(2 * count, "mark")
    # On one connection: of two, either may be read first.
    sender = threading.Thread(target=server.send, args=([*second, mark],))
    sender.start()
    wait_for("some alerts", lambda: len(alerts.read()) > count + count // 10, server.process)
    server.kill_firstseen()
    sender.join()
    # The next firstseen cuts off what the killed one wrote and did not commit; those alerts come again.
    wait_for("the mark", lambda: ids(alerts.read()[-1:]) == ids([mark]), server.process)
    alerts.forget()
    missing = set(ids(second)) - set(ids(alerts.read()))
    assert len(missing) <= UNDER_WAY // len(second[0]), f"{len(missing)} events lost"

    server.send([*second, event(2 * count + 1, "another mark")])
    wait_for("the other mark", lambda: ids(alerts.read()[-1:]) == [f"e{2 * count + 1}"], server.process)
    alerts.forget()
    text_of = by_id(alerts.read())
    assert not set(ids(second)) - set(text_of), "an event that was sent again does not alert"
    doubled = len(ids(alerts.read())) - len(text_of)
    say(
        f"{count} events, {count} alerts; {count} more with kill -9 of firstseen: {len(missing)} lost, "
        f"{doubled} alerts twice; sent again, none is missing"
    )
    return [*first, *second, mark, event(2 * count + 1, "another mark")], text_of


def alerts_come_again(firstseen, events, text_of):
    """`--repeats emit` over the same events and the same state: every alert, byte for byte."""
    file = firstseen.home / "events.ndjson"
    file.write_text("\n".join(events) + "\n")
    state = ["--state", firstseen.home / "state.redb", "--rule", firstseen.rule]
    again = firstseen.run("run", file, *state, "--format", "ndjson", "--repeats", "emit", "--quiet")
    assert sorted(again) == sorted(text_of.values()), "other alerts than before"
