import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { Testing } from "cdktf";
import { InvalidArgumentError } from "commander";
import fc from "fast-check";
import { amount, MOST_SECONDS } from "../../cli/options";
import {
  AgentKeysStack,
  checkEnvironments,
  describeProblem,
  type Environment,
  InvalidEnvironmentsError,
  refuseErrors,
} from "../../constructs";
import { environmentsToDeploy, LOCAL_RUN_VARIABLE } from "../../constructs/environment/local-run";
import { withoutTokenTraces } from "../../constructs/token-traces";
import { FUNCTION_ENV } from "../../core/contract";
import { readSettings, SettingsError } from "../../core/settings/function-settings";
import { environments } from "../../environments";
import { Authority } from "../harness/certificates";
import { altered, jsonText, MARKERS, type Outcome, refusedBy, target, tellsNoKey } from "./target";

/** What people write: environment files, a function's environment, options of the command line. */

const authority = new Authority("our CA");
authority.remove();

/** Says everything that an environment can say, so that everything can be altered. */
const FULL = {
  name: "dev",
  region: "eu-central-1",
  accountId: "123456789012",
  assumeRole: { roleArn: "arn:aws:iam::123456789012:role/path/deploy", externalId: "ext-1" },
  backend: { bucket: "my.state-bucket", key: "agents/dev.tfstate", region: "us-gov-west-1" },
  controlPlane: {
    url: "https://valmi.example.com/api/v1",
    auth: "bearer",
    apiKeySecretName: "operator-api-key",
    apiKeyKmsKeyArn: "arn:aws:kms:eu-central-1:123456789012:key/1-2",
    gracePeriodHours: 24,
    caCertificate: authority.certificate,
    proxyUrl: "http://proxy.example:3128",
  },
  rotation: { automaticallyAfterDays: 90, windowHours: 24 },
  removal: "deactivate",
  recoveryWindowDays: 7,
  tags: { team: "agents" },
  namePrefix: "acme",
  permissionsBoundaryArn: "arn:aws:iam::123456789012:policy/boundary",
  iamPath: "/agents/",
  kms: { keyArn: "arn:aws:kms:eu-central-1:123456789012:key/1-2" },
  vpc: { subnetIds: ["subnet-0a"], securityGroupIds: ["sg-0b"] },
  functions: { runtime: "nodejs22.x", architecture: "arm64", logRetentionDays: 365 },
  agentInstances: [
    {
      id: "support",
      agentType: { name: "Bot" },
      name: "Support",
      accountId: "acc_1",
      description: "helps",
      revision: 3,
    },
    {
      id: "old",
      adopt: { agentInstanceId: "ai_1", existingKey: "provided" },
      subscription: "s",
      pricing: "p",
    },
  ],
};
assert.deepEqual(checkEnvironments([FULL as unknown as Environment]), []);

/** Every so many of the environments that pass the checks are synthesised: it takes tens of milliseconds. */
const SYNTH_EVERY = 40;
let passed = 0;

export const environmentFiles = target(
  "environment files",
  7_000,
  fc.oneof(
    {
      weight: 6,
      arbitrary: altered(FULL, "apiKey", "agentKey", "agentInstances[1]").map((text) => `[${text}]`),
    },
    { weight: 2, arbitrary: altered([environments[0], { ...FULL, name: "second" }]) },
    { weight: 1, arbitrary: jsonText(...Object.keys(FULL)) },
  ),
  (text): Outcome => {
    // A text of no known shape in a field that may hold any text can't be told from what belongs there.
    const given = JSON.parse(text.replaceAll(MARKERS.apiKey, MARKERS.shapedApiKey));
    const problems = checkEnvironments(given);
    for (const problem of problems) tellsNoKey(describeProblem(problem));
    try {
      refuseErrors(problems);
    } catch (error) {
      return refusedBy(error, InvalidEnvironmentsError);
    }
    if (passed++ % SYNTH_EVERY === 0) synthesise(given);
    return "read";
  },
);

function synthesise(given: readonly Environment[]): void {
  const outdir = mkdtempSync(path.join(tmpdir(), "valmi-agent-keys-fuzz-"));
  try {
    const [rotation = "", provisioning = "", audit = ""] = [
      "rotation.zip",
      "provisioning.zip",
      "audit.zip",
    ].map((name) => {
      writeFileSync(path.join(outdir, name), name);
      return path.join(outdir, name);
    });
    withoutTokenTraces(() => {
      const app = Testing.app({ outdir });
      for (const environment of given) {
        const stack = new AgentKeysStack(app, environment.name, {
          environment,
          bundles: { rotation, provisioning, audit },
        });
        assert.ok(JSON.parse(Testing.synth(stack, true)).resource);
      }
    });
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

const anyText = fc.oneof(
  fc.string(),
  fc.webUrl({ withFragments: true, withQueryParameters: true }),
  fc.constantFrom(
    "",
    "24",
    "1e3",
    "bearer",
    "http://127.0.0.1:8200/api/v1/",
    "https://value.valmi.io/api/v1",
    `https://${MARKERS.agentKey}@host/`,
    `https://host/?key=${MARKERS.shapedApiKey}`,
    MARKERS.agentKey,
    MARKERS.shapedApiKey,
  ),
);

const SOUND = {
  [FUNCTION_ENV.controlPlaneUrl]: "https://value.valmi.io/api/v1",
  [FUNCTION_ENV.controlPlaneAuth]: "api-key",
  [FUNCTION_ENV.apiKeySecretArn]: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s-AbCdEf",
  [FUNCTION_ENV.gracePeriodHours]: "24",
  [FUNCTION_ENV.intentTable]: "valmi-dev-intents",
};

export const functionEnvironments = target(
  "a function's environment",
  6_000,
  fc.dictionary(fc.constantFrom(...Object.values(FUNCTION_ENV)), anyText, { maxKeys: 2 }),
  (changes): Outcome => {
    try {
      const settings = readSettings({ ...SOUND, ...changes });
      const url = new URL(settings.controlPlaneUrl);
      assert.ok(url.protocol === "https:" || LOOPBACK.test(url.hostname));
      assert.equal(url.username + url.password + url.search + url.hash, "");
      assert.ok(settings.gracePeriodMs >= 0);
    } catch (error) {
      return refusedBy(error, SettingsError);
    }
    return "read";
  },
);

export const options = target(
  "options of the command line",
  5_000,
  fc.oneof(anyText, fc.nat().map(String), fc.double().map(String), fc.bigInt().map(String)),
  (text): Outcome => {
    let outcome: Outcome = "refused";
    try {
      const [first] = environmentsToDeploy(environments, { [LOCAL_RUN_VARIABLE]: text });
      if (text !== "") assert.ok(LOOPBACK.test(new URL(first?.controlPlane.url ?? "").hostname));
    } catch (error) {
      refusedBy(error, Error);
    }
    try {
      const seconds = amount(0, MOST_SECONDS)(text);
      assert.ok(seconds >= 0 && seconds * 1_000 < 2 ** 31);
      outcome = "read";
    } catch (error) {
      refusedBy(error, InvalidArgumentError);
    }
    return outcome;
  },
);
