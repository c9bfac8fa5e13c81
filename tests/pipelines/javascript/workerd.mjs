// The vectors in workerd, which does not compile bytes: the engine is a module of the Worker.
//
//   node workerd.mjs CASES.json
import { Miniflare } from "miniflare";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { report } from "./cases.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const installed = join(here, "node_modules/firstseen-first-time-cloudformation-stack-creation");
// The file in the package's exports that a bundler would use for a Worker.
const about = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
const entry = about.exports["."].workerd;
const worker = `
import * as api from "./package/${entry}";
import { opened } from "./cases.mjs";
import { check } from "./check.mjs";
export default {
  async fetch(request) {
    let compiles = true;
    try { new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])); } catch { compiles = false; }
    const rule = api.rule.rules[0].id;
    const result = await check(api, opened(await request.json()));
    return Response.json({ ...result, compiles, rule });
  },
};`;
const text = (path, from) => ({ type: "ESModule", path, contents: readFileSync(from, "utf8") });
const modules = [{ type: "ESModule", path: "worker.mjs", contents: worker }];
for (const name of ["cases.mjs", "check.mjs"]) modules.push(text(name, join(here, name)));
for (const name of readdirSync(installed)) {
  if (name.endsWith(".js")) modules.push(text(`package/${name}`, join(installed, name)));
}
const contents = readFileSync(join(installed, "engine.wasm"));
modules.push({ type: "CompiledWasm", path: "package/engine.wasm", contents });

const flare = new Miniflare({ modules, compatibilityDate: "2026-01-01", host: "127.0.0.1", cf: false });
try {
  const cases = readFileSync(process.argv[2], "utf8");
  const answer = await flare.dispatchFetch("http://worker/", { method: "POST", body: cases });
  if (answer.status !== 200) throw new Error(`the Worker answers ${answer.status}: ${await answer.text()}`);
  const result = await answer.json();
  if (result.compiles) throw new Error("this isolate compiles bytes: it proves nothing");
  if (result.rule !== "0415258b-a7b2-48a6-891a-3367cd9d4d31") throw new Error(`rule ${result.rule}`);
  process.exitCode = report("workerd", result) ? 0 : 1;
} finally {
  await flare.dispose();
}
