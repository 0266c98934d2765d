/*
 * What a line of a function's log may hold. The functions that handle keys, rotation and provisioning, have these fields
 * and no others, so that whoever adds one thinks of it. Whatever else runs, such as the auditor, may not have any that
 * sounds like a header, a body or a key.
 */

const FIELDS: Readonly<Record<string, RegExp>> = {
  level: /^(?:DEBUG|INFO|WARN|ERROR)$/,
  message: /^[^\n]{1,200}$/,
  timestamp: /^\d{4}-\d\d-\d\dT/,
  service: /^[a-z0-9-]+$/,
  sampling_rate: /^[\d.]+$/,
  correlationId: /^[\w-]+$/,
  instance: /^[a-z0-9-]+\/[a-z0-9-]+$/,
  secret: /^arn:[\w:/-]+$/,
  id: /^[a-z0-9-]+$/,
  agentInstanceId: /^[\w-]+$/,
  action: /^(?:create|update|delete)$/,
  step: /^(?:create|set|test|finish)Secret$/,
  test: /^[\w-]+$/,
  removal: /^(?:protect|deactivate|delete)$/,
  version: /^[\w-]+$/,
  mint: /^\d+$/,
  course: /^[a-z-]+$/,
  because: /^[a-z-]+$/,
  copy: /^(?:true|false)$/,
  state: /^[a-z-]+$/,
  outcome: /^[a-z-]+$/,
  until: /^[\dT:.Z-]+$/,
  gracePeriodMs: /^\d+$/,
  fingerprint: /^[0-9a-f]{12}$/,
  from: /^[0-9a-f]{12}$/,
  errorName: /^\w+$/,
  reason: /^[\s\S]{1,2000}$/,
};

const HANDLES_KEYS = /-(?:rotation|provisioning)$/;
const MAY_NOT_BE = /header|cookie|authoriz|body|payload|event|password|secretString|(?:api|agent)-?key$/i;

/** Lines about a key, which have to say about which. */
const ABOUT_A_KEY =
  /^(?:first key stored|minted and stored|promoted|tested|storing the new key failed|grace-not-honoured|nobody knows whether|the Control Plane issued a key)/;

export interface LogLines {
  readonly lines: number;
  /** What is wrong with which line. */
  readonly wrong: readonly string[];
}

/** Judges the functions' lines among a log's. */
export function judgeLogLines(log: string, isOfFunction: (service: string) => boolean): LogLines {
  const entries = log.split("\n").flatMap((line): Record<string, unknown>[] => {
    if (!line.startsWith("{")) return [];
    try {
      const entry = JSON.parse(line);
      // A metric has no more than its dimensions and its numbers.
      if ("_aws" in entry) return [];
      return typeof entry.service === "string" && isOfFunction(entry.service) ? [entry] : [];
    } catch {
      return [];
    }
  });
  return { lines: entries.length, wrong: entries.flatMap(judgeEntry) };
}

function judgeEntry(entry: Record<string, unknown>): string[] {
  const about = `"${entry.message}" of ${entry.service}`;
  if (!HANDLES_KEYS.test(String(entry.service))) {
    const names = [...JSON.stringify(entry).matchAll(/"([^"\\]+)":/g)].map(([, name = ""]) => name);
    return [
      ...(entry.correlationId === undefined ? [`${about} has no correlationId`] : []),
      ...names.filter((name) => MAY_NOT_BE.test(name)).map((name) => `${about} has the field ${name}`),
    ];
  }
  const isSelfTest = String(entry.message).startsWith("self-test");
  const missing = [
    ...(entry.correlationId === undefined ? ["correlationId"] : []),
    ...(entry.instance === undefined && entry.secret === undefined ? ["instance or secret"] : []),
    ...(entry.step === undefined && entry.action === undefined && !isSelfTest ? ["step or action"] : []),
    ...(ABOUT_A_KEY.test(String(entry.message)) && entry.fingerprint === undefined ? ["fingerprint"] : []),
  ];
  const odd = Object.entries(entry).filter(([name, value]) => !FIELDS[name]?.test(String(value)));
  return [
    ...missing.map((field) => `${about} has no ${field}`),
    ...odd.map(
      ([name]) =>
        `${about} has the field ${name}, which proofs/leaks/log-lines.ts doesn't know or not with such a value`,
    ),
  ];
}
