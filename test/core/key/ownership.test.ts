import fc from "fast-check";
import { locateSecret, markDescription, ownershipOf } from "../../../core/key/ownership";
import { SECRET_ARN, SECRET_NAME } from "../../../proofs/harness/builders";

const SECRET = { accountId: "123456789012", region: "eu-west-1", secretName: SECRET_NAME };

test.each([
  [SECRET_ARN, SECRET],
  [
    "arn:aws-us-gov:secretsmanager:us-gov-east-1:123456789012:secret:a-b-AbCdEf",
    { region: "us-gov-east-1", secretName: "a-b" },
  ],
  ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf-AbCdEf", { secretName: "a-AbCdEf" }],
])("finds a secret by its ARN: %s", (arn, location) => {
  expect(locateSecret(arn)).toMatchObject(location);
});

test.each([
  SECRET_NAME,
  "",
  "arn:aws:secretsmanager:eu-west-1:123456789012:secret:without-suffi",
  "arn:aws:secretsmanager:eu-west-1:1234:secret:a-AbCdEf",
  "arn:aws:lambda:eu-west-1:123456789012:secret:a-AbCdEf",
  `${SECRET_ARN}\n`,
  `the secret ${SECRET_ARN}`,
])("refuses what is not a secret's whole ARN: %j", (text) => {
  expect(() => locateSecret(text)).toThrow(
    new TypeError(`secretArn: must be the ARN of a Secrets Manager secret, got ${text}`),
  );
});

test.each(["", "answers customers", "two\nlines", "with [brackets]"])(
  "knows its own mark after %j",
  (description) => {
    expect(ownershipOf(markDescription(description, SECRET), SECRET)).toBe("ours");
  },
);

test("keeps the user's text above the mark", () => {
  expect(markDescription("answers customers", SECRET)).toBe(
    "answers customers\n[valmi-agent-keys 123456789012/eu-west-1/valmi/dev/support/agent-key]",
  );
});

test("the mark stands alone where the user has no text", () => {
  expect(markDescription("", SECRET)).toBe(
    "[valmi-agent-keys 123456789012/eu-west-1/valmi/dev/support/agent-key]",
  );
});

test.each([
  ["account", { ...SECRET, accountId: "210987654321" }],
  ["region", { ...SECRET, region: "eu-west-2" }],
  ["secret", { ...SECRET, secretName: "valmi/dev/support2/agent-key" }],
  ["secret whose name goes on", { ...SECRET, secretName: `${SECRET_NAME}2` }],
])("does not take the mark of another %s for its own", (_, other) => {
  expect(ownershipOf(markDescription("text", other), SECRET)).toBe("theirs");
});

test.each([
  undefined,
  "",
  "answers customers",
  "[valmi-agent-keys]",
  "valmi-agent-keys 123456789012/eu-west-1/a",
])("sees no mark in %j", (description) => {
  expect(ownershipOf(description, SECRET)).toBe("unmarked");
});

test("any secret that can be found knows its own mark, whatever the description", () => {
  const name = fc.stringMatching(/^[A-Za-z0-9/_+=.@!-]{1,200}$/);
  fc.assert(
    fc.property(name, fc.stringMatching(/^[^[]*$/), (secretName, description) => {
      const secret = locateSecret(
        `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${secretName}-AbCdEf`,
      );
      expect(ownershipOf(markDescription(description, secret), secret)).toBe("ours");
      expect(ownershipOf(markDescription(description, SECRET), secret)).toBe("theirs");
    }),
  );
});
