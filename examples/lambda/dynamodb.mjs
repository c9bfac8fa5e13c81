// The state in a DynamoDB table: a string key `key`, the value in `value`, the expiry in `expires`.
//
// In: a client of @aws-sdk/client-dynamodb and the classes of its commands. Out: a store for the
// package. A conditional put is the compare-and-set; if it fails, DynamoDB returns the current item.
export class DynamoStore {
  #client;
  #commands;
  #table;
  #clock;

  constructor(client, { GetItemCommand, PutItemCommand }, table, clock = Date.now) {
    this.#client = client;
    this.#commands = { GetItemCommand, PutItemCommand };
    this.#table = table;
    this.#clock = clock;
  }

  async get(key) {
    // An old value would make a known term new; the put would refuse it, but that costs a request.
    const input = { TableName: this.#table, Key: { key: { S: key } }, ConsistentRead: true };
    const { Item } = await this.#client.send(new this.#commands.GetItemCommand(input));
    return Item?.value?.B ?? null;
  }

  async compareAndSet(key, expected, value, ttlMs) {
    const input = {
      TableName: this.#table,
      Item: {
        key: { S: key },
        value: { B: value },
        // Seconds, for the table's time to live. It is only garbage collection, so late is fine.
        expires: { N: String(Math.ceil((this.#clock() + ttlMs) / 1000)) },
      },
      ConditionExpression: expected ? "#v = :expected" : "attribute_not_exists(#k)",
      ExpressionAttributeNames: expected ? { "#v": "value" } : { "#k": "key" },
      ...(expected && { ExpressionAttributeValues: { ":expected": { B: expected } } }),
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    };
    try {
      await this.#client.send(new this.#commands.PutItemCommand(input));
      return { ok: true };
    } catch (error) {
      if (error.name !== "ConditionalCheckFailedException") throw error;
      return { ok: false, current: error.Item?.value?.B ?? null };
    }
  }
}
