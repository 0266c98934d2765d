import { environmentsToDeploy } from "../../../constructs";
import { environment, leastSettings } from "../../helpers/synth";

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

  test("tells no service on the internet of a local run's audits", () => {
    const alerts = { heartbeatUrl: "https://heartbeat.example.com/x", trail: true };
    const variables = { VALMI_AGENT_KEYS_LOCAL: "http://127.0.0.1:4711/api/v1" };
    const [local] = environmentsToDeploy([environment({ alerts })], variables);
    expect(local?.alerts).toEqual({ trail: true });
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
