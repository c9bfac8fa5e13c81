// Writes the vectors and everything they need to one file, which any engine can read.
//
//   node prepare.mjs FIRSTSEEN PROJECT OUT.json
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [firstseen, project, out] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "vectors-"));
const [vectors, artifacts, texts] = [[], {}, {}];
const files = readdirSync(join(project, "tests/vectors")).filter((name) => name.endsWith(".json"));
for (const file of files.sort()) {
  const vector = JSON.parse(readFileSync(join(project, "tests/vectors", file), "utf8"));
  const rules = [vector.rule].flat();
  vector.artifact = [vector.event_time ?? "", ...rules].join(" ");
  if (artifacts[vector.artifact] === undefined) {
    const wasm = join(folder, "rule.wasm");
    const more = [rules.length > 1 ? ["--pack"] : [], vector.event_time ? ["--event-time", vector.event_time] : []];
    const paths = rules.map((rule) => join(project, rule));
    execFileSync(firstseen, ["build", ...paths, ...more.flat(), "-o", wasm], { stdio: ["ignore", "ignore", "pipe"] });
    artifacts[vector.artifact] = readFileSync(wasm).toString("base64");
    for (const rule of rules) texts[rule] = readFileSync(join(project, rule), "utf8");
  }
  vectors.push(vector);
}
rmSync(folder, { recursive: true });
writeFileSync(out, JSON.stringify({ vectors, artifacts, texts }));
console.log(`${vectors.length} vectors, ${Object.keys(artifacts).length} artifacts`);
