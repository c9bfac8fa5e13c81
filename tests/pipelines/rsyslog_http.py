"""The documented rsyslog configuration for `firstseen serve`, in a real rsyslogd that sends to `_bulk`.

In: the paths of the firstseen binary and of rsyslogd. Out: exit status 0 if every event of a burst alerts, though
firstseen is killed again and again in it; what is doubled has the same bytes. It uses its own folder and stops the
processes that it started.
"""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import lines
from lines import PATIENCE, Firstseen, Growing, Server, burst, by_id, ids, is_listening, wait_for

COUNT = 10_000
KILLS = 10


class Service:
    """`firstseen serve`, started again where it was."""

    def __init__(self, firstseen):
        self.firstseen, self.port = firstseen, lines.free_port()
        self.log = open(firstseen.home / "serve.log", "ab")
        self.start()

    def start(self):
        home = self.firstseen.home
        command = [self.firstseen.binary, "serve", "--listen", f"127.0.0.1:{self.port}"]
        if self.firstseen.rule is not None:
            command += ["--rule", self.firstseen.rule]
        command += ["--state", home / "state.redb", "--append"]
        command += ["--output", home / "alerts.ndjson", "--state-wait", "60s"]
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, env=self.firstseen.environment
        )
        wait_for("firstseen takes requests", self.is_ready, self.process)

    def is_ready(self):
        """Whether it has begun: what a killed one left in the output is gone then."""
        if not is_listening(self.port):
            return False
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=PATIENCE):
                return True
        except urllib.error.HTTPError:
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self):
        return lines.stop(self.process, self.log)


def configuration(home, port, service):
    text = (lines.ROOT / "docs/pipelines/http/rsyslog.conf").read_text()
    for old, new in [
        ('workDirectory="/var/lib/rsyslog"', f'workDirectory="{home}"'),
        ('port="10514"', f'port="{port}"'),
        ('serverport="8080"', f'serverport="{service}"'),
        ("/var/log/firstseen/", f"{home}/"),
    ]:
        assert old in text, f"rsyslog.conf does not have {old}"
        text = text.replace(old, new)
    path = home / "rsyslog.conf"
    path.write_text(text)
    return path


def has_module():
    """Whether this rsyslogd can have omelasticsearch: what `.ci/pipes` fetched has it."""
    folders = [pathlib.Path("/usr/lib"), lines.ROOT / "target/pipes"]
    return any(next(folder.rglob("omelasticsearch.so"), None) for folder in folders)


def main():
    if not has_module():
        print("skipped: rsyslogd has no omelasticsearch (Debian: rsyslog-elasticsearch)")
        return
    with lines.folder("rsyslog-http") as home:
        firstseen = Firstseen(sys.argv[1], home)
        service = Service(firstseen)
        port = lines.free_port()
        command = [sys.argv[2], "-n", "-f", configuration(home, port, service.port)]
        command = [*map(str, command), "-i", str(home / "rsyslog.pid")]
        alerts = Growing(home / "alerts.ndjson")
        server = Server(command, firstseen, port, home / "rsyslogd.log")
        try:
            events = burst(0, COUNT)
            sender = threading.Thread(target=server.send, args=(events,))
            sender.start()
            for number in range(KILLS):
                reached = COUNT * (number + 1) // (KILLS + 2)
                wait_for("some alerts", lambda: len(alerts.read()) >= reached, server.process)
                service.kill()
                # What it had not committed is moved aside, and comes again.
                service.start()
                alerts.forget()
            sender.join()
            is_there = lambda: len(set(ids(alerts.read()))) == COUNT
            wait_for("the alerts of the burst", is_there, server.process)
        finally:
            server.stop()
            status = service.stop()
        assert status == 128 + signal.SIGTERM, status
        alerts.forget()
        assert set(by_id(alerts.read())) == set(ids(events)), "each event alerts"
        errors = home / "rsyslog-errors.json"
        assert not os.path.exists(errors), errors.read_text()[:500]
        assert len(ids(alerts.read())) == COUNT, "no alert stands there twice"
        print(
            f"rsyslog over HTTP: {COUNT} events, {KILLS} times kill -9 of firstseen: 0 lost, none twice"
        )


if __name__ == "__main__":
    main()
