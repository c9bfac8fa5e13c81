// Files through `evaluateAll`, compared with `firstseen run` over the same bytes.
//
//   node files.mjs FIRSTSEEN PROJECT
import { MemoryStore, FirstseenError, Rule, rule } from "firstseen-first-time-cloudformation-stack-creation";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { TestStore } from "./check.mjs";

const [firstseen, project] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "files-"));
const toml = join(project, "plugin/rules/first_time_cloudformation_stack_creation.toml");
const wasm = join(folder, "rule.wasm");
execFileSync(firstseen, ["build", toml, "-o", wasm], { stdio: ["ignore", "ignore", "pipe"] });

function expected(bytes, ...options) {
  const path = join(folder, "events");
  writeFileSync(path, bytes);
  const args = ["run", "--rule", wasm, "--format", "ndjson", ...options, path];
  return execFileSync(firstseen, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

const lines = (alerts) => alerts.map((alert) => `${alert.text}\n`).join("");

const samples = readdirSync(join(project, "samples/cloudtrail"), { recursive: true })
  .filter((name) => name.endsWith(".json.gz")).sort()
  .map((name) => readFileSync(join(project, "samples/cloudtrail", name)));
const records = samples.flatMap((bytes) => JSON.parse(gunzipSync(bytes)).Records ?? []);
const ndjson = (events) => Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(""));
const story = Buffer.concat(samples);
const kinds = {
  "gzip of many members, Records": story,
  "NDJSON": ndjson(records),
  "NDJSON backwards, gzip": gzipSync(ndjson(records.toReversed())),
  "an array": Buffer.from(JSON.stringify(records, null, 1)),
  "Records": Buffer.from(JSON.stringify({ Records: records })),
  "CRLF, blank lines, a bad one": Buffer.from(`\r\n${ndjson(records).toString().replaceAll("\n", "\r\n\r\n")}nonsense\n`),
};

try {
  // The same alerts, byte for byte, with sync and async stores, from the package's rule and from others.
  for (const [kind, bytes] of Object.entries(kinds)) {
    const wanted = expected(bytes);
    assert.ok(wanted.length > 1000, kind);
    const store = new MemoryStore();
    const outcome = rule.evaluateAll(bytes, store);
    assert.equal(lines(outcome.alerts), wanted, kind);
    assert.equal(outcome.read, records.length, kind);
    assert.equal(outcome.retry, false, kind);
    for (const other of [new Rule(readFileSync(wasm)), new Rule(readFileSync(toml, "utf8"))]) {
      const later = await other.evaluateAll(bytes, new TestStore({ sync: false, refuse: 2 }));
      assert.equal(lines(later.alerts), wanted, kind);
    }
    // Submitted again: only repeats of the same alerts.
    const again = rule.evaluateAll(bytes, store);
    assert.deepEqual([again.alerts.length, lines(again.repeats)], [0, wanted], kind);
  }

  // The same one by one in order of time.
  const store = new MemoryStore();
  const inOrder = records.toSorted((a, b) => (a.eventTime < b.eventTime ? -1 : 1));
  const each = inOrder.flatMap((event) => rule.evaluate(event, store).alerts);
  assert.deepEqual(each.map(({ id }) => id).sort(), rule.evaluateAll(story, new MemoryStore()).alerts.map(({ id }) => id).sort());

  // A rule that learns for a time and from a number of events: the alerts of `run`, whatever restarts come
  // between, and although each event comes twice.
  const settings = { learn_for: "3d", learn_events: 5 };
  const learned = expected(ndjson(records), "--learn-for", "3d", "--learn-events", "5");
  assert.ok(learned.length > 0 && learned.length < expected(ndjson(records)).length);
  let kept = new MemoryStore();
  const late = inOrder.flatMap((event, at) => {
    const next = at % 7 ? kept : new MemoryStore();
    if (next !== kept) for (const [key, value] of kept.entries()) next.compareAndSet(key, null, value, 1);
    kept = next;
    const learns = new Rule(undefined, { settings });
    const { alerts } = learns.evaluate(event, kept);
    assert.equal(learns.evaluate(event, kept).alerts.length, 0);
    return alerts;
  });
  assert.equal(lines(late), learned);
  assert.throws(() => new Rule(undefined, { settings: { learn_events: "5" } }), { code: "bad_settings" });

  // A line that is not an event is reported with its place.
  const bad = rule.evaluateAll(kinds["CRLF, blank lines, a bad one"], new MemoryStore());
  assert.deepEqual([bad.bad, bad.errors.length], [1, 1]);
  assert.equal(bad.errors[0].line, 2 * records.length + 2);

  // Damaged or truncated gzip: the events before are evaluated, and the error is reported.
  const cut = gzipSync(ndjson(records)).subarray(0, -9);
  const broken = rule.evaluateAll(cut, new MemoryStore());
  assert.equal(lines(broken.alerts), expected(ndjson(records)));
  assert.deepEqual(broken.errors.map(({ code }) => code), ["bad_gzip"]);
  for (let at = 0; at < story.length; at += Math.ceil(story.length / 97)) {
    const changed = Buffer.from(story);
    changed[at] ^= 0x55;
    const outcome = rule.evaluateAll(changed, new MemoryStore());
    assert.ok(outcome.bad > 0 || outcome.errors.length === 0);
  }
  for (const bytes of [[0x28, 0xb5, 0x2f, 0xfd], [0x50, 0x4b, 3, 4]]) {
    assert.throws(() => rule.evaluateAll(Uint8Array.from(bytes), new MemoryStore()),
      (error) => error instanceof FirstseenError && error.code === "unsupported_file");
  }
  assert.equal(rule.evaluateAll(new Uint8Array(), new MemoryStore()).read, 0);

  // A small file that unpacks to a large one needs little memory.
  const zeros = gzipSync(Buffer.alloc(256 << 20, 0x20), { level: 9 });
  assert.equal(rule.evaluateAll(zeros, new MemoryStore()).read, 0);

  // A store that fails in the middle: finished events stay, the rest must be submitted again.
  const wanted = expected(story).split("\n").filter(Boolean);
  for (let calls = 0; calls < 60; calls += 7) {
    const store = new TestStore({ sync: false });
    let left = calls;
    const failing = {
      get: (key) => (left-- > 0 ? store.get(key) : Promise.reject(new Error("gone"))),
      compareAndSet: (...args) => (left-- > 0 ? store.compareAndSet(...args) : Promise.reject(new Error("gone"))),
    };
    const before = await rule.evaluateAll(story, failing);
    if (before.retry) {
      assert.equal(before.errors[0].code, "store_away");
      assert.equal(before.errors[0].cause.message, "gone");
      assert.ok(before.bad > 0);
    } else {
      assert.deepEqual(before.alerts.map(({ text }) => text), wanted);
    }
    const after = await rule.evaluateAll(story, store);
    const all = [...after.alerts, ...after.repeats].map(({ text }) => text);
    assert.deepEqual(all.toSorted(), wanted.toSorted(), `${calls} calls`);
    assert.deepEqual(after.repeats.map(({ id }) => id).toSorted(), before.alerts.map(({ id }) => id).toSorted());
  }

  // Misuse throws at once.
  assert.throws(() => rule.evaluate({}, {}), TypeError);
  assert.throws(() => rule.evaluate(null, new MemoryStore()), TypeError);
  assert.throws(() => rule.evaluate({}, new MemoryStore(), { now: "soon" }), TypeError);
  assert.throws(() => rule.evaluateAll("text", new MemoryStore()), TypeError);
  assert.throws(() => new Rule(7), TypeError);
  const promised = { sync: true, get: async () => null, compareAndSet: async () => ({ ok: true }) };
  assert.equal(rule.evaluate(records.find(({ eventName }) => eventName === "CreateStack"), promised).error.code, "store_refused");
  for (const [source, options, code] of [
    ["[rule]\n", undefined, "bad_rule"],
    [Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0]), undefined, "bad_rule"],
    [readFileSync(wasm).subarray(0, 5000), undefined, "bad_rule"],
    [undefined, { settings: { tenant: "a b" } }, "bad_settings"],
  ]) {
    assert.throws(() => new Rule(source, options), (error) => error instanceof FirstseenError && error.code === code);
  }
  console.log(`files: ${Object.keys(kinds).length} kinds, ${records.length} events, ${wanted.length} alerts as of firstseen run`);
} finally {
  rmSync(folder, { recursive: true });
}
