// Runs the WASI program in Node.
//
// In: a module, a folder that is opened as `state` (or `-`), arguments. The program uses the standard
// streams of this process. Out: the program's exit status.
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [file, folder, ...args] = process.argv.slice(2);
const preopens = folder === "-" ? {} : { state: folder };
const wasi = new WASI({ version: "preview1", args: ["rule", ...args], preopens });
const module = await WebAssembly.compile(readFileSync(file));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
