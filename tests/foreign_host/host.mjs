// A host for firstseen rules, written from docs/abi.md alone.
//
//   node host.mjs evaluate|decide RULE.wasm EVENTS.ndjson [CONFLICTS]
//
// Out: alerts as NDJSON; on standard error events that could not be evaluated, and the counts. With
// CONFLICTS, the store refuses that many writes of each key, as if another host had been faster.
import { readFileSync } from "node:fs";

const [way, rule, file, conflicts = 0] = process.argv.slice(2);
const [TENANT, ABSENT, REFUSED, CONFLICT, CONFLICT_ABSENT] = ["default", -1, -3, 1 << 30, 1];
const [MATCHED, ALERT, ERROR, TRIES, BATCH] = [1, 1, 5, 16, 256];
const counts = { read: 0, matched: 0, alerts: 0, seen: 0, conflicts: 0, errors: 0 };
const alert = (text) => { counts.alerts++; console.log(text); };
const complain = (text) => { counts.errors++; console.error(text); };
const fail = (text) => { throw new Error(text); };

// ---- the artifact and its metadata (section 9)
const module = new WebAssembly.Module(readFileSync(rule));
const [section] = WebAssembly.Module.customSections(module, "firstseen.rules");
const meta = section ? JSON.parse(Buffer.from(section)) : fail(`${rule} is not a rule`);
if (meta.format !== 1 || meta.abi !== 1) fail(`${rule} needs a newer host`);
const prefixes = meta.rules.map((r) => `${TENANT}:${r.key_prefix}`);
const isOwn = (key) => key.length <= 256 && prefixes.some((prefix) => key.startsWith(prefix));

// ---- the store: a Map, where undefined is absent
const [store, faster] = [new Map(), new Map()];
function compareAndSet(key, expected, value) {
  const left = faster.get(key) ?? Number(conflicts);
  faster.set(key, left - 1);
  const now = store.get(key);
  const same = now && expected ? now.equals(expected) : now === expected;
  if (left > 0 || !same) return counts.conflicts++, false;
  return store.set(key, value), true;
}

// ---- memory and imports (sections 1 and 2). Parameters are signed; addresses and lengths are not.
const bytes = (at, length) => Buffer.from(guest.memory.buffer, at >>> 0, length >>> 0);
const copy = (at, length) => Buffer.from(bytes(at, length));
function handOver(value, buf, cap) {
  if (value.length <= cap >>> 0) value.copy(bytes(buf, cap));
  return value.length;
}
const firstseen_v1 = {
  kv_get(at, length, buf, cap) {
    const key = copy(at, length).toString();
    return !isOwn(key) ? REFUSED : store.has(key) ? handOver(store.get(key), buf, cap) : ABSENT;
  },
  kv_cas(at, length, expected, expectedLength, value, valueLength, ttl, buf, cap) {
    const key = copy(at, length).toString();
    if (!isOwn(key) || valueLength >>> 0 > 512 || ttl <= 0n) return REFUSED;
    const before = expectedLength === ABSENT ? undefined : copy(expected, expectedLength);
    if (compareAndSet(key, before, copy(value, valueLength))) return 0;
    return store.has(key) ? CONFLICT | handOver(store.get(key), buf, cap) : CONFLICT_ABSENT;
  },
  log: (level, at, length) => console.error(`log (${level}): ${copy(at, length)}`),
};
const guest = new WebAssembly.Instance(module, { firstseen_v1 }).exports;
if (guest.abi_version() !== 1) fail(`${rule} has another contract version`);

function call(name, input, ...more) {
  const at = guest.alloc(input.length) || fail("the guest is out of memory");
  input.copy(bytes(at, input.length));
  const packed = BigInt.asUintN(64, guest[name](at, input.length, ...more));
  const result = copy(Number(packed >> 32n), Number(packed & 0xffffffffn));
  guest.reset();
  return packed === 0n ? fail("the guest has no memory for a result") : result;
}

// ---- step one (section 4): the matched events, in order of time, identity and rule
function matchedItems(input) {
  const result = call("keys", input, 0, -1, BigInt(Date.now()));
  const u32 = (at) => result.readUInt32LE(at);
  if (u32(0) !== 0) fail(`keys: status ${u32(0)}`);
  const items = [];
  for (let n = u32(24), at = 32; n > 0; n--) {
    const raw = result.subarray(at, (at += u32(at)));
    const [offset, textLength] = [raw.readUInt32LE(8), raw.readUInt16LE(42)];
    const item = { raw, event: input.subarray(offset, offset + raw.readUInt32LE(12)), keys: [], outcomes: [] };
    for (let terms = raw.readUInt16LE(40), t = 44 + textLength; terms > 0; terms--) {
      const [keyLength, termLength] = [raw.readUInt16LE(t), raw.readUInt32LE(t + 2)];
      item.keys.push(raw.toString("utf8", t + 6, t + 6 + keyLength));
      t += 6 + keyLength + termLength;
    }
    if (!item.keys.every(isOwn)) fail("a key that does not belong to the rule");
    if (raw[4] === MATCHED) items.push(item);
    else complain(`kind ${raw[4]}, byte ${offset}: ${raw.toString("utf8", 44, 44 + textLength)}`);
  }
  [counts.read, counts.matched] = [u32(4), u32(8)];
  return items.sort(({ raw: a }, { raw: b }) =>
    Number(a.readBigInt64LE(16) - b.readBigInt64LE(16)) ||
    a.compare(b, 24, 40, 24, 40) || a.readUInt16LE(6) - b.readUInt16LE(6));
}

// ---- step two (section 5): decide, write, and decide again for the keys in conflict
const NOTHING = Buffer.of();
const int = (size, n) => { const b = Buffer.alloc(size); b.writeIntLE(n, 0, size); return b; };
function settle(items) {
  let open = new Set(items.flatMap((item) => item.keys));
  for (let tries = 0; open.size > 0; tries++) {
    if (tries === TRIES) fail(`${open.size} keys: ${TRIES} conflicts in a row`);
    const asked = items.filter((item) => item.keys.some((key) => open.has(key)));
    const keys = [...new Set(asked.flatMap((item) => item.keys))];
    const values = keys.map((key) => store.get(key));
    const request = [int(4, keys.length), int(4, asked.length)];
    for (const [k, key] of keys.entries())
      request.push(int(2, key.length), int(4, values[k]?.length ?? ABSENT), Buffer.from(key), values[k] ?? NOTHING);
    for (const { raw, event } of asked) request.push(raw, int(4, event.length), event);
    const result = call("decide", Buffer.concat(request));
    const u32 = (at) => result.readUInt32LE(at);
    if (u32(0) !== 0) fail(`decide: status ${u32(0)}`);
    let [at, lost] = [16, new Set()];
    for (let writes = u32(4); writes > 0; writes--) {
      const [k, start, end] = [u32(at), at + 16, at + 16 + u32(at + 4)];
      const value = result.subarray(start, end);
      if (open.has(keys[k]) && !compareAndSet(keys[k], values[k], value)) lost.add(keys[k]);
      at = end;
    }
    for (let outcomes = u32(8); outcomes > 0; outcomes--) {
      const [item, term, end] = [asked[u32(at)], result.readUInt16LE(at + 4), at + 12 + u32(at + 8)];
      const final = open.has(item.keys[term]) && !lost.has(item.keys[term]);
      if (final) item.outcomes[term] = [result[at + 6], result.toString("utf8", at + 12, end)];
      at = end;
    }
    open = lost;
  }
}

// ---- the two ways
const input = readFileSync(file);
if (way === "evaluate") {
  for (const line of input.toString().split("\n").filter((text) => text.trim() !== "")) {
    const outcome = JSON.parse(call("evaluate", Buffer.from(line), BigInt(Date.now())));
    counts.read++;
    for (const name of ["matched", "seen"]) counts[name] += outcome[name] ?? 0;
    for (const document of outcome.alerts ?? []) alert(JSON.stringify(document));
    for (const field of outcome.missing ?? []) complain(`no ${field}`);
    if (outcome.error) complain(`${outcome.error.code}: ${outcome.error.reason}`);
  }
} else {
  const items = matchedItems(input);
  for (let at = 0; at < items.length; at += BATCH) settle(items.slice(at, at + BATCH));
  const outcomes = items.flatMap((item) => item.keys.map((_, term) => item.outcomes[term] ?? []));
  for (const [kind, text] of outcomes) {
    if (kind === undefined) counts.seen++;
    if (kind === ALERT) alert(text);
    if (kind === ERROR) complain(text);
  }
}
console.error(JSON.stringify(counts));
