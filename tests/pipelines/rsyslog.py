"""The documented rsyslog configuration in a real rsyslogd, over TCP on loopback.

In: the path of the firstseen binary. Out: exit status 0 if each event is evaluated once, the alerts are
those of `firstseen run` over the same events, even across a restart of rsyslogd, and lines that are not
events are kept. It uses its own folder and stops the processes that it started.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = ROOT / "docs/pipelines/pipes/rsyslog.conf"
PATIENCE = 120


def events(first, count):
    """CloudTrail events of a few users, one of them large; one per line."""
    for number in range(first, first + count):
        yield json.dumps(
            {
                "eventVersion": "1.11",
                "userIdentity": {
                    "type": "IAMUser",
                    "accountId": "111122223333",
                    "userName": f"user-{number % 23}",
                },
                "eventTime": f"2025-04-01T{8 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z",
                "eventSource": "cloudformation.amazonaws.com",
                "eventName": "CreateStack" if number % 2 else "DescribeStacks",
                "eventID": f"e{number}",
                "requestParameters": {"stackName": "x" * (30_000 if number % 50 == 0 else 10)},
                "recipientAccountId": "111122223333",
            }
        )


def wait_for(what, check):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.05)
    raise SystemExit(f"rsyslog: {what}: not within {PATIENCE} s")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Rsyslog:
    def __init__(self, folder, firstseen, port):
        text = CONFIG.read_text()
        for old, new in [
            ("/usr/local/bin/firstseen", str(firstseen)),
            ("/var/lib/firstseen/", f"{folder}/"),
            ("/var/log/firstseen/", f"{folder}/"),
            ('workDirectory="/var/lib/rsyslog"', f'workDirectory="{folder}"'),
            ('port="10514"', f'port="{port}"'),
        ]:
            assert old in text, old
            text = text.replace(old, new)
        config = folder / "rsyslog.conf"
        config.write_text(text)
        self.pid_file = folder / "rsyslog.pid"
        self.port = port
        self.log = open(folder / "rsyslogd.log", "ab")
        command = ["rsyslogd", "-n", "-f", str(config), "-i", str(self.pid_file)]
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=environment)
        wait_for("listening", self.listens)

    def listens(self):
        if self.process.poll() is not None:
            raise SystemExit(f"rsyslogd ended with {self.process.returncode}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def send(self, lines):
        with socket.create_connection(("127.0.0.1", self.port)) as to:
            for line in lines:
                to.sendall(f"<134>Apr  1 08:00:00 host cloudtrail: {line}\n".encode())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0


def main():
    firstseen = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="firstseen-rsyslog-"))
    first, second = list(events(0, 400)), list(events(400, 400))
    file = folder / "events.ndjson"
    file.write_text("\n".join(first + second) + "\n")
    run = [firstseen, "run", file, "--format", "ndjson"]
    expected = subprocess.run(run, check=True, capture_output=True).stdout.decode().splitlines()
    assert len(expected) == 23, len(expected)
    alerts, bad = folder / "alerts.ndjson", folder / "bad.ndjson"
    lines = lambda path: path.read_text().splitlines() if path.exists() else []

    server = Rsyslog(folder, firstseen, free_port())
    try:
        server.send(first)
        wait_for("the first alerts", lambda: len(lines(alerts)) == 23)
        server.stop()
        # Known terms do not alert, and lines that are not events are kept.
        server = Rsyslog(folder, firstseen, server.port)
        server.send(second[:200])
        # On one connection: such a line is known to be over when the next event begins, and rsyslogd may
        # read two connections in either order.
        server.send(["{no event CreateStack cloudformation.amazonaws.com}"] + second[200:])
        wait_for("the line that is not an event", lambda: len(lines(bad)) == 1)
    finally:
        server.stop()
    assert lines(alerts) == expected, f"other alerts than `firstseen run`, see {folder}"
    assert "no event" in lines(bad)[0]
    print(f"rsyslog: 800 events over TCP and a restart, {len(expected)} alerts, as `firstseen run`")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
