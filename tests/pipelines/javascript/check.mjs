// Runs the project's vectors through the package: the same file in Node, Bun, Deno, a Worker and a
// browser. It uses only its arguments.
//
// In: the package's exports; vectors, artifacts (bytes) and rules (text). Out: the number of vectors
// and of runs, and a message for each difference.
const TRIES = 16;
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** A store that answers at once or later, and lets the first writes of each key lose a race. */
export class TestStore {
  constructor({ sync = true, refuse = 0, silent = false, before = {} } = {}) {
    Object.assign(this, { sync, refuse, silent, refused: new Map(), writes: 0 });
    this.values = new Map(Object.entries(before).map(([key, value]) => [key, unhex(value)]));
  }

  answer(value) {
    return this.sync ? value : new Promise((done) => queueMicrotask(() => done(value)));
  }

  get(key) {
    return this.answer(this.values.get(key) ?? null);
  }

  compareAndSet(key, expected, value, ttlMs) {
    if (!(ttlMs > 0) || key.length > 256 || value.length > 512) throw new Error("against the contract");
    const current = this.values.get(key) ?? null;
    const refused = this.refused.get(key) ?? 0;
    const same = current === null || expected === null
      ? current === expected
      : hex(current) === hex(expected);
    if (!same || refused < this.refuse) {
      this.refused.set(key, refused + 1);
      return this.answer(this.silent ? { ok: false } : { ok: false, current });
    }
    this.writes += 1;
    this.values.set(key, value);
    return this.answer({ ok: true });
  }

  hex() {
    return Object.fromEntries([...this.values].map(([key, value]) => [key, hex(value)]));
  }
}

const STORES = {
  "at once": { sync: true },
  "at once, races lost": { sync: true, refuse: TRIES - 1 },
  later: { sync: false },
  "later, races lost in silence": { sync: false, refuse: 3, silent: true },
};

export async function check(api, { vectors, artifacts, texts }) {
  const failures = [];
  const same = (what, got, wanted) => {
    const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
    if (a !== b) failures.push(`${what}: ${a} instead of ${b}`.slice(0, 2000));
  };
  let runs = 0;
  for (const vector of vectors) {
    const sources = { artifact: artifacts[vector.artifact] };
    if (typeof vector.rule === "string" && !vector.event_time) sources.text = texts[vector.rule];
    for (const [form, source] of Object.entries(sources)) {
      const settings = vector.settings && { settings: vector.settings };
      const rule = new api.Rule(source, settings);
      for (const [kind, options] of Object.entries(STORES)) {
        const store = new TestStore({ ...options, before: vector.before });
        const where = `${vector.name}, ${form}, ${kind}`;
        for (const [at, step] of vector.steps.entries()) {
          const event = step.event ?? unhex(step.event_hex);
          const given = rule.evaluate(event, store, { now: step.now_ms ?? 0 });
          if (given instanceof Promise === store.sync) failures.push(`${where}: the wrong kind of answer`);
          compare(`${where}, step ${at}`, await given, step, same);
        }
        same(`${where}, after`, sorted(store.hex()), sorted(vector.after));
        runs += 1;
      }
    }
  }
  await conflicts(api, artifacts, vectors, same);
  await races(api, artifacts, vectors, same);
  return { vectors: vectors.length, runs, failures };
}

function compare(where, outcome, step, same) {
  same(`${where}, alerts`, outcome.alerts.map((alert) => alert.text), step.alerts);
  same(`${where}, repeats`, outcome.repeats.map((alert) => alert.text), step.repeats);
  same(`${where}, error`, outcome.error?.code ?? null, step.error);
  for (const [name, count] of Object.entries(step.counts ?? {})) {
    same(`${where}, ${name}`, outcome[name], count);
  }
}

const sorted = (object) => Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));

const first = (artifacts, vectors) => {
  const vector = vectors.find(({ name }) => name === "first-sighting");
  return { source: artifacts[vector.artifact], event: JSON.parse(vector.steps[0].event), vector };
};

/** A store that refuses every write is tried 16 times and reported; nothing is written. */
async function conflicts(api, artifacts, vectors, same) {
  const { source, event } = first(artifacts, vectors);
  const rule = new api.Rule(source);
  for (const sync of [true, false]) {
    const store = new TestStore({ sync, refuse: Infinity });
    const { alerts, error } = await rule.evaluate(event, store);
    same("conflicts, alerts", alerts, []);
    same("conflicts, error", [error.code, error.retry, error instanceof api.FirstseenError], ["conflict", true, true]);
    same("conflicts, tries", [[...store.refused.values()], store.writes], [[TRIES], 0]);
    store.refuse = 0;
    same("conflicts, then", (await rule.evaluate(event, store)).alerts.length, 1);
  }
  const down = { get: async () => null, compareAndSet: async () => Promise.reject(new Error("down")) };
  const { alerts, error } = await rule.evaluate(event, down);
  same("away", [alerts, error.code, error.retry, error.cause.message], [[], "store_away", true, "down"]);
  for (const value of ["text", 7, [1], new Uint8Array(513)]) {
    const odd = { sync: true, get: () => value, compareAndSet: () => ({ ok: true }) };
    const { alerts, error } = rule.evaluate(event, odd);
    same(`odd value ${value}`, [alerts, error.code], [[], "store_refused"]);
  }
  for (const answer of [undefined, {}, { ok: 1 }, { ok: false, current: "text" }]) {
    const odd = { sync: true, get: () => null, compareAndSet: () => answer };
    const { alerts, error } = rule.evaluate(event, odd);
    same(`odd answer ${JSON.stringify(answer)}`, [alerts, error.code], [[], "store_refused"]);
  }
}

/** Many at once, of one term, over two rules' objects and one store: one alert, the rest was seen. */
async function races(api, artifacts, vectors, same) {
  const { source, event } = first(artifacts, vectors);
  const rules = [new api.Rule(source), new api.Rule(source)];
  const store = new TestStore({ sync: false });
  const outcomes = await Promise.all(Array.from({ length: 8 }, (_, at) => {
    const one = { ...event, event: { ...event.event, id: `race ${at}` } };
    return rules[at % 2].evaluate(one, store);
  }));
  const sum = (name) => outcomes.reduce((sum, one) => sum + (one[name].length ?? one[name]), 0);
  same("races", [sum("alerts"), sum("seen"), outcomes.filter((one) => one.error).length], [1, 7, 0]);
}
