import { arnParts, isHttps, isLoopback } from "../../core/rules";

test.each([
  ["http://127.0.0.1:1/x", true],
  ["http://127.8.9.1/x", true],
  ["http://localhost:80", true],
  ["http://[::1]:80", true],
  ["http://10.0.0.1", false],
  ["http://localhost.example.com", false],
  ["localhost", false],
])("%s is loopback: %s", (url, expected) => {
  expect(isLoopback(url)).toBe(expected);
});

test.each([
  ["https://h", true],
  ["HTTPS://h/x", true],
  ["http://h", false],
  ["HTTP://h", false],
  ["h", false],
])("requests to %s are encrypted: %s", (url, expected) => {
  expect(isHttps(url)).toBe(expected);
});

test.each([
  [
    "secret",
    "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:valmi/dev/a/agent-key-AbCdEf",
    { partition: "aws-cn", region: "cn-north-1", accountId: "123456789012", name: "valmi/dev/a/agent-key" },
  ],
  ["secret", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:valmi/dev/a/agent-key", undefined],
  ["secret", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:valmi/*/agent-key-AbCdEf", undefined],
  ["role", "arn:aws:iam::123456789012:role/path/agent", { accountId: "123456789012" }],
  ["role", "arn:aws:iam::123456789012:role/*", undefined],
  [
    "function",
    "arn:aws:lambda:eu-west-1:123456789012:function:f",
    { region: "eu-west-1", accountId: "123456789012" },
  ],
] as const)("the parts of the ARN of a %s, %s", (kind, arn, parts) => {
  expect(arnParts(kind, arn)).toEqual(parts);
});
