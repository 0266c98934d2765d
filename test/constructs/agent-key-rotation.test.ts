import { synthAgentKeys } from "../helpers/synth";

test("rotation is switched on when the first key is stored and Secrets Manager may call the function", () => {
  const synthesised = synthAgentKeys({ kms: "aws" });
  expect(synthesised.one("aws_secretsmanager_secret_rotation")).toMatchObject({
    rotate_immediately: false,
    rotation_rules: { automatically_after_days: 90 },
    depends_on: [expect.stringMatching(/^aws_lambda_invocation\./)],
  });
  const [rotation] = synthesised.addresses().filter((address) => address.includes("secret_rotation"));
  expect([...synthesised.needs(String(rotation))]).toContainEqual(
    expect.stringMatching(/^aws_lambda_permission\..*rotation-permission/),
  );
  expect(synthesised.one("aws_secretsmanager_secret_rotation").rotation_rules).not.toHaveProperty("duration");
  expect(synthesised.one("aws_lambda_permission", "rotation")).toMatchObject({
    action: "lambda:InvokeFunction",
    principal: "secretsmanager.amazonaws.com",
    source_account: expect.stringContaining("data.aws_caller_identity"),
  });
  expect(synthesised.one("aws_lambda_permission", "rotation")).not.toHaveProperty("source_arn");
});

test("a rotation window has a length, where one is given", () => {
  const rules = synthAgentKeys({ rotation: { automaticallyAfterDays: 30, windowHours: 4 } }).one(
    "aws_secretsmanager_secret_rotation",
  ).rotation_rules;
  expect(rules).toEqual({ automatically_after_days: 30, duration: "4h" });
});

test("nothing rotates where rotation is off", () => {
  expect(synthAgentKeys({ rotation: "off" }).all("aws_secretsmanager_secret_rotation")).toEqual([]);
});
