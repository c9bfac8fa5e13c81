"""The vectors through Extism's Python package, with the state in the plugin and in the host's store.

In: the binary, a folder. Out: exit status 0 if every result is the expected one, byte for byte; the
folder then contains the artifacts, and as NAME.vector the vectors that need no store of the host.
"""

import json
import pathlib
import sys

import extism

import vectors


def evaluated(plugin, steps):
    """One event after another, with the state in the plugin's memory."""
    for step in steps:
        yield step, plugin.call("evaluate", vectors.event(step))


def decided(plugin, steps, store):
    """The two steps with a dict, like a host with its own store."""
    for step in steps:
        found = json.loads(plugin.call("keys", vectors.event(step)))
        if "event_hex" in step:
            # Not UTF-8, so it cannot be in JSON; `keys` has reported the error.
            yield step, b'"alerts":[],"repeats":[]' + json.dumps(found).encode()
            continue
        state = {key: store.get(key) for key in found["keys"]}
        answer = plugin.call("decide", json.dumps({"event": step["event"], "state": state}))
        for write in json.loads(answer)["writes"]:
            assert write["ttl_ms"] > 0 and store.get(write["key"]) == write["expected"]
            store[write["key"]] = write["value"]
        yield step, answer


def check(name, answers):
    for step, answer in answers:
        answer = bytes(answer)
        assert vectors.expected(step) in answer, f"{name}: {answer}"
        document = json.loads(answer) if answer.startswith(b"{") else {}
        outcome = document.get("outcome", document)
        if document:
            code = outcome.get("error", {}).get("code")
            assert code == step["error"], f"{name}: {answer}"


def faults(wasm, event):
    plugin = extism.Plugin(wasm.read_bytes())
    # A missing key means that the host did not read it, so there is no alert.
    answer = json.loads(plugin.call("decide", json.dumps({"event": event, "state": {}})))
    assert answer["outcome"]["error"]["code"] == "store_away", answer
    assert not answer["writes"] and not answer["outcome"]["alerts"]
    for text in ["", "{", "[]", '{"event":1,"state":{}}', '{"event":"","state":{"k":"0"}}']:
        try:
            plugin.call("decide", text)
        except extism.Error as error:
            assert "decide takes" in str(error) or "JSON" in str(error), error
        else:
            raise AssertionError(f"decide took {text!r}")


def main(binary, folder):
    in_memory = over_a_store = 0
    for name, wasm, vector in vectors.read(binary, "extism", folder):
        if "before" not in vector:
            plugin = extism.Plugin(wasm.read_bytes())
            check(name, evaluated(plugin, vector["steps"]))
            pathlib.Path(folder, f"{name}.vector").write_text(json.dumps(vector))
            in_memory += 1
        plugin = extism.Plugin(wasm.read_bytes())
        store = dict(vector.get("before", {}))
        check(name, decided(plugin, vector["steps"], store))
        assert store == vector["after"], f"{name}: {store}"
        over_a_store += 1
        if name == "first-sighting":
            faults(wasm, vector["steps"][0]["event"])
    assert in_memory >= 40 and over_a_store > in_memory
    print(f"Extism, Python: {in_memory} vectors in memory, {over_a_store} over a store")


main(*sys.argv[1:])
