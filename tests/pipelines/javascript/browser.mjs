// The vectors in a browser, on a page that this program serves.
//
//   node browser.mjs CASES.json CHROMIUM
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { report } from "./cases.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const [file, program] = process.argv.slice(2);
const types = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".json": "application/json" };
const page = `<!doctype html><script type="module">
import * as api from "/node_modules/firstseen-first-time-cloudformation-stack-creation/web.js";
import { opened } from "/cases.mjs";
import { check } from "/check.mjs";
try {
  const cases = opened(await (await fetch("/cases.json")).json());
  window.result = { ...(await check(api, cases)), rule: api.rule.rules[0].id };
} catch (error) {
  window.result = { vectors: 0, runs: 0, failures: [String(error?.stack ?? error)] };
}
</script>`;

const server = createServer((request, answer) => {
  const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
  if (path === "/") return answer.setHeader("content-type", "text/html").end(page);
  const from = path === "/cases.json" ? file : join(here, path);
  if (!existsSync(from)) return answer.writeHead(404).end();
  answer.setHeader("content-type", types[extname(from)] ?? "application/octet-stream").end(readFileSync(from));
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));

const profile = mkdtempSync(join(tmpdir(), "chromium-"));
const args = [
  "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const browser = await chromium.launchPersistentContext(profile, { executablePath: program, args, headless: true });
try {
  const tab = await browser.newPage();
  tab.on("pageerror", (error) => console.error(`Chromium: ${error}`));
  await tab.goto(`http://127.0.0.1:${server.address().port}/`);
  await tab.waitForFunction(() => window.result !== undefined, undefined, { timeout: 120_000 });
  const result = await tab.evaluate(() => window.result);
  const version = browser.browser()?.version() ?? "";
  process.exitCode = report(`Chromium ${version}`, result) ? 0 : 1;
  if (result.rule !== "0415258b-a7b2-48a6-891a-3367cd9d4d31") process.exitCode = 1;
} finally {
  await browser.close();
  server.close();
  rmSync(profile, { recursive: true, force: true });
}
