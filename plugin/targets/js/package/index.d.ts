/** A value, or a promise of one. */
export type Awaitable<T> = T | PromiseLike<T>;

/** What a compare-and-set came to. */
export type Written =
  | { ok: true }
  /**
   * Another value stands there, or none (`null`); nothing was written. Without `current` the value
   * is read again.
   */
  | { ok: false; current?: Uint8Array | null };

/**
 * Where the state is kept. Keys are ASCII, at most 256 bytes; values are opaque, at most 512 bytes.
 * What throws or rejects is an error `store_away` in the outcome; the event may be handed in again.
 */
export interface Store {
  readonly sync?: false;
  /** The value of a key; `null` where there is none. The read has to be a consistent one. */
  get(key: string): Awaitable<Uint8Array | null | undefined>;
  /**
   * Writes `value` if the present value is `expected` (`null`: none), in one atomic step. The value
   * is kept for at least `ttlMs` milliseconds; longer changes nothing.
   */
  compareAndSet(
    key: string,
    expected: Uint8Array | null,
    value: Uint8Array,
    ttlMs: number,
  ): Awaitable<Written>;
}

/** A store that answers at once: what is asked with it is answered at once too. */
export interface SyncStore {
  readonly sync: true;
  get(key: string): Uint8Array | null | undefined;
  compareAndSet(
    key: string,
    expected: Uint8Array | null,
    value: Uint8Array,
    ttlMs: number,
  ): Written;
}

/** A store in memory. It forgets nothing: for tests, and for runs that end. */
export class MemoryStore implements SyncStore {
  readonly sync: true;
  get(key: string): Uint8Array | null;
  compareAndSet(
    key: string,
    expected: Uint8Array | null,
    value: Uint8Array,
    ttlMs: number,
  ): Written;
  entries(): IterableIterator<[string, Uint8Array]>;
}

/** An alert. */
export class Alert {
  constructor(text: string);
  /** The alert as one line of JSON, the same bytes whenever the same event alerts. */
  readonly text: string;
  /** The document in it: ECS with `kibana.alert.*`. Large numbers lose digits here, as in any JSON.parse. */
  readonly document: Record<string, unknown>;
  /** `kibana.alert.uuid`: the same whenever the same event alerts. */
  readonly id: string;
  toString(): string;
  toJSON(): Record<string, unknown>;
}

/** What went wrong. Codes are stable: docs/abi.md, section 10; and `bad_rule`, `unsupported_file`. */
export class FirstseenError extends Error {
  constructor(code: string, reason: string, more?: { line?: number; cause?: unknown });
  readonly code: string;
  readonly reason: string;
  /** The line of a file. */
  readonly line?: number;
  /** Whether the same events, handed in again, may be judged. */
  readonly retry: boolean;
  toJSON(): { code: string; reason: string; line?: number };
}

/** What became of one event: docs/abi.md, section 6. */
export interface Outcome {
  /** How many rules it matched. */
  matched: number;
  /** New: send them on. */
  alerts: Alert[];
  /** Alerts that this event gave before, byte for byte. For at-least-once delivery send them too. */
  repeats: Alert[];
  /** Terms seen before, learned, late beyond memory. */
  seen: number;
  learned: number;
  late: number;
  /** Rules whose exception took the event out. */
  excepted: number;
  /** Rules whose index patterns do not cover the index that the event names. Absent: none. */
  other_index?: number;
  /** The new-terms fields that the event lacks. */
  missing: string[];
  /** What the document is, where it holds no event. */
  no_events?: string;
  /** The first fault. What is listed beside it was done all the same. */
  error?: FirstseenError;
}

/** What became of a file. */
export interface FileOutcome {
  /** Events read. */
  read: number;
  /** Matches: an event that two rules match counts twice. */
  matched: number;
  /** In the order of the events' times. */
  alerts: Alert[];
  repeats: Alert[];
  seen: number;
  learned: number;
  late: number;
  excepted: number;
  /** Matches of an index that the rule's patterns do not cover. Absent: none. */
  other_index?: number;
  /** How many matches lack which new-terms field. */
  missing: Record<string, number>;
  /** How many documents without events, by what they are. */
  no_events: Record<string, number>;
  /** How many events, matches or terms were not judged. */
  bad: number;
  /** Why, of the first 100. */
  errors: FirstseenError[];
  /**
   * The store failed or was contended, and something was not judged for it: hand the file in again.
   * What alerted comes as `repeats` then.
   */
  retry: boolean;
}

/** What a rule says of itself. */
export interface RuleInfo {
  id: string;
  name: string;
  severity: "low" | "medium" | "high" | "critical";
  new_terms: string[];
  window: string;
  window_ms: number;
  fingerprint: string;
  /** Every state key is `TENANT:` and this, then a hash. */
  key_prefix: string;
  exceptions: number;
}

/** Settings: docs/abi.md, section 7. */
export interface Settings {
  tenant?: string;
  exceptions?: Array<Record<string, unknown>>;
  learn_until?: string;
  /** A length as `10d`, or `0`. */
  learn_for?: string;
  /** From how many matching events rules learn; 0: from none. */
  learn_events?: number;
  learn_by?: string;
  learn_since?: string;
  forget_after?: string;
  future_slack?: string;
  trust_envelopes?: string[];
  any_index?: boolean;
  /** `brief`: alerts without the rule's description, note, references and setup. */
  rule_text?: "full" | "brief";
}

export interface EvaluateOptions {
  /**
   * The time now, if it can be trusted: a matching event that is dated later than this and the
   * slack (an hour) is refused. Without it no event is.
   */
  now?: number | Date;
}

/** The rules of an artifact, or of one rule.toml. It holds no state: use it as often as you like. */
export class Rule {
  /**
   * @param source an artifact of `firstseen build` (`--target core`), or the text of a rule.toml.
   *   Without it: the rule that this package was built with.
   * @throws FirstseenError `bad_rule`, `bad_settings`
   */
  constructor(source?: string | Uint8Array | ArrayBuffer, options?: { settings?: Settings });
  readonly rules: RuleInfo[];
  /** One event: text, bytes or an object; an envelope of a single event is opened. */
  evaluate(event: string | Uint8Array | object, store: SyncStore, options?: EvaluateOptions): Outcome;
  evaluate(event: string | Uint8Array | object, store: Store, options?: EvaluateOptions): Promise<Outcome>;
  /**
   * A file: NDJSON, arrays, CloudTrail's `Records`, CloudWatch and other envelopes, gzip or plain.
   * Its matches are put in order of time before the store is asked.
   * @throws FirstseenError `unsupported_file`, `too_large`
   */
  evaluateAll(file: Uint8Array | ArrayBuffer, store: SyncStore, options?: EvaluateOptions): FileOutcome;
  evaluateAll(file: Uint8Array | ArrayBuffer, store: Store, options?: EvaluateOptions): Promise<FileOutcome>;
}

/** The rule that this package was built with. */
export const rule: Rule;
