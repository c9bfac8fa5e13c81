// The vectors in the engine that runs this file: Node, Bun or Deno.
//
//   ENGINE vectors.mjs CASES.json
import * as api from "firstseen-first-time-cloudformation-stack-creation";
import { readFileSync } from "node:fs";
import process from "node:process";
import { opened, report } from "./cases.mjs";
import { check } from "./check.mjs";

const { bun, deno, node } = process.versions;
const engine = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`;
const cases = opened(JSON.parse(readFileSync(process.argv[2], "utf8")));
process.exit(report(engine, await check(api, cases)) ? 0 : 1);
