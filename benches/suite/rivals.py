"""The programs that firstseen is measured beside, each with the work that it does of the same.

In: data, a rule, a number of threads. Out: of one whole process its seconds, CPU seconds and peak memory; of the
databases also the seconds of the query alone and the alerts found. What cannot be installed here is left out, and
said.
"""

import json
import os
import subprocess
import sys

from shared import CACHE, HERE, built, call, fail, timed

# A per-event filter: the flagship's query. It has no state: it does not say what is new.
JAQ_FILTER = """select(.eventSource == "cloudformation.amazonaws.com"
    and (.eventName == "CreateStack" or .eventName == "CreateStackSet")
    and .errorCode == null and .errorMessage == null)"""


class Rivals:
    """What is installed."""

    def __init__(self):
        self.missing = []
        self.python = self.installed_python()
        self.has_chdb = self.has("requirements-chdb.txt", "chDB")
        self.has_jaq = self.has("requirements-jaq.txt", "jaq")
        self.scan = built(HERE / "generate" / "Cargo.toml") / "scan"

    def installed_python(self):
        """A Python with the version of DuckDB in requirements.txt."""
        folder = CACHE / "venv"
        python = folder / "bin" / "python"
        if not python.exists():
            call([sys.executable, "-m", "venv", folder])
        self.pip(python, "requirements.txt", call)
        return python

    def has(self, requirements, name):
        def quietly(command):
            return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0

        installed = self.pip(self.python, requirements, quietly)
        if not installed:
            self.missing.append(f"{name}: {requirements} could not be installed")
        return installed

    @staticmethod
    def pip(python, requirements, run):
        options = ["--quiet", "--disable-pip-version-check", "-r", HERE / requirements]
        return run([python, "-m", "pip", "install", *options])

    def duckdb(self, data, rule, threads):
        return self.database("duckdb_query.py", data, rule, threads)

    def chdb(self, data, rule, threads):
        return self.database("chdb_query.py", data, rule, threads)

    def database(self, script, data, rule, threads):
        out = CACHE / "rival.json"
        command = [self.python, HERE / script, data, rule, threads]
        with out.open("wb") as to:
            seconds, cpu, peak = timed(command, cores=threads, stdout=to)
        found = json.loads(out.read_text())
        return {
            "seconds": seconds,
            "cpu": cpu,
            "peak": peak,
            "alerts": found["alerts"],
            "query": found["seconds"],
            "version": found["version"],
        }

    def grep(self, data):
        return self.plain(["grep", "-c", "CreateStack", data], {"LC_ALL": "C"})

    def scan_loop(self, data):
        """Reads the file in blocks and searches them for one word: the bound for any scan."""
        return self.plain([self.scan, data, "CreateStack"])

    def zcat(self, folder):
        files = sorted(folder.rglob("*.json.gz"))
        return self.plain(["zcat", *files])

    def jaq_filter(self, data):
        return self.plain([self.python.parent / "jaq", "-c", JAQ_FILTER, data])

    @staticmethod
    def plain(command, environment=None):
        # Not to /dev/null: grep detects it and stops at the first match. A pipe takes what zcat
        # writes, as a disk would not.
        environment = {**os.environ, **(environment or {})}
        reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        seconds, cpu, peak = timed(command, stdout=reader.stdin, env=environment)
        reader.stdin.close()
        if reader.wait() != 0:
            fail("cat failed")
        return {"seconds": seconds, "cpu": cpu, "peak": peak}
