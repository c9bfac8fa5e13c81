// Workers may not compile bytes: the engine comes as a module, compiled when they are deployed.
import engine from "./engine.wasm";
import { initSync } from "./engine.js";
import { Rule } from "./index.js";

initSync({ module: engine });

export * from "./index.js";
export const rule = new Rule();
