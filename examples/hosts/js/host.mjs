// A host for firstseen rules in JavaScript, from docs/abi.md: the pure way, `keys` and `decide`.
//
//   node host.mjs RULE.wasm SETTINGS.json STATE.json < events.ndjson > alerts.ndjson
//
// Without settings or state, these files contain `{}`. Events that could not be evaluated are reported
// on standard error with their line. The host reads the store between the two steps, so the store may
// be asynchronous; the rule's imports do nothing.
import { readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";

const [wasm, settingsFile, stateFile] = process.argv.slice(2);
const [ABSENT, AWAY, MATCHED, EXCEPTED, NO_EVENTS, ALERT, ERROR] = [-1, -2, 1, 4, 5, 1, 5];
const settings = readFileSync(settingsFile);
const state = JSON.parse(readFileSync(stateFile)); // values in base64
const fail = (text) => { throw new Error(text); };
const ends = (lines) => lines.filter((byte) => byte === 10).length;

// ---- the artifact, its metadata (section 9), and an instance
const module = new WebAssembly.Module(readFileSync(wasm));
const [section] = WebAssembly.Module.customSections(module, "firstseen.rules");
const rule = section ? JSON.parse(Buffer.from(section)) : fail(`${wasm} is not a rule`);
if (rule.format !== 1 || rule.abi !== 1) fail(`${wasm} needs a newer host`);
const tenant = JSON.parse(settings).tenant ?? "default";
const prefixes = rule.rules.map((one) => `${tenant}:${one.key_prefix}`);
const firstseen_v1 = { kv_get: () => AWAY, kv_cas: () => AWAY, log: () => {} };
const guest = new WebAssembly.Instance(module, { firstseen_v1 }).exports;
if (guest.abi_version() !== 1) fail(`${wasm} has another contract version`);

// ---- a call with a packed result (section 2). Results of a guest are not trusted
function part(bytes, at, length) {
  return at + length <= bytes.length ? bytes.subarray(at, at + length) : fail("a range outside the bytes");
}
function call(name, input, ...more) {
  const at = guest.alloc(input.length) >>> 0 || fail("the rule is out of memory");
  part(Buffer.from(guest.memory.buffer), at, input.length).set(input);
  const packed = BigInt.asUintN(64, guest[name](at, input.length, ...more));
  const memory = Buffer.from(guest.memory.buffer);
  const result = Buffer.from(part(memory, Number(packed >> 32n), Number(packed & 0xffffffffn)));
  guest.reset();
  return packed && memory.length <= 192 << 20 ? result : fail("the rule needs too much memory");
}
const refusal = call("configure", settings).toString();
if (refusal !== "{}") fail(`${settingsFile}: ${refusal}`);

// ---- step one (section 4): the lines that match, with their keys. 0n: this host has no clock
function matches(lines, firstLine) {
  const result = call("keys", lines, 0, -1, 0n);
  if (result.readUInt32LE(0)) fail(`keys: status ${result.readUInt32LE(0)}`);
  const found = [];
  for (let left = result.readUInt32LE(24), at = 32; left > 0; left--) {
    const raw = part(result, at, Math.max(44, result.readUInt32LE(at)));
    at += raw.length;
    const [offset, textLength] = [raw.readUInt32LE(8), raw.readUInt16LE(42)];
    const text = part(raw, 44, textLength).toString();
    const line = firstLine + ends(part(lines, 0, offset));
    const item = { raw, line, event: part(lines, offset, raw.readUInt32LE(12)), keys: [] };
    for (let terms = raw.readUInt16LE(40), t = 44 + textLength; terms > 0; terms--) {
      const key = part(raw, t + 6, raw.readUInt16LE(t)).toString("latin1");
      if (key.length > 256 || !prefixes.some((own) => key.startsWith(own))) fail(`the key ${key}`);
      t += 6 + key.length + raw.readUInt32LE(t + 2);
      item.keys.push(key);
    }
    if (raw[4] === MATCHED) found.push(item);
    else if (raw[4] !== EXCEPTED && raw[4] !== NO_EVENTS) console.error(`line ${line}: ${text}`);
  }
  return found;
}

// ---- step two (section 5): new terms and writes. Nothing else writes to this store
const int = (size, n) => { const b = Buffer.alloc(size); b.writeIntLE(n, 0, size); return b; };
function decide(items) {
  const keys = [...new Set(items.flatMap((item) => item.keys))];
  const request = [int(4, keys.length), int(4, items.length)];
  for (const key of keys) {
    const value = Buffer.from(state[key] ?? "", "base64");
    request.push(int(2, key.length), int(4, key in state ? value.length : ABSENT), Buffer.from(key), value);
  }
  for (const { raw, event } of items) request.push(raw, int(4, event.length), event);
  const result = call("decide", Buffer.concat(request));
  if (result.readUInt32LE(0)) fail(`decide: status ${result.readUInt32LE(0)}`);
  let [at, writes, outcomes] = [16, result.readUInt32LE(4), result.readUInt32LE(8)];
  const next = (head, size) => part(result, (at += head + size) - size, size);
  for (; writes > 0; writes--) {
    const [key, size] = [keys[result.readUInt32LE(at)], result.readUInt32LE(at + 4)];
    state[size <= 512 && key ? key : fail("a write")] = next(16, size).toString("base64");
  }
  for (; outcomes > 0; outcomes--) {
    const [item, kind] = [items[result.readUInt32LE(at)], result[at + 6]];
    const text = next(12, result.readUInt32LE(at + 8));
    if (kind === ALERT) writeSync(1, Buffer.concat([text, Buffer.from("\n")]));
    if (kind === ERROR) console.error(`line ${item.line}: ${text}`);
  }
}

// ---- whole lines on arrival; alerts are written before the state is saved, so none is lost
let [rest, line] = [Buffer.of(), 1];
function handle(lines) {
  const items = matches(lines, line);
  for (let at = 0; at < items.length; at += 256) decide(items.slice(at, at + 256));
  line += ends(lines);
}
for await (const chunk of process.stdin) {
  const bytes = Buffer.concat([rest, chunk]);
  const end = bytes.lastIndexOf(10) + 1;
  handle(bytes.subarray(0, end));
  rest = bytes.subarray(end);
}
handle(rest);
writeFileSync(`${stateFile}.new`, JSON.stringify(state));
renameSync(`${stateFile}.new`, stateFile);
