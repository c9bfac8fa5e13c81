// Node, Deno and Bun: the engine is read from the file beside this one.
import { readFileSync } from "node:fs";
import { initSync } from "./engine.js";
import { Rule } from "./index.js";

initSync({ module: readFileSync(new URL("./engine.wasm", import.meta.url)) });

export * from "./index.js";
export const rule = new Rule();
