// The Lambda example with the SDK's own commands and with fake clients that check the commands and
// behave like DynamoDB and S3.
//
//   node lambda.mjs PROJECT
import { GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { MemoryStore, rule } from "firstseen-first-time-cloudformation-stack-creation";
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { DynamoStore } from "./lambda/dynamodb.mjs";
import { handlerOf } from "./lambda/handler.mjs";

const [project] = process.argv.slice(2);
const NOW = Date.parse("2025-04-01T00:00:00Z");
const same = (a, b) => a !== undefined && Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;

/** A table: the two commands that the store sends, and nothing that it does not. */
class Table {
  items = new Map();
  sent = [];
  failures = 0;

  async send(command) {
    const { input } = command;
    this.sent.push(command);
    if (this.failures > 0) {
      this.failures -= 1;
      throw Object.assign(new Error("slow down"), { name: "ThrottlingException" });
    }
    assert.equal(input.TableName, "state");
    if (command instanceof GetItemCommand) {
      assert.deepEqual(Object.keys(input).sort(), ["ConsistentRead", "Key", "TableName"]);
      assert.equal(input.ConsistentRead, true);
      return { Item: this.items.get(input.Key.key.S) };
    }
    assert.ok(command instanceof PutItemCommand);
    const { Item, ConditionExpression: condition, ExpressionAttributeNames: names, ExpressionAttributeValues: values } = input;
    assert.equal(input.ReturnValuesOnConditionCheckFailure, "ALL_OLD");
    // 27 days: two windows and a week.
    assert.equal(Item.expires.N, String(NOW / 1000 + 27 * 86_400));
    const there = this.items.get(Item.key.S);
    let holds;
    if (condition === "attribute_not_exists(#k)") {
      assert.deepEqual([names, values], [{ "#k": "key" }, undefined]);
      holds = there === undefined;
    } else {
      assert.deepEqual([condition, names, Object.keys(values)], ["#v = :expected", { "#v": "value" }, [":expected"]]);
      holds = same(there?.value.B, values[":expected"].B);
    }
    if (!holds) throw Object.assign(new Error("refused"), { name: "ConditionalCheckFailedException", Item: there });
    this.items.set(Item.key.S, Item);
    return {};
  }
}

const samples = join(project, "samples/cloudtrail");
const names = readdirSync(samples, { recursive: true }).filter((name) => name.endsWith(".json.gz")).sort();
const objects = new Map(names.map((name) => [`a folder/${name}`, readFileSync(join(samples, name))]));
const s3 = {
  async send(command) {
    assert.ok(command instanceof GetObjectCommand);
    const bytes = objects.get(command.input.Key);
    assert.ok(bytes && command.input.Bucket === "trail", command.input.Key);
    return { Body: { transformToByteArray: async () => new Uint8Array(bytes) } };
  },
};

function lambda(table) {
  const [sent, complaints] = [[], []];
  const store = new DynamoStore(table, { GetItemCommand, PutItemCommand }, "state", () => NOW);
  const send = async (alert) => void sent.push(alert.text);
  const handler = handlerOf({ rule, store, s3, GetObjectCommand, send, complain: (text) => complaints.push(text), clock: () => NOW });
  return { handler, sent, complaints, store };
}

const direct = (keys) => ({
  Records: keys.map((key) => ({
    eventSource: "aws:s3",
    s3: { bucket: { name: "trail" }, object: { key: encodeURIComponent(key).replaceAll("%20", "+").replaceAll("%2F", "/") } },
  })),
});
const wanted = [];
const memory = new MemoryStore();
for (const bytes of objects.values()) wanted.push(...rule.evaluateAll(bytes, memory).alerts.map(({ text }) => text));
assert.ok(wanted.length > 3);

// S3 notifications, direct and through EventBridge.
const one = lambda(new Table());
await one.handler(direct([...objects.keys()]));
assert.deepEqual(one.sent, wanted);
const two = lambda(new Table());
for (const key of objects.keys()) {
  await two.handler({ source: "aws.s3", "detail-type": "Object Created", detail: { bucket: { name: "trail" }, object: { key } } });
}
assert.deepEqual(two.sent, wanted);
await two.handler({ Service: "Amazon S3", Event: "s3:TestEvent" });

// A retry by Lambda gives the same alerts again. Throttling gives an error, then all alerts.
await one.handler(direct([...objects.keys()]));
assert.deepEqual(one.sent, [...wanted, ...wanted]);
const table = new Table();
const three = lambda(table);
table.failures = 1;
await assert.rejects(three.handler(direct([...objects.keys()])), (error) => error.code === "store_away" && error.cause.name === "ThrottlingException");
await three.handler(direct([...objects.keys()]));
assert.deepEqual([...new Set(three.sent)], wanted);

// Single EventBridge events in two functions at once with one table: one alert.
const detail = [...objects.values()].flatMap((bytes) => JSON.parse(gunzipSync(bytes)).Records ?? [])
  .find((event) => rule.evaluate(event, new MemoryStore()).alerts.length === 1);
const event = (id) => ({ version: "0", id, "detail-type": "AWS API Call via CloudTrail", source: "aws.cloudformation", detail: { ...detail, eventID: id } });
const shared = new Table();
const functions = [lambda(shared), lambda(shared), lambda(shared)];
await Promise.all(functions.map(({ handler }, at) => handler(event(`event ${at}`))));
assert.equal(functions.flatMap(({ sent }) => sent).length, 1);
assert.ok(shared.sent.filter((command) => command instanceof PutItemCommand).length >= 3);

// An event that cannot be evaluated is reported and not retried, because a retry cannot succeed.
await one.handler(event("bad").detail === undefined ? {} : { ...event("bad"), detail: { ...detail, eventTime: "2031-01-01T00:00:00Z" } });
assert.ok(one.complaints.some((text) => text.includes("future_event")), one.complaints.join("\n"));
console.log(`lambda: ${wanted.length} alerts, ${shared.sent.length} commands in a race`);
