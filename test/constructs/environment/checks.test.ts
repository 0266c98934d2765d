import { inspect } from "node:util";
import { TerraformVariable } from "cdktf";
import {
  type AgentInstanceSettings,
  checkEnvironments,
  describeProblem,
  type Environment,
  InvalidEnvironmentsError,
  refuseErrors,
} from "../../../constructs";
import { MANY_INSTANCES } from "../../../constructs/environment/checks";
import { MINIMUM_GRACE_PERIOD_HOURS } from "../../../constructs/environment/grace-period";
import { Authority } from "../../../proofs/harness/certificates";
import { environment, stack } from "../../helpers/synth";

const controlPlane = { apiKeySecretName: "operator-api-key" };
const agentType = { id: "at_1" };
const adopt = { agentInstanceId: "ai_1", existingKey: "refresh" as const };

/** Data as a file may hold it, which no type has checked. */
const untyped = (changes: Record<string, unknown>) => environment(changes as Partial<Environment>);
const withInstance = (changes: Record<string, unknown>) =>
  untyped({ agentInstances: [{ id: "support", agentType, ...changes }] });

const found = (...environments: Environment[]) =>
  checkEnvironments(environments).map(({ agentInstance, field }) =>
    agentInstance ? `${agentInstance}: ${field}` : field,
  );

test("the least environment has no problem", () => {
  expect(checkEnvironments([environment()])).toEqual([]);
});

test("an environment that says everything has no problem", () => {
  const full = environment({
    accountId: "123456789012",
    assumeRole: { roleArn: "arn:aws:iam::123456789012:role/path/deploy", externalId: "ext-1" },
    backend: {
      bucket: "my.state-bucket",
      key: "agents/dev.tfstate",
      region: "us-gov-west-1",
      roleArn: "arn:aws:iam::123456789012:role/state",
    },
    controlPlane: {
      url: "http://127.0.0.1:8200/api/v1",
      auth: "bearer",
      apiKeySecretName: "a/B_c+d=e.f@g-h",
      apiKeyKmsKeyArn: "arn:aws:kms:eu-central-1:123456789012:key/1-2",
      gracePeriodHours: 0,
    },
    rotation: { automaticallyAfterDays: 1000, windowHours: 24 },
    removal: "deactivate",
    recoveryWindowDays: 7,
    tags: { team: "agents", "cost centre": "" },
    namePrefix: "acme-valmi",
    permissionsBoundaryArn: "arn:aws:iam::123456789012:policy/boundary",
    iamPath: "/agents/keys/",
    kms: { keyArn: "arn:aws:kms:eu-central-1:123456789012:key/1-2", encryptsFunctions: true },
    readThroughVpcEndpoints: ["vpce-0a1b2c3d"],
    vpc: { subnetIds: ["subnet-0a"], securityGroupIds: ["sg-0b"] },
    functions: { runtime: "nodejs24.x", architecture: "x86_64", logRetentionDays: 3653 },
    agentInstances: [
      {
        id: "support-2",
        agentType: { name: "Café Bot" },
        name: "Support: Café @ work",
        accountId: "acc_1",
        contactId: "con_1",
        description: 'Says "hi"\nand costs $5',
        subscription: "sub_1",
        pricing: "per-reply",
        revision: 3,
      },
      {
        id: "old",
        adopt: { agentInstanceId: "ai_1", existingKey: "provided" },
        subscription: "s",
        pricing: "p",
        revision: 1,
      },
    ],
  });
  expect(checkEnvironments([full])).toEqual([]);
});

test("values that Terraform knows only later are let through where another resource may give them", () => {
  const scope = stack();
  const later = new TerraformVariable(scope, "later", { type: "string" }).stringValue;
  const laterList = new TerraformVariable(scope, "list", { type: "list(string)" }).listValue;
  const referring = environment({
    controlPlane: { apiKeySecretName: later, apiKeyKmsKeyArn: later },
    permissionsBoundaryArn: later,
    kms: { keyArn: later },
    vpc: { subnetIds: laterList, securityGroupIds: [later] },
  });
  expect(checkEnvironments([referring])).toEqual([]);
});

describe("refuses an environment", () => {
  test.each<[field: string, changes: Record<string, unknown>]>([
    ["name", { name: "" }],
    ["name", { name: "Dev" }],
    ["name", { name: "dev/x" }],
    ["name", { name: "dev--x" }],
    ["name", { name: "x".repeat(36) }],
    ["namePrefix", { namePrefix: "va_lmi" }],
    ["region", { region: "Frankfurt" }],
    ["region", { region: undefined }],
    ["accountId", { accountId: "1234" }],
    ["accountId", { accountId: 123456789012 }],
    ["assumeRole.roleArn", { assumeRole: { roleArn: "deploy" } }],
    ["assumeRole.roleArn", { assumeRole: {} }],
    [
      "assumeRole.externalId",
      { assumeRole: { roleArn: "arn:aws:iam::123456789012:role/r", externalId: "" } },
    ],
    ["backend.bucket", { backend: { bucket: "My Bucket" } }],
    ["backend.key", { backend: { bucket: "state", key: "/dev.tfstate" } }],
    ["backend.region", { backend: { bucket: "state", region: "here" } }],
    ["backend.roleArn", { backend: { bucket: "state", roleArn: "r" } }],
    ["controlPlane", { controlPlane: "https://value.valmi.io/api/v1" }],
    ["controlPlane.apiKeySecretName", { controlPlane: {} }],
    ["controlPlane.apiKeySecretName", { controlPlane: { apiKeySecretName: "" } }],
    ["controlPlane.apiKeySecretName", { controlPlane: { apiKeySecretName: "x y" } }],
    ["controlPlane.apiKeyKmsKeyArn", { controlPlane: { ...controlPlane, apiKeyKmsKeyArn: "alias/k" } }],
    ["controlPlane.auth", { controlPlane: { ...controlPlane, auth: "basic" } }],
    ["controlPlane.url", { controlPlane: { ...controlPlane, url: "value.valmi.io" } }],
    ["controlPlane.url", { controlPlane: { ...controlPlane, url: "https://value.valmi.io/api/v1/" } }],
    ["controlPlane.url", { controlPlane: { ...controlPlane, url: "https://me:pw@value.valmi.io/api" } }],
    ["controlPlane.url", { controlPlane: { ...controlPlane, url: "https://value.valmi.io/api?x=1" } }],
    ["controlPlane.url", { controlPlane: { ...controlPlane, url: "ftp://127.0.0.1/api" } }],
    ["controlPlane.url", { controlPlane: { ...controlPlane, url: "http://value.valmi.io/api/v1" } }],
    ["controlPlane.url", { controlPlane: { ...controlPlane, url: "http://10.0.0.7:8200/api/v1" } }],
    ["controlPlane.gracePeriodHours", { controlPlane: { ...controlPlane, gracePeriodHours: -1 } }],
    ["controlPlane.gracePeriodHours", { controlPlane: { ...controlPlane, gracePeriodHours: 1 } }],
    ["controlPlane.gracePeriodHours", { controlPlane: { ...controlPlane, gracePeriodHours: 24.5 } }],
    ["controlPlane.gracePeriodHours", { controlPlane: { ...controlPlane, gracePeriodHours: "24" } }],
    ["rotation", { rotation: "never" }],
    ["rotation", { rotation: null }],
    ["rotation.automaticallyAfterDays", { rotation: { automaticallyAfterDays: 0 } }],
    ["rotation.automaticallyAfterDays", { rotation: { automaticallyAfterDays: 1001 } }],
    ["rotation.automaticallyAfterDays", { rotation: { automaticallyAfterDays: 1.5 } }],
    ["rotation.windowHours", { rotation: { windowHours: 0 } }],
    ["rotation.windowHours", { rotation: { windowHours: 25 } }],
    ["rotation.automaticallyAfterDays", { rotation: { automaticallyAfterDays: 1 } }],
    ["rotation.automaticallyAfterDays", { rotation: { automaticallyAfterDays: 1, windowHours: 1 } }],
    ["removal", { removal: "retain" }],
    ["recoveryWindowDays", { recoveryWindowDays: 6 }],
    ["recoveryWindowDays", { recoveryWindowDays: 31 }],
    ["recoveryWindowDays", { removal: "deactivate", recoveryWindowDays: 0 }],
    ["tags", { tags: ["team"] }],
    ["tags", { tags: Object.fromEntries(Array.from({ length: 41 }, (_, n) => [`t${n}`, "x"])) }],
    ["tags.aws:team", { tags: { "aws:team": "x" } }],
    ["tags.valmi:id", { tags: { "valmi:id": "x" } }],
    ["tags.team", { tags: { team: "a&b" } }],
    ["tags.team", { tags: { team: "x".repeat(257) } }],
    ["permissionsBoundaryArn", { permissionsBoundaryArn: "boundary" }],
    ["iamPath", { iamPath: "agents" }],
    ["kms", { kms: "mine" }],
    ["kms.keyArn", { kms: { keyArn: "alias/mine" } }],
    [
      "kms.encryptsFunctions",
      { kms: { keyArn: "arn:aws:kms:eu-central-1:123456789012:key/1-2", encryptsFunctions: "yes" } },
    ],
    ["readThroughVpcEndpoints[0]", { readThroughVpcEndpoints: ["vpc-1"] }],
    ["readThroughVpcEndpoints", { readThroughVpcEndpoints: [] }],
    ["vpc.subnetIds", { vpc: { subnetIds: [], securityGroupIds: ["sg-1"] } }],
    ["vpc.subnetIds[0]", { vpc: { subnetIds: ["sg-1"], securityGroupIds: ["sg-1"] } }],
    ["vpc.securityGroupIds", { vpc: { subnetIds: ["subnet-1"] } }],
    ["functions.runtime", { functions: { runtime: "nodejs18.x" } }],
    ["functions.runtime", { functions: { runtime: "python3.13" } }],
    ["functions.architecture", { functions: { architecture: "arm" } }],
    ["functions.logRetentionDays", { functions: { logRetentionDays: 91 } }],
    ["agentInstances", { agentInstances: undefined }],
    ["agentInstances", { agentInstances: { support: {} } }],
    ["rotatoin", { rotatoin: {} }],
    ["rotation.days", { rotation: { days: 90 } }],
  ])("for `%s` in %j", (field, changes) => {
    expect(found(untyped(changes))).toEqual([field]);
  });

  test.each([null, undefined, "dev", []])("that is %j", (notAnEnvironment) => {
    expect(found(notAnEnvironment as unknown as Environment)).toEqual(["environment"]);
  });
});

describe("refuses an agent instance", () => {
  test.each<[field: string, changes: Record<string, unknown>]>([
    ["agentType", { agentType: undefined }],
    ["agentType", { agentType: "at_1" }],
    ["agentType", { agentType: {} }],
    ["agentType", { agentType: { id: "at_1", name: "Bot" } }],
    ["agentType.id", { agentType: { id: "" } }],
    ["agentType.name", { agentType: { name: "Bot #1" } }],
    ["name", { name: "" }],
    ["name", { name: " Support" }],
    ["name", { name: "x".repeat(257) }],
    ["accountId", { accountId: "" }],
    ["accountId", { accountId: 7 }],
    ["contactId", { contactId: "con|1" }],
    ["subscription", { subscription: "a\nb" }],
    ["pricing", { pricing: null }],
    ["description", { description: "" }],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of Terraform
    ["description", { description: "costs ${price}" }],
    ["description", { description: "%{ if true }" }],
    ["description", { description: "[valmi-agent-keys 123456789012/eu-central-1/valmi/dev/x/agent-key]" }],
    ["revision", { revision: -1 }],
    ["revision", { revision: "1" }],
    ["adopt", { agentType: undefined, adopt: "ai_1" }],
    ["adopt.existingKey", { agentType: undefined, adopt: { agentInstanceId: "ai_1" } }],
    ["adopt.existingKey", { agentType: undefined, adopt: { agentInstanceId: "ai_1", existingKey: "keep" } }],
    [
      "adopt.agentInstanceId",
      { agentType: undefined, adopt: { agentInstanceId: "", existingKey: "refresh" } },
    ],
    ["agentType", { adopt }],
    ["name", { agentType: undefined, adopt, name: "Support" }],
    ["accountId", { agentType: undefined, adopt, accountId: "acc_1" }],
    ["contactId", { agentType: undefined, adopt, contactId: "con_1" }],
    ["description", { agentType: undefined, adopt, description: "x" }],
    ["agentTyp", { agentTyp: {} }],
  ])("for `%s` in %j", (field, changes) => {
    expect(found(withInstance(changes))).toEqual([`support: ${field}`]);
  });

  test.each(["", "Support", "a_b", "a/b", "-a", "a--b", "x".repeat(65), 7, null])("with the id %j", (id) => {
    const [problem, ...others] = checkEnvironments([untyped({ agentInstances: [{ id, agentType }] })]);
    expect(problem).toMatchObject({
      field: "id",
      agentInstance: typeof id === "string" && id !== "" ? id : "#0",
    });
    expect(others).toEqual([]);
  });

  test("that isn't one", () => {
    expect(found(untyped({ agentInstances: [{ id: "support", agentType }, "support"] }))).toEqual([
      "#1: agentInstances",
    ]);
  });
});

describe("refuses what occurs twice:", () => {
  const two = (first: Record<string, unknown>, second: Record<string, unknown>) =>
    untyped({ agentInstances: [first, second] });
  const staging = (instance: AgentInstanceSettings, url?: string) =>
    environment({
      name: "staging",
      controlPlane: { ...controlPlane, ...(url ? { url } : {}) },
      agentInstances: [instance],
    });

  test("environments of one name", () => {
    expect(found(environment(), environment({ agentInstances: [] }))).toEqual(["name"]);
  });

  test("ids in one environment, but not in two", () => {
    expect(found(two({ id: "support", agentType }, { id: "support", agentType }))).toEqual(["support: id"]);
    expect(found(environment(), staging({ id: "support", agentType }))).toEqual([]);
  });

  test("display names at one Control Plane, given or by default", () => {
    const clash = { id: "other", agentType, name: "dev-support" };
    expect(found(two({ id: "support", agentType }, clash))).toEqual(["other: name"]);
    expect(found(environment(), staging(clash))).toEqual(["other: name"]);
    expect(found(environment(), staging(clash, "https://valmi.example.com/api/v1"))).toEqual([]);
  });

  test("adopted instances at one Control Plane", () => {
    expect(found(two({ id: "a", adopt }, { id: "b", adopt }))).toEqual(["b: adopt.agentInstanceId"]);
    expect(found(environment({ agentInstances: [{ id: "a", adopt }] }), staging({ id: "b", adopt }))).toEqual(
      ["b: adopt.agentInstanceId"],
    );
  });
});

test("the rotation interval less its window may be as short as the grace period, not shorter", () => {
  const rotation = (automaticallyAfterDays: number, gracePeriodHours: number) =>
    environment({
      rotation: { automaticallyAfterDays, windowHours: 4 },
      controlPlane: { ...controlPlane, gracePeriodHours },
    });
  expect(found(rotation(2, 44))).toEqual([]);
  expect(checkEnvironments([rotation(2, 45)])).toMatchObject([{ got: 2, fix: "make it 3 or more" }]);
  expect(
    found(environment({ rotation: "off", controlPlane: { ...controlPlane, gracePeriodHours: 5_000 } })),
  ).toEqual([]);
});

test("the grace period is none, or long enough to reach the consumers", () => {
  const grace = (gracePeriodHours: number) =>
    environment({ controlPlane: { ...controlPlane, gracePeriodHours } });
  expect(found(grace(0))).toEqual([]);
  expect(found(grace(MINIMUM_GRACE_PERIOD_HOURS))).toEqual([]);
  expect(found(grace(MINIMUM_GRACE_PERIOD_HOURS - 1))).toEqual(["controlPlane.gracePeriodHours"]);
});

test("warns of a stack with very many instances, and refuses nothing", () => {
  const instances = (count: number) =>
    environment({ agentInstances: Array.from({ length: count }, (_, n) => ({ id: `a-${n}`, agentType })) });
  expect(checkEnvironments([instances(MANY_INSTANCES)])).toEqual([]);
  const problems = checkEnvironments([instances(MANY_INSTANCES + 1)]);
  expect(problems).toMatchObject([{ severity: "warning", field: "agentInstances", got: "1001 entries" }]);
  expect(refuseErrors(problems)).toBe(problems);
});

test("all problems of all environments are listed at once, each with place, field, rule, value and fix", () => {
  const dev = withInstance({ name: "a|b", revision: 1.5 });
  const staging = untyped({ name: "staging", rotation: { windowHours: 25 }, tag: {} });
  expect(() => refuseErrors(checkEnvironments([dev, staging]))).toThrow(InvalidEnvironmentsError);
  const [, ...lines] = new InvalidEnvironmentsError(checkEnvironments([dev, staging])).message.split("\n");
  expect(lines).toHaveLength(4);
  expect(lines[0]).toMatch(
    /^- dev, agent instance support: `revision` must be a whole number .*; got: 1\.5\. To fix: /,
  );
  expect(lines[1]).toMatch(
    /^- dev, agent instance support: `name` must be 1–256 letters.*; got: "a\|b"\. To fix: /,
  );
  expect(lines[3]).toMatch(
    /^- staging: `tag` is not a field .*; got: a value of type object\. To fix: .*`?name, region/,
  );
  expect(lines[2]).toMatch(/^- staging: `rotation.windowHours` must be .* 1–24.*; got: 25\. To fix: /);
});

test("what is wrong is shown in short", () => {
  const [problem] = checkEnvironments([untyped({ region: "x".repeat(5_000) })]);
  expect(problem && describeProblem(problem).length).toBeLessThan(400);
});

const KEYS = ["agent_abc123xyz456", "token_abc123xyz456"];

test.each(KEYS)("a key that somebody wrote where none belongs is not repeated: %s", (key) => {
  const problems = checkEnvironments([
    untyped({
      name: key,
      region: key,
      apiKey: "a key of no known shape",
      [key]: 1,
      agentInstances: [{ id: key, agentType, description: `${"x".repeat(110)} ${key} [valmi-agent-keys` }],
    }),
  ]);
  const error = new InvalidEnvironmentsError(problems);
  expect(error.problems).toBe(problems);
  const message = inspect(error);
  expect(problems.length).toBeGreaterThan(4);
  expect(message).toContain("[masked]");
  expect(message).not.toMatch(/abc123|of no known shape/);
});

test.each<[string, unknown]>([
  ["no list", { name: "dev" }],
  ["a text", "dev"],
])("environments that are %s are refused", (_, given) => {
  expect(checkEnvironments(given as Environment[])).toMatchObject([{ field: "environments" }]);
});

describe("values that can't be made a text are refused like others:", () => {
  const nested = JSON.parse("[".repeat(20_000) + "]".repeat(20_000));
  const cyclic: Record<string, unknown> = {};
  cyclic.itself = cyclic;
  const values = {
    "no text": { toString: 1, valueOf: 1 },
    nested,
    cyclic,
    "a BigInt": 1n,
    "a symbol": Symbol("s"),
  };
  test.each(Object.entries(values))("%s", (_, value) => {
    const environments = [
      untyped({ name: value, agentInstances: [{ id: "a", agentType, name: value }] }),
      untyped({ controlPlane: { ...controlPlane, url: value } }),
      untyped({
        name: "x",
        agentInstances: [{ id: "a", adopt: { agentInstanceId: value, existingKey: value } }],
      }),
      untyped({
        name: "y",
        [String("agentInstances[3]")]: value,
        tags: { team: value },
        agentInstances: value,
      }),
    ];
    expect(() => refuseErrors(checkEnvironments(environments))).toThrow(InvalidEnvironmentsError);
  });
});

describe("the way to a Control Plane of one's own:", () => {
  const authority = new Authority("our CA");
  afterAll(() => authority.remove());
  const ca = authority.certificate;
  const url = "https://valmi.example.com/api/v1";
  const withRoute = (changes: object) =>
    checkEnvironments([untyped({ controlPlane: { ...controlPlane, url, ...changes } })]);

  test("a CA, two of them, and a proxy may be given", () => {
    expect(withRoute({ caCertificate: ca, proxyUrl: "http://proxy.example:3128" })).toEqual([]);
    expect(withRoute({ caCertificate: `${ca}\n${ca}`, proxyUrl: "https://[::1]" })).toEqual([]);
  });

  test.each<[string, string, () => object, RegExp]>([
    [
      "a certificate that is none's authority",
      "caCertificate",
      () => ({ caCertificate: authority.issue("DNS:a").cert }),
      /CA:TRUE/,
    ],
    [
      "a private key",
      "caCertificate",
      () => ({ caCertificate: authority.issue("DNS:b").key }),
      /a private key least of all/,
    ],
    [
      "a private key beside it",
      "caCertificate",
      () => ({ caCertificate: ca + authority.issue("DNS:c").key }),
      /nothing beside/,
    ],
    ["text about it", "caCertificate", () => ({ caCertificate: `subject=CN\n${ca}` }), /nothing beside/],
    ["a file name", "caCertificate", () => ({ caCertificate: "ca.pem" }), /must be certificates in PEM/],
    ["no text", "caCertificate", () => ({ caCertificate: { toString: 1 } }), /must be certificates in PEM/],
    [
      "what is no certificate inside",
      "caCertificate",
      () => ({ caCertificate: ca.replace(/MII/, "AAA") }),
      /each readable/,
    ],
    [
      "more than Lambda bears",
      "caCertificate",
      () => ({ caCertificate: ca.repeat(6) }),
      /at most 2400 bytes.*4096/,
    ],
    [
      "a proxy with a password",
      "proxyUrl",
      () => ({ proxyUrl: "http://me:hunter2@proxy" }),
      /without user, password/,
    ],
    ["another kind of proxy", "proxyUrl", () => ({ proxyUrl: "socks5://proxy" }), /http or https URL/],
    ["a host", "proxyUrl", () => ({ proxyUrl: "proxy:3128" }), /http or https URL/],
    [
      "a CA without https",
      "caCertificate",
      () => ({ url: "http://127.0.0.1/api", caCertificate: ca }),
      /reached by https/,
    ],
    [
      "a proxy without https",
      "proxyUrl",
      () => ({ url: "http://127.0.0.1/api", proxyUrl: "http://p" }),
      /reached by https/,
    ],
  ])("%s is refused", (_, field, changes, message) => {
    const problems = withRoute(changes());
    expect(problems.map((problem) => problem.field)).toEqual([`controlPlane.${field}`]);
    const text = inspect(new InvalidEnvironmentsError(problems));
    expect(text).toMatch(message);
    expect(text).not.toMatch(/PRIVATE KEY-----|hunter2|BEGIN CERT/);
  });
});
