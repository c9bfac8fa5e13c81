// Rules for JavaScript: the loop between the engine and a store, and what comes out of it.
//
// In: a rule, events or files, a store with get and compareAndSet. Out: outcomes. What matches, what
// is new and what an alert says is decided by the engine; this file only carries questions to the
// store and answers back. The engine has to be started before (node.js, web.js, workerd.js do).
import { Engine, Run } from "./engine.js";
import { plan, settings as builtIn } from "./plan.js";

/** How many questions a store is asked at once. */
const AT_ONCE = 32;
/** How many bytes of a file go over at once. */
const PIECE = 1 << 20;

/** What went wrong: `code` is stable, `reason` is for people. */
export class FirstseenError extends Error {
  constructor(code, reason, { line, cause } = {}) {
    super(`${code}: ${reason}`, cause === undefined ? undefined : { cause });
    this.name = "FirstseenError";
    this.code = code;
    this.reason = reason;
    if (line) this.line = line;
  }

  /** Whether the same events, handed in again, may be judged. */
  get retry() {
    return this.code === "store_away" || this.code === "conflict";
  }

  toJSON() {
    const { code, reason, line } = this;
    return { code, reason, line };
  }
}

/** An alert: its exact text, and the document in it. */
export class Alert {
  #document;

  constructor(text) {
    this.text = text;
  }

  get document() {
    return (this.#document ??= JSON.parse(this.text));
  }

  get id() {
    return this.document["kibana.alert.uuid"];
  }

  toString() {
    return this.text;
  }

  toJSON() {
    return this.document;
  }
}

/** A store in memory. It forgets nothing: for tests, and for runs that end. */
export class MemoryStore {
  sync = true;
  #values = new Map();

  get(key) {
    return this.#values.get(key) ?? null;
  }

  compareAndSet(key, expected, value, _ttlMs) {
    const current = this.get(key);
    if (!equal(current, expected)) return { ok: false, current };
    this.#values.set(key, value);
    return { ok: true };
  }

  entries() {
    return this.#values.entries();
  }
}

function equal(a, b) {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** The rules of an artifact, or of one rule.toml. */
export class Rule {
  #engine;
  #rules;

  /** Without a source: the rule that this package was built with. */
  constructor(source, { settings } = {}) {
    this.#engine = engineOf(source, settings);
  }

  get rules() {
    return (this.#rules ??= JSON.parse(this.#engine.rules()));
  }

  /** One event. */
  evaluate(event, store, { now } = {}) {
    return drive(store, (asked) => one(this.#engine, event, asked, time(now)));
  }

  /** A file of events, judged in the order of their times. */
  evaluateAll(file, store, { now } = {}) {
    return drive(store, (asked) => all(this.#engine, file, asked, time(now)));
  }
}

function engineOf(source, settings) {
  const json = settings === undefined ? "" : JSON.stringify(settings);
  return typed(() => {
    if (source === undefined) return Engine.ofPlan(decoded(plan), json || builtIn);
    if (typeof source === "string") return new Engine(new TextEncoder().encode(source), json);
    return new Engine(bytesOf(source, "a rule is an artifact's bytes or the text of a rule.toml"), json);
  });
}

function decoded(base64) {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

function bytesOf(value, otherwise) {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new TypeError(otherwise);
}

/** Milliseconds since 1970; 0 says that nobody knows what time it is. */
function time(now = 0) {
  const ms = Number(now);
  if (!Number.isFinite(ms) || ms < 0) throw new TypeError("now: give milliseconds since 1970, or a Date");
  return ms;
}

/** The engine throws `code: reason`. */
function typed(call) {
  try {
    return call();
  } catch (thrown) {
    if (typeof thrown !== "string") throw thrown;
    throw errorOf(thrown);
  }
}

function errorOf(text, more) {
  const colon = text.indexOf(": ");
  return new FirstseenError(text.slice(0, colon), text.slice(colon + 2), more);
}

// ---- the loop. It is a generator that yields lists of answers, or promises of them: the same steps
// serve stores that answer at once and stores that answer later.

function drive(store, steps) {
  const whole = typeof store?.get === "function" && typeof store?.compareAndSet === "function";
  if (!whole) throw new TypeError("a store needs get(key) and compareAndSet(key, expected, value, ttlMs)");
  const asked = { store, cause: undefined };
  return store.sync === true ? atOnce(steps(asked)) : later(steps(asked));
}

function atOnce(steps) {
  let step = steps.next();
  while (!step.done) step = steps.next(step.value);
  return step.value;
}

async function later(steps) {
  let step = steps.next();
  while (!step.done) step = steps.next(await step.value);
  return step.value;
}

function* one(engine, event, asked, now) {
  const run = typed(() =>
    typeof event === "string"
      ? engine.eventText(event, now)
      : engine.event(eventBytes(event), now));
  if (run === undefined) return outcome({ matched: 0, seen: 0, learned: 0, late: 0, excepted: 0 });
  try {
    yield* settle(engine, run, asked);
    return judged(run, asked);
  } finally {
    run.free();
  }
}

function eventBytes(event) {
  if (event instanceof Uint8Array) return event;
  if (typeof event !== "object" || event === null) throw new TypeError("an event is text, bytes or an object");
  return new TextEncoder().encode(JSON.stringify(event));
}

function* all(engine, file, asked, now) {
  const bytes = bytesOf(file, "a file is a Uint8Array or an ArrayBuffer");
  const run = new Run();
  try {
    typed(() => {
      for (let at = 0; at < bytes.length; at += PIECE) {
        run.push(engine, bytes.subarray(at, at + PIECE), now);
      }
      run.finish(engine, now);
    });
    yield* settle(engine, run, asked);
    return fileJudged(run, asked);
  } finally {
    run.free();
  }
}

function* settle(engine, run, asked) {
  const { store } = asked;
  for (let keys; (keys = run.ask()) !== undefined; ) {
    const values = yield* each(keys, asked, (key) => store.get(key), known);
    const flat = typed(() => run.decide(engine, values));
    const writes = [];
    for (let at = 0; at < flat.length; at += 4) writes.push(flat.slice(at, at + 4));
    run.settle(yield* each(writes, asked, (write) => store.compareAndSet(...write), written));
  }
}

function* each(list, asked, ask, read) {
  const answers = [];
  for (let at = 0; at < list.length; at += AT_ONCE) {
    const part = list.slice(at, at + AT_ONCE);
    answers.push(...(yield asked.store.sync === true
      ? part.map((one) => nowAnswered(asked, one, ask, read))
      : Promise.all(part.map((one) => laterAnswered(asked, one, ask, read)))));
  }
  return answers;
}

function nowAnswered(asked, one, ask, read) {
  try {
    const answer = ask(one);
    if (typeof answer?.then !== "function") return read(answer);
    answer.then(undefined, () => {});
    return "store_refused: the store says `sync: true` and answers with promises";
  } catch (thrown) {
    return away(asked, thrown);
  }
}

async function laterAnswered(asked, one, ask, read) {
  try {
    return read(await ask(one));
  } catch (thrown) {
    return away(asked, thrown);
  }
}

/** The store threw: for the engine a sentence, for the caller what was thrown. */
function away(asked, thrown) {
  asked.cause ??= thrown;
  return `store_away: ${thrown?.message ?? thrown}`;
}

/** Bytes, or nothing. A string would be taken for a reason. */
function known(value) {
  if (value === null || value === undefined || value instanceof Uint8Array) return value;
  return "store_refused: a value is a Uint8Array or null";
}

/** true; or what stands there instead, `undefined` where the store does not say. */
function written(answer) {
  if (answer?.ok === true) return true;
  if (answer?.ok === false) return known(answer.current);
  return "store_refused: compareAndSet gave neither {ok: true} nor {ok: false}";
}

// ---- outcomes

function outcome(counts) {
  const { matched, seen, learned, late, excepted, other_index } = counts;
  const out = { matched, alerts: [], repeats: [], seen, learned, late, excepted, missing: [] };
  if (other_index > 0) out.other_index = other_index;
  return out;
}

function judged(run, asked) {
  const report = JSON.parse(run.report());
  const out = withAlerts(outcome(report), run);
  out.missing = names(report.missing);
  const [what] = Object.keys(report.no_events);
  if (what !== undefined) out.no_events = what;
  if (report.errors.length > 0) out.error = told(report.errors[0], asked);
  return out;
}

function fileJudged(run, asked) {
  const report = JSON.parse(run.report());
  const { read, missing, no_events, bad, retry, errors } = report;
  const out = { read, ...withAlerts(outcome(report), run), missing, no_events, bad, retry };
  out.errors = errors.map((error) => told(error, asked));
  return out;
}

function withAlerts(out, run) {
  out.alerts = run.alerts().map((text) => new Alert(text));
  out.repeats = run.repeats().map((text) => new Alert(text));
  return out;
}

function told({ code, reason, line }, { cause }) {
  return new FirstseenError(code, reason, { line, cause: code === "store_away" ? cause : undefined });
}

function names(counts) {
  return Object.entries(counts).flatMap(([name, count]) => Array(count).fill(name));
}
