import { figuresTable, instanceTable, keyTable } from "../../../local/demo/report";

it("shows the instances", () => {
  const table = instanceTable([
    {
      id: "support",
      agentInstanceId: "ai_1",
      secretName: "valmi/dev/support/agent-key",
      fingerprint: "abc123",
    },
  ]);

  expect(table).toMatch(/instance +│ Control Plane id +│ secret +│ key \(fingerprint\)/);
  expect(table).toMatch(/support +│ ai_1 +│ valmi\/dev\/support\/agent-key +│ abc123/);
});

it("shows which key stood when", () => {
  const table = keyTable({
    support: { deployed: "aaa", "after 90 days": "bbb" },
    research: { deployed: "ccc" },
  });

  expect(table).toMatch(/deployed +│ after 90 days/);
  expect(table).toMatch(/support +│ aaa +│ bbb/);
  expect(table).toMatch(/research +│ ccc +│ +│/);
});

it("shows sums, what they are made of, and averages as such", () => {
  const none = { secretsManager: {}, dynamoDb: {}, controlPlane: {} };
  const table = figuresTable({
    resources: { perInstance: 3, perEnvironment: 10 },
    calls: {
      provisioning: {
        secretsManager: { PutSecretValue: 1 },
        dynamoDb: undefined,
        controlPlane: { "GET /a": 0.5 },
      },
      dryRun: none,
      rotation: { ...none, secretsManager: { DescribeSecret: 3, PutSecretValue: 1 } },
    },
  });

  expect(table).toContain("resources: 3 per instance, 10 per environment");
  expect(table).toMatch(
    /provisioning, per instance +│ 1: 1 PutSecretValue +│ not counted +│ 0\.5: 0\.5 GET \/a/,
  );
  expect(table).toMatch(/switching rotation on +│ 0 +│ 0 +│ 0/);
  expect(table).toMatch(/a rotation +│ 4: 3 DescribeSecret, 1/);
});

it("leaves out what was not counted", () => {
  const provisioning = { secretsManager: {}, dynamoDb: {}, controlPlane: {} };
  const resources = { perInstance: 2, perEnvironment: 10 };

  expect(figuresTable({ resources, calls: { provisioning } })).not.toMatch(/a rotation|switching/);
  expect(figuresTable({ resources, calls: {} })).toBe("resources: 2 per instance, 10 per environment");
});
