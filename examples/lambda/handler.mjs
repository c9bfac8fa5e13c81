// CloudTrail in AWS Lambda: files in S3, and single events from EventBridge.
//
// In: Lambda's event, and clients of AWS as parameters. Out: alerts through `send`, and an error if
// something must be retried, so that Lambda calls again. Nothing is lost: an alert that may have been
// sent before comes again with the same id and the same bytes.
export function handlerOf({ rule, store, s3, GetObjectCommand, send, complain = console.error, clock = Date.now }) {
  async function file(bucket, key) {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    const bytes = await Body.transformToByteArray();
    await report(await rule.evaluateAll(bytes, store, { now: clock() }), `s3://${bucket}/${key}`);
  }

  async function report(outcome, where) {
    for (const alert of [...outcome.alerts, ...outcome.repeats]) await send(alert);
    const errors = outcome.errors ?? (outcome.error ? [outcome.error] : []);
    const lasting = errors.filter((error) => !error.retry);
    for (const error of lasting) complain(`${where}: ${error.line ? `line ${error.line}: ` : ""}${error.message}`);
    const retry = errors.find((error) => error.retry);
    if (retry) throw retry;
    if (outcome.retry) throw new Error(`${where}: not all events were evaluated`);
  }

  return async function handler(event) {
    const objects = arrivals(event);
    if (objects === undefined) {
      await report(await rule.evaluate(event, store, { now: clock() }), `event ${event.id}`);
      return;
    }
    // One after another, because their events can have the same terms.
    for (const { bucket, key } of objects) await file(bucket, key);
  };
}

/** The objects in an S3 notification, direct or through EventBridge; otherwise `undefined`. */
function arrivals(event) {
  if (event.source === "aws.s3" && event["detail-type"] === "Object Created") {
    return [{ bucket: event.detail.bucket.name, key: event.detail.object.key }];
  }
  if (event.Event === "s3:TestEvent") return [];
  if (!Array.isArray(event.Records)) return undefined;
  return event.Records.map(({ s3 }) => ({
    bucket: s3.bucket.name,
    // Direct notifications encode the key as in a form: + for a space.
    key: decodeURIComponent(s3.object.key.replaceAll("+", " ")),
  }));
}
