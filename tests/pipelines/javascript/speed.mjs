// Events per second for reading a file and JSON.parse of its lines, without and with the rule.
//
//   node speed.mjs FILE.ndjson [ROUNDS]
import { MemoryStore, rule } from "firstseen-first-time-cloudformation-stack-creation";
import { readFileSync } from "node:fs";

const [file, rounds = "5"] = process.argv.slice(2);
const ways = {
  "read and JSON.parse": () => lines().reduce((count, line) => count + (JSON.parse(line) ? 1 : 0), 0),
  "read and JSON.parse, then evaluate(object)": () => each((line, store) => rule.evaluate(JSON.parse(line), store)),
  "read, then evaluate(line)": () => each((line, store) => rule.evaluate(line, store)),
  "read, then evaluateAll(bytes)": () => rule.evaluateAll(readFileSync(file), new MemoryStore()).read,
};

function lines() {
  return readFileSync(file, "utf8").split("\n").filter(Boolean);
}

function each(call) {
  const store = new MemoryStore();
  return lines().reduce((count, line) => count + (call(line, store) ? 1 : 0), 0);
}

const times = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
for (let round = 0; round < Number(rounds); round += 1) {
  // In turn, so that other load on the machine affects all of them.
  for (const [way, run] of Object.entries(ways)) {
    const start = performance.now();
    const events = run();
    times[way].push(events / ((performance.now() - start) / 1000));
  }
}
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
const base = median(times["read and JSON.parse"]);
for (const [way, list] of Object.entries(times)) {
  const rate = median(list);
  console.log(`${Math.round(rate).toLocaleString("en")} events/s  ${(rate / base).toFixed(2)}  ${way}`);
}
