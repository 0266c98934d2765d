import { FUNCTION_ENV } from "../../../core/contract";
import { readSettings, SettingsError } from "../../../core/settings/function-settings";
import { Authority } from "../../../proofs/harness/certificates";

const ENV = {
  VALMI_CONTROL_PLANE_URL: "https://value.valmi.io/api/v1",
  VALMI_CONTROL_PLANE_AUTH: "api-key",
  VALMI_API_KEY_SECRET_ARN: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:api-key-AbCdEf",
  VALMI_GRACE_PERIOD_HOURS: "24",
  VALMI_INTENT_TABLE: "valmi-dev-intents",
};

test("reads a function's environment", () => {
  expect(readSettings(ENV)).toEqual({
    controlPlaneUrl: "https://value.valmi.io/api/v1",
    controlPlaneAuth: "api-key",
    apiKeySecretArn: ENV.VALMI_API_KEY_SECRET_ARN,
    gracePeriodMs: 24 * 60 * 60_000,
    intentTable: "valmi-dev-intents",
  });
});

test.each([
  [{ VALMI_CONTROL_PLANE_URL: "https://cp.example/api/" }, { controlPlaneUrl: "https://cp.example/api" }],
  [
    { VALMI_CONTROL_PLANE_URL: "http://127.0.0.1:8200/api/v1" },
    { controlPlaneUrl: "http://127.0.0.1:8200/api/v1" },
  ],
  [{ VALMI_CONTROL_PLANE_URL: "http://localhost:8200" }, { controlPlaneUrl: "http://localhost:8200" }],
  [{ VALMI_CONTROL_PLANE_URL: "http://[::1]:8200" }, { controlPlaneUrl: "http://[::1]:8200" }],
  [{ VALMI_CONTROL_PLANE_URL: "http://127.0.0.2" }, { controlPlaneUrl: "http://127.0.0.2" }],
  [{ VALMI_CONTROL_PLANE_AUTH: "bearer" }, { controlPlaneAuth: "bearer" }],
  [{ VALMI_GRACE_PERIOD_HOURS: "0" }, { gracePeriodMs: 0 }],
  [{ VALMI_GRACE_PERIOD_HOURS: "0.5" }, { gracePeriodMs: 30 * 60_000 }],
])("accepts %j", (change, settings) => {
  expect(readSettings({ ...ENV, ...change })).toMatchObject(settings);
});

const OPTIONAL: string[] = [FUNCTION_ENV.controlPlaneCa, FUNCTION_ENV.controlPlaneProxy];
const REQUIRED = Object.values(FUNCTION_ENV).filter((name) => !OPTIONAL.includes(name));
test.each(REQUIRED)("says that %s is not set", (name) => {
  const problem = new SettingsError(`${name}: required, and it is not set`);
  expect(() => readSettings({ ...ENV, [name]: undefined })).toThrow(problem);
  expect(() => readSettings({ ...ENV, [name]: "" })).toThrow(problem);
});

test.each([
  ["VALMI_CONTROL_PLANE_URL", "http://value.valmi.io/api/v1", "must be an https URL"],
  ["VALMI_CONTROL_PLANE_URL", "http://127.0.0.1.evil.example", "must be an https URL"],
  ["VALMI_CONTROL_PLANE_URL", "ftp://127.0.0.1", "must be an https URL"],
  ["VALMI_CONTROL_PLANE_URL", "value.valmi.io", "must be an https URL"],
  ["VALMI_CONTROL_PLANE_AUTH", "basic", "must be 'api-key' or 'bearer'"],
  ["VALMI_GRACE_PERIOD_HOURS", "-1", "must be a number of hours, 0 or more"],
  ["VALMI_GRACE_PERIOD_HOURS", "a day", "must be a number of hours, 0 or more"],
  ["VALMI_GRACE_PERIOD_HOURS", "Infinity", "must be a number of hours, 0 or more"],
  ["VALMI_GRACE_PERIOD_HOURS", " ", "must be a number of hours, 0 or more"],
])("refuses %s=%s by name, rule and value", (name, value, rule) => {
  const read = () => readSettings({ ...ENV, [name]: value });
  expect(read).toThrow(SettingsError);
  expect(read).toThrow(`${name}: ${rule}`);
  expect(read).toThrow(`got ${value}`);
});

test.each([
  "https://operator:pass@cp.example/api",
  "http://operator:pass@cp.example/api",
  "ftp//operator:pass@cp.example/api",
  "https://pass@cp.example/api",
  "https://cp.example/api?pass",
  "https://cp.example/api#pass",
])("refuses the URL %s without repeating it", (url) => {
  const read = () => readSettings({ ...ENV, VALMI_CONTROL_PLANE_URL: url });
  expect(read).toThrow("VALMI_CONTROL_PLANE_URL: must be a URL without user, password, query and fragment");
  expect(read).not.toThrow(/pass@|[?#]pass/);
});

test("a key where the URL belongs is not repeated", () => {
  const read = () => readSettings({ ...ENV, VALMI_CONTROL_PLANE_URL: "token_abc123xyz" });
  expect(read).toThrow("got [masked]");
});

const authority = new Authority("our CA");
const PEM = authority.certificate;
const NO_AUTHORITY = authority.issue("DNS:cp.example").cert;
authority.remove();

test.each<[Record<string, string>, object | undefined]>([
  [{}, undefined],
  [{ VALMI_CONTROL_PLANE_CA: "", VALMI_CONTROL_PLANE_PROXY: "" }, undefined],
  [{ VALMI_CONTROL_PLANE_CA: PEM }, { caCertificate: PEM }],
  [{ VALMI_CONTROL_PLANE_PROXY: "http://proxy.example:3128" }, { proxyUrl: "http://proxy.example:3128" }],
  [
    { VALMI_CONTROL_PLANE_CA: PEM, VALMI_CONTROL_PLANE_PROXY: "https://[::1]:3128" },
    { caCertificate: PEM, proxyUrl: "https://[::1]:3128" },
  ],
])("reads the route to the Control Plane of %j", (changes, route) => {
  expect(readSettings({ ...ENV, ...changes }).controlPlaneRoute).toEqual(route);
});

test.each<[Record<string, string>, string]>([
  [{ NODE_TLS_REJECT_UNAUTHORIZED: "0" }, "NODE_TLS_REJECT_UNAUTHORIZED: must not be 0"],
  [{ VALMI_CONTROL_PLANE_CA: "MIIB" }, "VALMI_CONTROL_PLANE_CA: must be certificates in PEM"],
  [{ VALMI_CONTROL_PLANE_CA: NO_AUTHORITY }, "VALMI_CONTROL_PLANE_CA: must be certificates of authorities"],
  [
    { VALMI_CONTROL_PLANE_CA: `${PEM}-----BEGIN PRIVATE KEY-----` },
    "VALMI_CONTROL_PLANE_CA: must be certificates in PEM, and nothing beside them, a private key least of all, got ",
  ],
  [
    { VALMI_CONTROL_PLANE_PROXY: "socks5://proxy" },
    "VALMI_CONTROL_PLANE_PROXY: must be an http or https URL",
  ],
  [
    { VALMI_CONTROL_PLANE_PROXY: "http://me:pw@proxy" },
    "VALMI_CONTROL_PLANE_PROXY: must be an http or https URL",
  ],
  [
    { VALMI_CONTROL_PLANE_PROXY: "http://proxy", VALMI_CONTROL_PLANE_URL: "http://127.0.0.1:8200" },
    "only for an https URL of the Control Plane, got http://127.0.0.1:8200",
  ],
])("refuses %j", (changes, message) => {
  const read = () => readSettings({ ...ENV, ...changes });
  expect(read).toThrow(SettingsError);
  expect(read).toThrow(message);
  expect(read).not.toThrow(/pw@|BEGIN PRIVATE/);
});

test.each(["1", "", undefined])("NODE_TLS_REJECT_UNAUTHORIZED may be %j", (value) => {
  expect(() => readSettings({ ...ENV, NODE_TLS_REJECT_UNAUTHORIZED: value })).not.toThrow();
});
