import { displayName, resolveSettings } from "../../../constructs";
import { leastSettings } from "../../helpers/synth";

describe("resolveSettings", () => {
  test("gives every setting that was left out its default", () => {
    expect(resolveSettings(leastSettings)).toEqual({
      name: "dev",
      region: "eu-central-1",
      controlPlane: {
        url: "https://value.valmi.io/api/v1",
        auth: "api-key",
        apiKeySecretName: "valmi/dev/operator-api-key",
        gracePeriodHours: 24,
      },
      rotation: { automaticallyAfterDays: 90 },
      removal: "protect",
      recoveryWindowDays: 30,
      tags: {},
      namePrefix: "valmi",
      iamPath: "/",
      kms: "managed-per-environment",
      readThroughVpcEndpoints: [],
      functions: { runtime: "nodejs22.x", architecture: "arm64", logRetentionDays: 365 },
      alerts: { runbookUrl: "docs/operations.md", healing: "on", trail: false, dashboard: false },
    });
  });

  test("keeps what was given, in part of a group too", () => {
    const resolved = resolveSettings({
      ...leastSettings,
      rotation: { windowHours: 4 },
      functions: { architecture: "x86_64" },
      vpc: { subnetIds: ["subnet-1"], securityGroupIds: ["sg-1"] },
      permissionsBoundaryArn: "arn:aws:iam::123456789012:policy/boundary",
    });
    expect(resolved).toMatchObject({
      rotation: { automaticallyAfterDays: 90, windowHours: 4 },
      functions: { runtime: "nodejs22.x", architecture: "x86_64" },
      vpc: { subnetIds: ["subnet-1"] },
      permissionsBoundaryArn: "arn:aws:iam::123456789012:policy/boundary",
    });
  });

  test.each([
    ["protect", 30],
    ["deactivate", 30],
    ["delete", 0],
  ] as const)("removal by %s leaves %d days to restore a secret", (removal, days) => {
    expect(resolveSettings({ ...leastSettings, removal }).recoveryWindowDays).toBe(days);
    expect(resolveSettings({ ...leastSettings, removal, recoveryWindowDays: 7 }).recoveryWindowDays).toBe(7);
  });

  test("rotation is off only where that is said", () => {
    expect(resolveSettings({ ...leastSettings, rotation: "off" }).rotation).toBe("off");
  });
});

test("an instance is called by its name, or by environment and id; an adopted one keeps its own name", () => {
  const agentType = { id: "at_1" };
  expect(displayName("dev", { id: "support", agentType })).toBe("dev-support");
  expect(displayName("dev", { id: "support", agentType, name: "Support" })).toBe("Support");
  expect(
    displayName("dev", { id: "s", adopt: { agentInstanceId: "ai_1", existingKey: "refresh" } }),
  ).toBeUndefined();
});
