/** Where the usual clients put the status: on the response, on the error, or on the response that hangs on the error. */
const NAMES = ["status", "statusCode", "code"] as const;
/** An error that was wrapped this often is still looked into. */
const LONGEST_CHAIN = 5;

/**
 * Whether the Control Plane refused the key: status 401, in what a call resolved to or rejected with. Knows `fetch`, node:http, undici,
 * axios, got, ky, superagent and whatever looks like one of them.
 */
export function isUnauthorised(outcome: unknown): boolean {
  let each: unknown = outcome;
  for (let depth = 0; depth < LONGEST_CHAIN && isObject(each); depth++) {
    const { response, cause } = each;
    if (hasStatus401(each) || hasStatus401(response)) return true;
    each = cause;
  }
  return false;
}

function hasStatus401(subject: unknown): boolean {
  return isObject(subject) && NAMES.some((name) => subject[name] === 401);
}

function isObject(subject: unknown): subject is Record<string, unknown> {
  return typeof subject === "object" && subject !== null;
}
