// Compiled but never run: tests of the types. Lines that must be errors are marked.
import {
  Alert, FirstseenError, MemoryStore, Rule, rule,
  type FileOutcome, type Outcome, type Settings, type Store, type SyncStore, type Written,
} from "firstseen-first-time-cloudformation-stack-creation";

declare const bytes: Uint8Array;
const later: Store = {
  get: async (_key: string) => null,
  compareAndSet: async (_key, _expected, _value, _ttlMs): Promise<Written> => ({ ok: false, current: bytes }),
};
const now: SyncStore = { sync: true, get: () => null, compareAndSet: () => ({ ok: true }) };

const direct: Outcome = rule.evaluate({ a: 1 }, now);
const promised: Promise<Outcome> = new Rule(bytes, { settings: { tenant: "a" } }).evaluate("{}", later);
const file: FileOutcome = rule.evaluateAll(bytes, new MemoryStore(), { now: new Date() });
const files: Promise<FileOutcome> = rule.evaluateAll(bytes.buffer as ArrayBuffer, later, { now: 1 });
const alert: Alert | undefined = direct.alerts[0];
const text: string = file.alerts.map((one) => one.text + one.id).join();
const error: FirstseenError | undefined = direct.error;
const code: string | undefined = error?.code;
const settings: Required<Settings> = {
  tenant: "a", exceptions: [], learn_until: "2026-01-01T00:00:00Z", learn_for: "10d", learn_events: 1000,
  learn_by: "cloud.account.id", learn_since: "2026-01-01T00:00:00Z", forget_after: "30d", future_slack: "1h",
  trust_envelopes: ["dataset:a"], any_index: true, rule_text: "brief",
};

// @ts-expect-error: a promise is not an outcome
const wrong: Outcome = rule.evaluate({}, later);
// @ts-expect-error: a store needs both
rule.evaluate({}, { get: () => null });
// @ts-expect-error: no such setting
new Rule(bytes, { settings: { tenants: "a" } });
// @ts-expect-error: a file is bytes
rule.evaluateAll("text", now);
export { alert, code, files, promised, settings, text, wrong };
