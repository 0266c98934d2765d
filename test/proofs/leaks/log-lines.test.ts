import { judgeLogLines } from "../../../proofs/leaks/log-lines";

const LINE = {
  level: "INFO",
  message: "promoted",
  timestamp: "2026-01-01T00:00:00.000Z",
  service: "valmi-dev-agent-key-rotation",
  sampling_rate: 0,
  correlationId: "503741d4-1986-4bf8-96d0-3bc02181fa77",
  secret: "arn:aws:secretsmanager:eu-central-1:000000000000:secret:valmi/dev/support/agent-key-AbCdEf",
  version: "token-1",
  step: "createSecret",
  fingerprint: "fa2fc5a5e8dd",
  from: "b6d2f8fbf234",
};

const judge = (...entries: object[]) =>
  judgeLogLines(entries.map((entry) => JSON.stringify(entry)).join("\n"), (service) =>
    service.startsWith("valmi-dev-"),
  );

test("a line that says what it has to is right, whatever stands around it", () => {
  const { lines, wrong } = judgeLogLines(
    `2026 INFO [lambda] output:\n${JSON.stringify(LINE)}\n{"_aws": {}, "service": "valmi-dev-agent-key-audit"}\n{"not": "ours", "headers": {}}\n{broken`,
    (service) => service.startsWith("valmi-dev-"),
  );
  expect({ lines, wrong }).toEqual({ lines: 1, wrong: [] });
});

test.each([
  ["correlationId", "correlationId"],
  ["secret", "instance or secret"],
  ["step", "step or action"],
  ["fingerprint", "fingerprint"],
])("a line without %s is wrong", (field, named) => {
  const { [field as keyof typeof LINE]: _, ...entry } = LINE;
  expect(judge(entry).wrong).toEqual([`"promoted" of valmi-dev-agent-key-rotation has no ${named}`]);
});

test.each([
  ["headers", { "api-key": "token_operator123" }],
  ["body", '{"secret":"agent_abc123xyz"}'],
  ["key", "agent_abc123xyz"],
  ["event", { Step: "createSecret" }],
  ["fingerprint", "agent_abc123xyz"],
  ["instance", "dev/support/agent_abc123xyz"],
])("a line with such a %s is wrong", (field, value) => {
  expect(judge({ ...LINE, [field]: value }).wrong).toEqual([
    `"promoted" of valmi-dev-agent-key-rotation has the field ${field}, which proofs/leaks/log-lines.ts doesn't know or not with such a value`,
  ]);
});

test("a function that handles no key may have other fields, but none that sounds like a header, a body or a key", () => {
  const {
    secret: _,
    step: __,
    ...audited
  } = { ...LINE, service: "valmi-dev-agent-key-auditor", message: "audited" };
  expect(judge({ ...audited, audited: 2, findings: [] }).wrong).toEqual([]);
  expect(judge({ ...audited, found: { requestHeaders: {} }, body: "", apiKey: "" }).wrong).toEqual(
    ["requestHeaders", "body", "apiKey"].map(
      (field) => `"audited" of valmi-dev-agent-key-auditor has the field ${field}`,
    ),
  );
});
