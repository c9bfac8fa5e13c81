// Elasticsearch's client for JavaScript, for http_kills.py.
//
// In: the folder with the package, the address, the index, how many lines make a batch; events as lines on standard
// input. Out: each batch is sent by `helpers.bulk` until it is answered; at the end of the input, on standard output, how
// often one was sent again. Exit status 1 where a document is refused.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";

const [packages, node, index, size] = process.argv.slice(2);
const { Client, errors } = createRequire(resolve(packages, "package.json"))("@elastic/elasticsearch");
const client = new Client({ node });
const AGAIN_MS = 100;
let again = 0;

/** Whether it is worth sending again: the service is away, or said so. */
function isAway(error) {
  if (error instanceof errors.ResponseError) return [429, 503].includes(error.statusCode);
  return error instanceof errors.ConnectionError || error instanceof errors.TimeoutError;
}

async function send(datasource) {
  for (;;) {
    const dropped = [];
    try {
      await client.helpers.bulk({
        datasource,
        onDocument: () => ({ create: { _index: index } }),
        onDrop: (document) => dropped.push(document),
      });
    } catch (error) {
      if (!isAway(error)) throw error;
      again += 1;
      await setTimeout(AGAIN_MS);
      continue;
    }
    if (dropped.length > 0) throw new Error(`refused: ${JSON.stringify(dropped[0])}`);
    return;
  }
}

let batch = [];
for await (const line of createInterface({ input: process.stdin })) {
  batch.push(JSON.parse(line));
  if (batch.length === Number(size)) {
    await send(batch);
    batch = [];
  }
}
if (batch.length > 0) await send(batch);
await client.close();
console.log(again);
