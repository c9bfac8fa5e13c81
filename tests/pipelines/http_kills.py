"""Senders of every documented kind at once, into one `firstseen serve` that is killed again and again.

In: the paths of the firstseen binary and of rsyslogd, a folder with the packages of Elasticsearch's clients (`python`
and `node` in it), and how many kills. Out: exit status 0 if each event of each sender alerts once, whatever was
killed. rsyslogd, the two clients and the service are real; Vector is not: a thread does the requests of its
`http` and `elasticsearch` sinks, in order, and goes on when one is answered. It uses its own folder and stops the
processes that it started.
"""

import argparse
import gzip
import http.client
import json
import pathlib
import queue
import random
import signal
import subprocess
import sys
import threading
import time

import lines
from lines import PATIENCE, Firstseen, Growing, Server, burst, by_id, ids, wait_for
from rsyslog_http import Service, configuration, has_module

# Of each sender, between one kill and the next.
BATCHES = 4
BATCH = 10
INDEX = "logs-aws.cloudtrail-default"
# Before something is sent again, in seconds: a service is away for less than that.
AGAIN = 0.1


class Sender(threading.Thread):
    """Sends batches of lines in order, each until it is answered."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.batches, self.again, self.fault = port, queue.Queue(), 0, None
        self.open()

    def run(self):
        try:
            while (batch := self.batches.get()) is not None:
                self.send(batch)
            self.close()
        # The test ends with what went wrong here.
        except BaseException as fault:
            self.fault = fault

    def open(self):
        pass

    def close(self):
        pass


class Rsyslog(Sender):
    """rsyslogd with the documented configuration; it keeps on disk what is not answered."""

    name = "rsyslog"

    def __init__(self, port, server):
        self.server = server
        super().__init__(port)

    def send(self, batch):
        self.server.send(batch)


class PythonClient(Sender):
    """Elasticsearch's client for Python, `helpers.bulk`."""

    name = "Python client"

    def open(self):
        import elasticsearch
        from elasticsearch import helpers

        self.client = elasticsearch.Elasticsearch(f"http://127.0.0.1:{self.port}")
        self.helpers, self.away = helpers, elasticsearch.ConnectionError
        self.refused = elasticsearch.ApiError

    def send(self, batch):
        actions = [{"_op_type": "create", "_index": INDEX, "_source": json.loads(line)} for line in batch]
        while True:
            try:
                # What has another result than 201 is raised.
                self.helpers.bulk(self.client, actions)
                return
            except self.away:
                pass
            except self.refused as refusal:
                if refusal.status_code not in (429, 503):
                    raise
            self.again += 1
            time.sleep(AGAIN)

    def close(self):
        self.client.close()


class JavaScriptClient(Sender):
    """Elasticsearch's client for JavaScript, `helpers.bulk`, in a node of its own."""

    name = "JavaScript client"

    def __init__(self, port, packages):
        self.packages = packages
        super().__init__(port)

    def open(self):
        script = pathlib.Path(__file__).with_name("http_kills.mjs")
        command = ["node", script, self.packages, f"http://127.0.0.1:{self.port}", INDEX, str(BATCH)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def send(self, batch):
        self.process.stdin.write("".join(f"{line}\n" for line in batch))
        self.process.stdin.flush()

    def close(self):
        # It says how often it sent something again.
        self.again = int(self.process.communicate(timeout=PATIENCE)[0])
        assert self.process.returncode == 0, f"node ended with {self.process.returncode}"


class VectorHttp(Sender):
    """What Vector's `http` sink does: the lines as they are, packed, in order; see vector.yaml."""

    name = "as Vector's http sink"
    path = "/events"
    kind = "text/plain"

    def body(self, batch):
        return "".join(f"{line}\n" for line in batch)

    def check(self, answer):
        assert answer["not_judged"] == 0 and answer["failed"] is None, answer

    def send(self, batch):
        body = gzip.compress(self.body(batch).encode())
        headers = {"Content-Type": self.kind, "Content-Encoding": "gzip"}
        while True:
            try:
                to = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
                to.request("POST", self.path, body, headers)
                answer = to.getresponse()
                text = answer.read()
                to.close()
                if 200 <= answer.status < 300:
                    return self.check(json.loads(text))
                # The others Vector drops.
                assert answer.status in (408, 429) or answer.status >= 500, (answer.status, text)
            except (OSError, http.client.HTTPException):
                pass
            self.again += 1
            time.sleep(AGAIN)


class VectorElasticsearch(VectorHttp):
    """What its `elasticsearch` sink does: documents with sorted keys; see vector-elasticsearch.yaml."""

    name = "as Vector's elasticsearch sink"
    path = "/_bulk"
    kind = "application/x-ndjson"

    def body(self, batch):
        action = json.dumps({"create": {"_index": INDEX}})
        documents = (json.dumps(json.loads(line), sort_keys=True) for line in batch)
        return "".join(f"{action}\n{document}\n" for document in documents)

    def check(self, answer):
        assert answer["errors"] is False, answer


def check(senders, process):
    """Ends the test where a sender or the service did."""
    for sender in senders:
        if sender.fault is not None:
            raise sender.fault
    if process.poll() is not None:
        raise SystemExit(f"firstseen ended with {process.returncode}")


def kill_again_and_again(service, alerts, senders, kills, chance):
    """Gives each sender its batches, and kills the service at some alert of them; what was sent."""
    sent = {sender: [] for sender in senders}
    first = 0
    for number in range(kills):
        before = len(set(ids(alerts.read())))
        for sender in senders:
            events = burst(first, BATCHES * BATCH)
            first += len(events)
            sent[sender] += events
            for at in range(0, len(events), BATCH):
                sender.batches.put(events[at : at + BATCH])
        reached = before + chance.randrange(1, len(senders) * BATCHES * BATCH // 2)

        def is_reached():
            check(senders, service.process)
            return len(set(ids(alerts.read()))) >= reached

        wait_for(f"alerts before kill {number + 1}", is_reached)
        service.kill()
        service.start()
        alerts.forget()
    for sender in senders:
        sender.batches.put(None)
    return sent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("firstseen")
    parser.add_argument("rsyslogd")
    parser.add_argument("packages", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=20_261_128)
    args = parser.parse_args()
    if not has_module():
        print("skipped: rsyslogd has no omelasticsearch (Debian: rsyslog-elasticsearch)")
        return
    sys.path.insert(0, str(args.packages / "python"))
    print(f"seed {args.seed}, {args.kills} kills")
    with lines.folder("http-kills") as home:
        firstseen = Firstseen(args.firstseen, home)
        service = Service(firstseen)
        port = lines.free_port()
        command = [args.rsyslogd, "-n", "-f", configuration(home, port, service.port)]
        command = [*map(str, command), "-i", str(home / "rsyslog.pid")]
        server = Server(command, firstseen, port, home / "rsyslogd.log")
        alerts = Growing(home / "alerts.ndjson")
        senders = []
        try:
            senders = [
                Rsyslog(service.port, server),
                PythonClient(service.port),
                JavaScriptClient(service.port, args.packages / "node"),
                VectorHttp(service.port),
                VectorElasticsearch(service.port),
            ]
            for sender in senders:
                sender.start()
            chance = random.Random(args.seed)
            sent = kill_again_and_again(service, alerts, senders, args.kills, chance)
            expected = {number for events in sent.values() for number in ids(events)}

            def is_there():
                check(senders, service.process)
                return len(set(ids(alerts.read()))) >= len(expected)

            wait_for("the alerts of all", is_there)
            for sender in senders:
                sender.join(PATIENCE)
                assert not sender.is_alive(), f"{sender.name} waits for an answer"
            check(senders, service.process)
        finally:
            for sender in senders:
                if isinstance(sender, JavaScriptClient) and sender.process.poll() is None:
                    sender.process.kill()
            server.stop()
            status = service.stop()
        assert status == 128 + signal.SIGTERM, status
        alerts.forget()
        assert set(by_id(alerts.read())) == expected, "each event alerts, and nothing else"
        errors = home / "rsyslog-errors.json"
        assert not errors.exists(), errors.read_text()[:500]
        for sender, events in sent.items():
            again = "" if isinstance(sender, Rsyslog) else f", sent again {sender.again} times"
            print(f"{sender.name}: {len(events)} events, 0 lost{again}")
        assert len(ids(alerts.read())) == len(expected), "no alert stands there twice"
        print(f"{args.kills} times kill -9 of firstseen: {len(expected)} events, 0 lost, none twice")


if __name__ == "__main__":
    main()
