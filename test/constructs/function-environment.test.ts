import fc from "fast-check";
import {
  AgentKeys,
  type AgentKeysSettings,
  type ControlPlaneSettings,
  checkEnvironments,
} from "../../constructs";
import { readAuditorSettings } from "../../core/audit/settings";
import { readSettings } from "../../core/settings/function-settings";
import { Authority } from "../../proofs/harness/certificates";
import { bundles, leastSettings, Synthesised, stack } from "../helpers/synth";

/** A function that refuses its environment rotates nothing, and says so only when it is called. */

const authority = new Authority("our CA");
afterAll(() => authority.remove());

/** The environment of each function, as a deploy gives it, with ARNs in place of what Terraform knows only then. */
function environments(changes: Partial<AgentKeysSettings>): Record<string, string>[] {
  const own = stack();
  new AgentKeys(own, "agent-keys", { ...leastSettings, ...changes, bundles });
  return new Synthesised(own).all("aws_lambda_function").map(({ environment }) => {
    const { variables } = environment as { variables: Record<string, string> };
    return Object.fromEntries(
      Object.entries(variables).map(([name, value]) => [name, value.replace(/\$\{.*\}/, ARN)]),
    );
  });
}
const ARN = "arn:aws:lambda:eu-central-1:123456789012:function:valmi-dev-agent-key-rotation";

const controlPlane = (changes: Partial<ControlPlaneSettings>) => ({
  controlPlane: { ...leastSettings.controlPlane, ...changes },
});
const isAccepted = (changes: Partial<AgentKeysSettings>) =>
  checkEnvironments([{ ...leastSettings, ...changes }]).length === 0;

function refusals(changes: Partial<AgentKeysSettings>): unknown[] {
  return environments(changes).flatMap((variables) => {
    try {
      readSettings(variables);
      return [];
    } catch (error) {
      return [error];
    }
  });
}

test.each([
  "http://127.0.0.2",
  "http://127.0.0.1:8200/api/v1",
  "http://127.255.1.9/x",
  "http://localhost:1",
  "http://LOCALHOST/a",
  "http://0177.0.0.1/x",
  "https://valmi.example.com/api/v1",
  "HTTPS://valmi.example.com",
])("every function reads the URL %s, which synth accepts", (url) => {
  expect(isAccepted(controlPlane({ url }))).toBe(true);
  expect(refusals(controlPlane({ url }))).toEqual([]);
});

test("every function reads a CA and a proxy that synth accepts", () => {
  const given = controlPlane({
    url: "https://valmi.example.com/api/v1",
    caCertificate: `\n${authority.certificate}\n${authority.certificate}`,
    proxyUrl: "https://[::1]:3128",
  });
  expect(isAccepted(given)).toBe(true);
  expect(refusals(given)).toEqual([]);
});

test("whatever URLs synth accepts, every function reads", () => {
  const host = fc.oneof(
    fc.nat(255).map((last) => `127.0.0.${last}`),
    fc.ipV4(),
    fc.ipV6().map((address) => `[${address}]`),
    fc.constantFrom("localhost", "localhost.", "127.1", "2130706434", "[::ffff:127.0.0.1]", "0.0.0.0"),
    fc.domain(),
  );
  const url = fc
    .tuple(
      fc.constantFrom("http", "https", "HTTP", "ftp"),
      host,
      fc.constantFrom("", "/api/v1", "/a?b", "/a/"),
    )
    .map(([scheme, name, path]) => `${scheme}://${name}${path}`);
  let accepted = 0;
  fc.assert(
    fc.property(url, (given) => {
      const ways: Partial<ControlPlaneSettings>[] = [
        { url: given },
        { url: "https://valmi.example.com", proxyUrl: given },
      ];
      for (const changes of ways.filter((each) => isAccepted(controlPlane(each)))) {
        accepted++;
        const synthesised = {
          ...SOUND,
          VALMI_CONTROL_PLANE_URL: changes.url,
          ...(changes.proxyUrl ? { VALMI_CONTROL_PLANE_PROXY: changes.proxyUrl } : {}),
        };
        expect(() => readSettings(synthesised)).not.toThrow();
      }
    }),
    { numRuns: 500 },
  );
  expect(accepted).toBeGreaterThan(100);
});
const SOUND = {
  VALMI_CONTROL_PLANE_AUTH: "api-key",
  VALMI_API_KEY_SECRET_ARN: ARN,
  VALMI_GRACE_PERIOD_HOURS: "24",
  VALMI_INTENT_TABLE: "table",
};

test.each<Partial<AgentKeysSettings>>([
  {},
  { rotation: "off" },
  { rotation: { automaticallyAfterDays: 30 } },
  { rotation: { windowHours: 4 }, alerts: { healing: "dry-run", heartbeatUrl: "https://example.com/beat" } },
])("the auditor reads what synth accepts: %j", (changes) => {
  const [auditor = {}] = environments(changes).filter((variables) => "VALMI_HEALING" in variables);
  const { rotation } = readAuditorSettings(auditor, 0).audit.thresholds;
  const given = { automaticallyAfterDays: 90, windowHours: 24, ...Object(changes.rotation) };
  expect(
    rotation && { days: rotation.intervalMs / 86_400_000, hours: rotation.windowMs / 3_600_000 },
  ).toEqual(
    changes.rotation === "off" ? undefined : { days: given.automaticallyAfterDays, hours: given.windowHours },
  );
});
