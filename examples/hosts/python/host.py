"""A host for firstseen rules on wasmtime, from docs/abi.md: the pure way, `keys` and `decide`.

    python host.py RULE.wasm SETTINGS.json STATE.json < events.ndjson > alerts.ndjson

Without settings or state, these files contain `{}`. Events that could not be evaluated are reported on
standard error with their line. Alerts are written before the state is saved at the end of the input:
after a crash the same alerts come again, with the same ids.
"""

import base64
import json
import os
import sys
from struct import pack, unpack_from

from wasmtime import Engine, FuncType, Linker, Module, Store, ValType

MATCHED, EXCEPTED, NO_EVENTS, ALERT, ERROR = 1, 4, 5, 1, 5
AWAY, ABSENT, U32 = -2, -1, 0xFFFFFFFF


def check(right, text):
    return right or sys.exit(text)


def number(data, at):
    """An unsigned LEB128 number and the position after it."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def metadata(wasm):
    """The metadata: the custom section `firstseen.rules` (section 9)."""
    at = 8
    while at < len(wasm):
        kind, (size, start) = wasm[at], number(wasm, at + 1)
        at = start + size
        length, name = number(wasm, start)
        if kind == 0 and wasm[name : name + length] == b"firstseen.rules":
            return json.loads(wasm[name + length : at])
    sys.exit("this is not a rule")


def part(data, at, size):
    """Bytes of a result. Results are not trusted, and a slice would be cut silently."""
    check(at + size <= len(data), "the rule names bytes that are not there")
    return data[at : at + size]


class Rule:
    """An instance. Its imports do nothing, because the host reads the store between the two steps."""

    def __init__(self, wasm, settings):
        meta, tenant = metadata(wasm), json.loads(settings).get("tenant", "default")
        self.prefixes = tuple(f"{tenant}:{rule['key_prefix']}" for rule in meta["rules"])
        self.store = Store(Engine())
        self.store.set_limits(memory_size=192 << 20)
        linker, i32, i64 = Linker(self.store.engine), ValType.i32(), ValType.i64()
        cas = FuncType([i32] * 6 + [i64, i32, i32], [i32])
        linker.define_func("firstseen_v1", "kv_get", FuncType([i32] * 4, [i32]), lambda *_: AWAY)
        linker.define_func("firstseen_v1", "kv_cas", cas, lambda *_: AWAY)
        linker.define_func("firstseen_v1", "log", FuncType([i32] * 3, []), lambda *_: None)
        guest = linker.instantiate(self.store, Module(self.store.engine, wasm))
        self.exports = guest.exports(self.store)
        version = self.exports["abi_version"](self.store)
        check((meta["format"], meta["abi"], version) == (1, 1, 1), "the rule needs a newer host")
        check(self.call("configure", settings) == b"{}", "the settings cannot be used")

    def call(self, name, data, *more):
        """Passes a buffer to an export and copies the packed result (section 2)."""
        memory, at = self.exports["memory"], self.exports["alloc"](self.store, len(data)) & U32
        memory.write(self.store, data, check(at, "the rule has no room"))
        packed = self.exports[name](self.store, at, len(data), *more)
        start, size = packed >> 32 & U32, packed & U32
        inside = packed != 0 and start + size <= memory.data_len(self.store)
        check(inside, "the rule gives no result, or one outside of its memory")
        result = bytes(memory.read(self.store, start, start + size))
        self.exports["reset"](self.store)
        return result

    def matches(self, event, line):
        """Step one (section 4): the items that match, with their keys. 0: this host has no clock."""
        result = self.call("keys", event, 0, 0, 0)
        (status, *_, count, _), at = unpack_from("<8I", result), 32
        check(status == 0, f"keys: status {status}")
        for _ in range(count):
            size, kind, *_, terms, length = unpack_from("<IBBHIIq16sHH", result, at)
            raw, text = part(result, at, size), part(result, at + 44, length).decode()
            at, term, keys = at + size, 44 + length, []
            for _ in range(terms):
                key, values = unpack_from("<HI", raw, term)
                keys.append(part(raw, term + 6, key).decode())
                term += 6 + key + values
            own = all(key.startswith(self.prefixes) and len(key) <= 256 for key in keys)
            check(own, "the rule asks for a key that is not its own")
            if kind == MATCHED:
                yield raw, keys
            elif kind not in (EXCEPTED, NO_EVENTS):
                print(f"line {line}: {text}", file=sys.stderr)

    def handle(self, event, line, state):
        """Step two (section 5): the new terms. Nothing else writes to this state, so no write fails."""
        items = list(self.matches(event, line))
        known = list(dict.fromkeys(key for _, keys in items for key in keys))
        request = pack("<II", len(known), len(items))
        for key in known:
            value = base64.b64decode(state.get(key, ""))
            size = len(value) if key in state else ABSENT
            request += pack("<Hi", len(key), size) + key.encode() + value
        for raw, _ in items:
            request += raw + pack("<i", len(event)) + event
        result = self.call("decide", request)
        (status, writes, outcomes, _), at = unpack_from("<4I", result), 16
        check(status == 0, f"decide: status {status}")
        for _ in range(writes):
            key, size, _ = unpack_from("<IIq", result, at)
            state[known[key]] = base64.b64encode(part(result, at + 16, size)).decode()
            at += 16 + size
        for _ in range(outcomes):
            _, _, kind, _, size = unpack_from("<IHBBI", result, at)
            text, at = part(result, at + 12, size), at + 12 + size
            if kind == ALERT:
                sys.stdout.buffer.write(text + b"\n")
            if kind == ERROR:
                print(f"line {line}: {text.decode()}", file=sys.stderr)


def main(rule, settings, saved):
    with open(rule, "rb") as wasm, open(settings, "rb") as given, open(saved) as file:
        guest, state = Rule(wasm.read(), given.read()), json.load(file)
    for line, event in enumerate(sys.stdin.buffer, 1):
        guest.handle(event.rstrip(b"\r\n"), line, state)
    sys.stdout.flush()
    with open(saved + ".new", "w") as file:
        json.dump(state, file)
    os.replace(saved + ".new", saved)


main(*sys.argv[1:])
