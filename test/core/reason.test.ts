import { reasonOf } from "../../core/reason";

const service = (name: string, message: string) =>
  Object.assign(new Error(message), { name, $fault: "client", $metadata: {} });

test.each<[string, unknown, string]>([
  [
    "AWS",
    service("AccessDeniedException", "User: u is not authorized to perform: x"),
    "AccessDeniedException: User: u is not authorized to perform: x",
  ],
  ["AWS, in one word", service("UnknownError", "UnknownError"), "UnknownError"],
  [
    "a value in what AWS says",
    service("InternalError", "got agent_abc123xyz"),
    "InternalError: got [masked]",
  ],
  [
    "a parser, which quotes",
    new SyntaxError('Unexpected token, "agent_abc123" is not JSON'),
    "an answer of AWS is not JSON",
  ],
  [
    "several addresses",
    new AggregateError([Object.assign(new Error("connect ECONNREFUSED ::1:1"), { code: "ECONNREFUSED" })]),
    "connect ECONNREFUSED ::1:1",
  ],
  [
    "fetch",
    new TypeError("fetch failed", { cause: Object.assign(new Error("no name"), { code: "ENOTFOUND" }) }),
    "fetch failed: ENOTFOUND: no name",
  ],
  [
    "any error",
    new Error("Could not load credentials from any providers"),
    "Could not load credentials from any providers",
  ],
  ["an error without a text", Object.assign(new Error(""), { name: "TimeoutError" }), "TimeoutError"],
  ["what is no error", "text", "unknown error"],
])("%s", (_, error, reason) => {
  expect(reasonOf(error)).toBe(reason);
});
