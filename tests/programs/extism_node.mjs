// The vectors through Extism's npm package.
//
// In: a folder with NAME.extism.wasm and NAME.json for each vector. Out: exit status 0 if every result
// is the expected one, byte for byte.
import createPlugin from "@extism/extism";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2];
let ran = 0;
for (const file of readdirSync(folder).filter((name) => name.endsWith(".vector"))) {
  const vector = JSON.parse(readFileSync(join(folder, file)));
  const wasm = readFileSync(join(folder, `${vector.name}.extism.wasm`));
  const plugin = await createPlugin(new WebAssembly.Module(wasm), { useWasi: false });
  for (const step of vector.steps) {
    const event = step.event ?? Buffer.from(step.event_hex, "hex");
    const answer = (await plugin.call("evaluate", event)).text();
    const lists = `"alerts":[${step.alerts.join(",")}],"repeats":[${step.repeats.join(",")}]`;
    const code = JSON.parse(answer).error?.code ?? null;
    if (!answer.includes(lists) || code !== step.error) {
      throw new Error(`${vector.name}: ${answer}`);
    }
  }
  await plugin.close();
  ran += 1;
}
if (ran < 40) throw new Error(`only ${ran} vectors ran`);
console.log(`Extism, JavaScript: ${ran} vectors in memory`);
