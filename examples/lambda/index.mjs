// What Lambda loads: `index.handler`. Alerts go to standard output, one line of JSON each, which is
// the function's log; put a client of your own into `send`.
import { DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { rule } from "firstseen-first-time-cloudformation-stack-creation";
import { DynamoStore } from "./dynamodb.mjs";
import { handlerOf } from "./handler.mjs";

const commands = { GetItemCommand, PutItemCommand };
export const handler = handlerOf({
  rule,
  store: new DynamoStore(new DynamoDBClient({}), commands, process.env.STATE_TABLE),
  s3: new S3Client({}),
  GetObjectCommand,
  send: (alert) => console.log(alert.text),
});
