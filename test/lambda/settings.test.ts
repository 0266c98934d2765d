import { FUNCTION_ENV } from "../../lambda/contract";
import { readSettings, SettingsError } from "../../lambda/settings";

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
  [{ VALMI_CONTROL_PLANE_AUTH: "bearer" }, { controlPlaneAuth: "bearer" }],
  [{ VALMI_GRACE_PERIOD_HOURS: "0" }, { gracePeriodMs: 0 }],
  [{ VALMI_GRACE_PERIOD_HOURS: "0.5" }, { gracePeriodMs: 30 * 60_000 }],
])("accepts %j", (change, settings) => {
  expect(readSettings({ ...ENV, ...change })).toMatchObject(settings);
});

test.each(Object.values(FUNCTION_ENV))("says that %s is not set", (name) => {
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
