"""The vectors of tests/vectors through the hosts of examples/hosts.

    python3 hosts.py FIRSTSEEN PYTHON_WITH_WASMTIME

In: the `firstseen` binary; go, node, java and mvn on the path. Out: a table, a line for each failing vector, exit
status 1 if one fails. A host gets a vector's settings, state and events as files and must return the
alerts byte for byte, the lines of the errors, and the state. The longest vector of each artifact runs
in two halves; the second uses the state that the first saved. Uses only Python's standard library.
"""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOSTS = ROOT / "examples/hosts"


def read_vectors():
    """Grouped by the arguments of `firstseen build`."""
    recipes = {}
    for path in sorted((ROOT / "tests/vectors").glob("*.json")):
        vector = json.loads(path.read_text())
        rules = vector["rule"] if isinstance(vector["rule"], list) else [vector["rule"]]
        recipes.setdefault((tuple(rules), vector.get("event_time")), []).append(vector)
    if not recipes:
        sys.exit("tests/vectors holds none")
    return recipes


def build(firstseen, recipe, out, *options):
    rules, event_time = recipe
    command = [firstseen, "build", *(ROOT / rule for rule in rules), "-o", out, *options]
    command += ["--pack"] if len(rules) > 1 else []
    command += ["--event-time", event_time] if event_time else []
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def event(step):
    return bytes.fromhex(step["event_hex"]) if "event_hex" in step else step["event"].encode()


def unfit(vector):
    """Why a host that reads lines and has no clock cannot run this vector, or None."""
    if any("now_ms" in step for step in vector["steps"]):
        return "asks for a clock"
    if any(b"\n" in event(step) for step in vector["steps"]):
        return "has line breaks in its events"
    return None


def run(command, wasm, vector, folder, runs):
    """Runs a vector in this many runs, each with the state of the previous one. Returns differences."""
    settings, state = folder / "settings.json", folder / "state.json"
    settings.write_text(json.dumps(vector.get("settings", {})))
    packed = lambda values: {k: base64.b64encode(bytes.fromhex(v)).decode() for k, v in values.items()}
    state.write_text(json.dumps(packed(vector.get("before", {}))))
    size = -(-len(vector["steps"]) // runs)
    for at in range(0, len(vector["steps"]), size):
        steps = vector["steps"][at : at + size]
        lines = b"".join(event(step) + b"\n" for step in steps)
        done = subprocess.run([*command, wasm, settings, state], input=lines, capture_output=True)
        stderr = done.stderr.decode()
        if done.returncode != 0:
            return f"exit status {done.returncode}: {stderr}"
        wanted = [alert for step in steps for alert in step["alerts"]]
        got = done.stdout.decode().split("\n")[:-1]
        if wanted != got:
            pairs = enumerate(zip(wanted, got))
            place = next((n for n, (a, b) in pairs if a != b), "the last")
            return f"{len(got)} alerts, expected {len(wanted)}; the first difference: {place}"
        # Each expected error with its line and code, and no other error.
        errors = {(int(n), text) for n, text in re.findall(r"^line (\d+): (.*)$", stderr, re.MULTILINE)}
        for number, step in enumerate(steps, 1):
            texts = [text for n, text in errors if n == number]
            wanted = [step["error"]] if step["error"] else []
            wanted += step["counts"]["missing"][:1]
            if bool(texts) != bool(wanted) or not all(any(w in t for t in texts) for w in wanted):
                return f"step {number}: expected {wanted}, got {texts}"
    if json.loads(state.read_text()) != packed(vector["after"]):
        return "the state at the end differs"
    return None


def main(firstseen, python):
    work = tempfile.TemporaryDirectory()
    folder = pathlib.Path(work.name)
    go = folder / "go-host"
    subprocess.run(["go", "build", "-o", go, "."], cwd=HOSTS / "go", check=True)
    # In a copy, so that nothing is left beside the sources.
    java = folder / "java-host"
    shutil.copytree(HOSTS / "java", java, ignore=shutil.ignore_patterns("target"))
    subprocess.run(["mvn", "-q", "-B", "package"], cwd=java, check=True)
    classes = f"{java}/target/classes:{java}/target/lib/*"
    # The command, and whether its engine has no SIMD.
    hosts = {
        "Go, wazero": ([go], False),
        "JavaScript, Node's V8": (["node", HOSTS / "js/host.mjs"], False),
        "Python, wasmtime": ([python, HOSTS / "python/host.py"], False),
        # Quick to start: of a vector's few events the JVM's own second compiler makes nothing faster.
        "Java, Chicory": (
            ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes, "Host"],
            True,
        ),
    }
    tally = {name: [] for name in hosts}
    jobs, ran, left_out = [], 0, []
    for number, (recipe, vectors) in enumerate(read_vectors().items()):
        wasm, plain = folder / f"{number}.wasm", folder / f"{number}.no-simd.wasm"
        build(firstseen, recipe, wasm)
        build(firstseen, recipe, plain, "--no-simd")
        longest = max(vectors, key=lambda vector: len(vector["steps"]))
        for vector in vectors:
            if why := unfit(vector):
                left_out.append(f"{vector['name']} {why}")
                continue
            ran += 1
            for name, (command, without_simd) in hosts.items():
                artifact = plain if without_simd else wasm
                jobs.append((name, command, artifact, vector, 1 + (vector is longest)))

    def compared(job):
        name, command, artifact, vector, runs = job
        with tempfile.TemporaryDirectory(dir=folder) as own:
            return name, vector["name"], run(command, artifact, vector, pathlib.Path(own), runs)

    # Most of the time is an engine's start: Java compiles the rule in each run.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, vector, fault in pool.map(compared, jobs):
            if fault:
                tally[name].append(f"{vector}: {fault}")
    print(f"{ran} vectors; not for lines: {len(left_out)}")
    print("\n".join(f"  {line}" for line in left_out))
    print(f"{'host':<24} {'passed':>6} {'failed':>6}")
    for name, faults in tally.items():
        print(f"{name:<24} {ran - len(faults):>6} {len(faults):>6}")
        print("".join(f"  {fault}\n" for fault in faults), end="")
    return 1 if any(tally.values()) else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
