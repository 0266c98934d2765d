import { displayName, environmentsToDeploy, resolveSettings } from "../../../constructs";
import { environment, leastSettings } from "../../helpers/synth";

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

describe("environmentsToDeploy", () => {
  const real = environment({
    accountId: "123456789012",
    assumeRole: { roleArn: "arn:aws:iam::123456789012:role/deploy" },
    backend: { bucket: "state" },
    removal: "delete",
  });

  test.each([[{}], [{ VALMI_AGENT_KEYS_LOCAL: "" }], [{ VALMI_AGENT_KEYS_LOCAL: undefined }]])(
    "leaves the environments as configured with %j",
    (variables) => {
      expect(environmentsToDeploy([real], variables)).toEqual([real]);
    },
  );

  test("drops guard, role, backend and URL for a local run, and nothing else", () => {
    const url = "http://127.0.0.1:4711/api/v1";
    const [local] = environmentsToDeploy([real], { VALMI_AGENT_KEYS_LOCAL: url });
    expect(local).toEqual({
      ...leastSettings,
      removal: "delete",
      controlPlane: { ...leastSettings.controlPlane, url },
    });
  });

  test.each(["https://value.valmi.io/api/v1", "http://127.0.0.1.example.com", "not a URL"])(
    "refuses %s, which may leave the machine",
    (url) => {
      expect(() => environmentsToDeploy([real], { VALMI_AGENT_KEYS_LOCAL: url })).toThrow(
        /VALMI_AGENT_KEYS_LOCAL must be the URL of a Control Plane on this machine.*got: .*Unset it/,
      );
    },
  );
});

test("a Control Plane on this machine is reached without the CA and the proxy of the real one", () => {
  const controlPlane = {
    ...leastSettings.controlPlane,
    url: "https://valmi.example.com/api/v1",
    caCertificate: "-----BEGIN CERTIFICATE-----",
    proxyUrl: "http://proxy.example:3128",
  };
  const local = "http://127.0.0.1:8200/api/v1";
  expect(
    environmentsToDeploy([environment({ controlPlane })], { VALMI_AGENT_KEYS_LOCAL: local }),
  ).toMatchObject([{ controlPlane: { ...leastSettings.controlPlane, url: local } }]);
  const [given] = environmentsToDeploy([environment({ controlPlane })], { VALMI_AGENT_KEYS_LOCAL: local });
  expect(Object.keys(given?.controlPlane ?? {}).sort()).toEqual(["apiKeySecretName", "url"]);
});
