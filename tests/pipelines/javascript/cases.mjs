// Decodes the artifacts of a file of cases from base64, also for engines without a file system.
export function opened(cases) {
  const bytes = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const artifacts = Object.entries(cases.artifacts).map(([name, base64]) => [name, bytes(base64)]);
  return { ...cases, artifacts: Object.fromEntries(artifacts) };
}

/** Prints the result; `false` if something differs. */
export function report(engine, { vectors, runs, failures }) {
  for (const failure of failures.slice(0, 20)) console.error(`${engine}: ${failure}`);
  console.log(`${engine}: ${vectors} vectors, ${runs} runs, ${failures.length} differences`);
  return failures.length === 0 && vectors > 0;
}
