"""The documented rsyslog configuration in a real rsyslogd, over TCP on loopback.

In: the paths of the firstseen binary and of rsyslogd. Out: exit status 0 if no event of a burst is lost, what is lost when
firstseen is killed is what was in the pipe, a restart of rsyslogd loses nothing, and lines that are not
events are kept. It uses its own folder and stops the processes that it started.
"""

import sys

import lines
from lines import Firstseen, Growing, Server, event, ids, wait_for

COUNT = 20_000


def start(firstseen, program, port):
    home = firstseen.home
    configuration = firstseen.configuration(
        "rsyslog.conf",
        [
            ('workDirectory="/var/lib/rsyslog"', f'workDirectory="{home}"'),
            ('port="10514"', f'port="{port}"'),
        ],
    )
    command = [program, "-n", "-f", str(configuration), "-i", str(home / "rsyslog.pid")]
    return Server(command, firstseen, port, home / "rsyslogd.log")


def main():
    with lines.folder("rsyslog") as home:
        firstseen = Firstseen(sys.argv[1], home)
        program = sys.argv[2]
        alerts, bad = Growing(home / "alerts.ndjson"), Growing(home / "bad.ndjson")
        server = start(firstseen, program, lines.free_port())
        try:
            say = lambda text: print(f"rsyslog: {text}")
            events, text_of = lines.burst_and_kill(server, alerts, COUNT, say)
            # Known terms do not alert, and a large event is not cut off.
            before = len(alerts.read())
            assert server.stop() == 0
            server = start(firstseen, program, server.port)
            large = event(3 * COUNT, "large", padding=300_000)
            broken = "{no event CreateStack cloudformation.amazonaws.com}"
            # On one connection: such a line is known to be over when the next event begins, and
            # rsyslogd may read two connections in either order.
            server.send([*events[:200], large, broken, events[200]])
            wait_for("the line that is not an event", lambda: len(bad.read()) == 1)
            wait_for("the large event", lambda: len(alerts.read()) > before)
            assert ids(alerts.read()[before:]) == ids([large])
            assert b"no event" in bad.read()[0]
        finally:
            status = server.stop()
        assert status == 0, status
        # What an earlier run kept is still there.
        server = start(firstseen, program, server.port)
        try:
            server.send([event(3 * COUNT + 1, "last")])
            wait_for("an alert", lambda: ids(alerts.read()[-1:]) == [f"e{3 * COUNT + 1}"])
            assert (home / "bad.ndjson").read_bytes().splitlines() == bad.read()
        finally:
            server.stop()
        lines.alerts_come_again(firstseen, events, text_of)
        say("restarts, a large event and a line that is not an event; all alerts again with --repeats emit")


if __name__ == "__main__":
    main()
