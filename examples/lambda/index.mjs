// The Lambda handler `index.handler`. It writes alerts to standard output, which is the function's log,
// one line of JSON each; use your own client in `send`.
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
