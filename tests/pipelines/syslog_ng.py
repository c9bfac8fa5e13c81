"""The documented syslog-ng configuration in a real syslog-ng, over TCP on loopback.

In: the paths of the firstseen binary and of syslog-ng. Out: exit status 0 if no event of a burst is lost, what is lost when firstseen is killed
is what was in the pipe, and a restart of syslog-ng loses nothing. It uses its own folder and stops the
processes that it started.
"""

import sys

import lines
from lines import Firstseen, Growing, Server, event, ids, wait_for

COUNT = 20_000


def start(firstseen, program, port):
    home = firstseen.home
    configuration = firstseen.configuration(
        "syslog-ng.conf", [("port(10515)", f"port({port})")]
    )
    command = [program, "--foreground", "--no-caps", f"--cfgfile={configuration}"]
    command += [f"--persist-file={home}/syslog-ng.persist", f"--control={home}/syslog-ng.ctl"]
    command += [f"--pidfile={home}/syslog-ng.pid"]
    return Server(command, firstseen, port, home / "syslog-ng.log")


def main():
    with lines.folder("syslog-ng") as home:
        firstseen = Firstseen(sys.argv[1], home)
        program = sys.argv[2]
        alerts = Growing(home / "alerts.ndjson")
        server = start(firstseen, program, lines.free_port())
        try:
            say = lambda text: print(f"syslog-ng: {text}")
            events, text_of = lines.burst_and_kill(server, alerts, COUNT, say)
            before = len(alerts.read())
            assert server.stop() == 0
            server = start(firstseen, program, server.port)
            large = event(3 * COUNT, "large", padding=2 << 20)
            server.send([*events[:200], large])
            wait_for("the large event", lambda: len(alerts.read()) > before)
            assert ids(alerts.read()[before:]) == ids([large])
        finally:
            status = server.stop()
        assert status == 0, status
        lines.alerts_come_again(firstseen, events, text_of)
        say("a restart and a large event; all alerts again with --repeats emit")


if __name__ == "__main__":
    main()
