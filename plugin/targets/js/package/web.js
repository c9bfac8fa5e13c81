// Browsers: the engine is fetched from beside this file, before anything that imports it runs.
import start from "./engine.js";
import { Rule } from "./index.js";

await start({ module_or_path: new URL("./engine.wasm", import.meta.url) });

export * from "./index.js";
export const rule = new Rule();
