"""The documented configurations of senders that read files and send them to `firstseen serve`, in the real programs.

In: the paths of the firstseen binary and of a sender, and which one it is: filebeat, fluent-bit, vector or
vector-elasticsearch. Out: exit status 0 if the samples alert as they do in `run`, and every event of a burst alerts, though
firstseen is killed again and again in it, and the sender is stopped once and killed once; what is doubled has the same
bytes. `.ci` does not call it, because Debian has none of these programs.
"""

import gzip
import json
import signal
import subprocess
import sys

import lines
from lines import PATIENCE, Firstseen, Growing, burst, by_id, id_of, ids, wait_for
from rsyslog_http import Service

COUNT = 10_000
KILLS = 6
PAGES = lines.ROOT / "docs/pipelines/http"


def of_filebeat(program, file, home):
    data = ["--path.home", home, "--path.data", home / "data", "--path.logs", home / "logs"]
    return [program, "-e", "-c", file, "--strict.perms=false", *data]


# The page, what is replaced in it besides the inputs and the port, and the command.
SENDERS = {
    "filebeat": ("filebeat.yml", [], of_filebeat),
    "fluent-bit": ("fluent-bit.yaml", ["/var/lib/fluent-bit"], lambda program, file, _: [program, "-c", file]),
    "vector": ("vector.yaml", ["/var/lib/vector"], lambda program, file, _: [program, "-c", file]),
    "vector-elasticsearch": (
        "vector-elasticsearch.yaml",
        ["/var/lib/vector"],
        lambda program, file, _: [program, "-c", file],
    ),
}


class Sender:
    """The program with the documented configuration, and this machine's paths and ports in it."""

    def __init__(self, name, program, home, service):
        page, folders, command = SENDERS[name]
        text = (PAGES / page).read_text()
        inputs = home / "in"
        inputs.mkdir(exist_ok=True)
        (home / "position").mkdir(exist_ok=True)
        port = ("port: 8080", f"port: {service}") if name == "fluent-bit" else ("127.0.0.1:8080", f"127.0.0.1:{service}")
        changes = [("/var/log/cloudtrail", str(inputs)), port]
        for old, new in [*changes, *((folder, str(home / "position")) for folder in folders)]:
            assert old in text, f"{page} does not have {old}"
            text = text.replace(old, new)
        file = home / page
        file.write_text(text)
        self.command = [str(part) for part in command(program, file, home)]
        self.log = home / "sender.log"
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def stop(self):
        """As its service manager does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)


def write_lines(home, name, events):
    """A file that is there at once, as one that was moved into the folder."""
    path = home / name
    path.write_text("".join(f"{event}\n" for event in events))
    path.rename(home / "in" / name)


def samples():
    """The events of the samples, in the order of their time."""
    events = []
    for path in sorted((lines.ROOT / "samples/cloudtrail").rglob("*.gz")):
        # What is no log has no records.
        events += json.loads(gzip.decompress(path.read_bytes())).get("Records", [])
    events.sort(key=lambda event: event["eventTime"])
    return [json.dumps(event, separators=(",", ":")) for event in events]


def check_samples(name, program):
    """The built-in rule over the samples: what `run` alerts on, byte for byte where the sender keeps the bytes."""
    with lines.folder(f"{name}-samples") as home:
        firstseen = Firstseen(sys.argv[1], home)
        events = samples()
        (home / "samples.ndjson").write_text("".join(f"{event}\n" for event in events))
        command = ["run", home / "samples.ndjson", "--format", "ndjson", "--quiet"]
        expected = {id_of(line) for line in firstseen.run(*command)}
        firstseen.rule = None
        service = Service(firstseen)
        sender = Sender(name, program, home, service.port)
        alerts = Growing(home / "alerts.ndjson")
        try:
            write_lines(home, "samples.ndjson", events)
            wait_for("the alerts", lambda: len(alerts.read()) >= len(expected), sender.process)
        finally:
            sender.stop()
            service.stop()
        alerts.forget()
        assert sorted(ids(alerts.read())) == sorted(expected), "other alerts than of `run`"
        print(f"{name}: {len(events)} events of the samples, {len(expected)} alerts as in `run`")


def check_burst(name, program):
    with lines.folder(f"{name}-burst") as home:
        firstseen = Firstseen(sys.argv[1], home)
        service = Service(firstseen)
        sender = Sender(name, program, home, service.port)
        alerts = Growing(home / "alerts.ndjson")
        events = burst(0, COUNT)
        try:
            # Piece by piece, so that not all of it is one request.
            for number in range(KILLS):
                piece = events[COUNT * number // KILLS : COUNT * (number + 1) // KILLS]
                known = len(set(ids(alerts.read())))
                write_lines(home, f"{number}.ndjson", piece)
                if number == KILLS // 2:
                    sender.stop()
                    sender.start()
                elif number == KILLS // 2 + 1:
                    sender.kill()
                    sender.start()
                wait_for("some alerts", lambda: len(set(ids(alerts.read()))) > known, sender.process)
                service.kill()
                service.start()
                alerts.forget()
            is_there = lambda: len(set(ids(alerts.read()))) == COUNT
            wait_for("the alerts of the burst", is_there, sender.process)
        finally:
            sender.stop()
            status = service.stop()
        assert status == 128 + signal.SIGTERM, status
        alerts.forget()
        assert set(by_id(alerts.read())) == set(ids(events)), "each event alerts"
        doubled = len(ids(alerts.read())) - COUNT
        print(
            f"{name}: {COUNT} events, {KILLS} times kill -9 of firstseen, one stop and one kill of the sender: 0 lost, "
            f"{doubled} alerts twice"
        )


def main():
    name, program = sys.argv[3], sys.argv[2]
    check_samples(name, program)
    check_burst(name, program)


if __name__ == "__main__":
    main()
