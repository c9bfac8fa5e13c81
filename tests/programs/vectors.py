"""The vectors for programs: each with its own artifact.

In: the binary, a target, tests/vectors. Out: the name, the artifact's path and the content of each
vector. It checks nothing.
"""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def read(binary, target, folder):
    """Yields name, path of the artifact and vector; skips vectors with a clock."""
    for path in sorted((ROOT / "tests/vectors").glob("*.json")):
        vector = json.loads(path.read_text())
        if any(step.get("now_ms") for step in vector["steps"]):
            continue
        rules = vector["rule"]
        many = isinstance(rules, list)
        wasm = pathlib.Path(folder) / f"{vector['name']}.{target}.wasm"
        command = [binary, "build", "--target", target, "-o", wasm]
        command += ["--event-time", vector.get("event_time", "timestamp")]
        command += ["--pack"] if many else []
        if "settings" in vector:
            settings = wasm.with_suffix(".json")
            settings.write_text(json.dumps(vector["settings"]))
            command += ["--settings", settings]
        command += [ROOT / rule for rule in (rules if many else [rules])]
        subprocess.run(command, check=True, capture_output=True)
        yield vector["name"], wasm, vector


def event(step):
    """The bytes of a step's event."""
    return step["event"].encode() if "event" in step else bytes.fromhex(step["event_hex"])


def expected(step):
    """The part of an outcome with its alerts and repeats, byte for byte."""
    return f'"alerts":[{",".join(step["alerts"])}],"repeats":[{",".join(step["repeats"])}]'.encode()
