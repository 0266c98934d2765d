import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DeleteTableCommand, DynamoDBClient, UpdateTableCommand } from "@aws-sdk/client-dynamodb";
import {
  DescribeRuleCommand,
  DisableRuleCommand,
  EnableRuleCommand,
  EventBridgeClient,
} from "@aws-sdk/client-eventbridge";
import {
  AddPermissionCommand,
  DeleteFunctionCommand,
  GetPolicyCommand,
  LambdaClient,
  RemovePermissionCommand,
} from "@aws-sdk/client-lambda";
import {
  CancelRotateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";
import { ListTopicsCommand, SNSClient } from "@aws-sdk/client-sns";
import { functionName, intentTableName } from "../../constructs/names";
import type { FindingName } from "../../core/audit/findings";
import { HOUR, MINUTE } from "../../local/clock";
import { SAMPLE_WORKSPACE_ID } from "../../local/control-plane/seed";
import { Auditor, emulatorOf } from "../../local/demo/auditor";
import { secretsManagerCalls } from "../../local/demo/figures";
import type { LocalRun } from "../../local/local-run";
import { descendantsOf, signalProcess } from "../../local/processes";
import type { Toolchain } from "../../local/toolchain";
import { commandsOf, runDocumented, section } from "../../proofs/harness/documented";
import { findToolchain, standing, startRun, until } from "../../proofs/harness/local-deployment";
import { Pager } from "../../proofs/harness/pager";
import { Terraform, THIS_RELEASE } from "../../proofs/harness/terraform";

/*
 * One environment, in which rotations get stuck in every way at once, in which then everything is broken that a deploy puts
 * back, and in which at last what all rotations need is gone. The deployed auditor heals and pages; whatever it leaves to a
 * person is done as docs/operations.md says. Each story goes on where the one before it has ended.
 */

const NAMES = { namePrefix: "valmi", name: "dev" };
const AUDITOR = functionName(NAMES, "audit");
const ROTATION_FUNCTION = functionName(NAMES, "rotation");
const OTHER_FUNCTION = functionName(NAMES, "provisioning");
const GET = "GET /agent_instance/{agent_instance_id}";
const REFRESH = "POST /agent_instance/{agent_instance_id}/refresh";
/** So that every key is due for its daily check, and every grace period is over. */
const A_DAY_LATER = 25 * HOUR;

const IDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
/** Its agent type is one that nobody has made at the Control Plane. */
const UNTYPED = { id: "untyped", agentType: { name: "Billing Bot" } };
/** Its instance was there before, with a key that agents use. */
const KEPT = "kept";
const ALL = [...IDS, UNTYPED.id, KEPT];

let run: LocalRun;
let toolchain: Toolchain;
let terraform: Terraform;
let auditor: Auditor;
let pager: Pager;
let lambda: LambdaClient;
let events: EventBridgeClient;
let existing: { readonly agentInstanceId: string; readonly agentKey: string };
/** By which the deploy that failed has the present key brought. */
let adoptCommand: string;

beforeAll(async () => {
  toolchain = await findToolchain();
  run = await startRun("dev", { app: THIS_RELEASE });
  terraform = new Terraform(run, toolchain);
  const emulator = emulatorOf(run);
  auditor = new Auditor(run);
  pager = new Pager(emulator.endpoint);
  lambda = new LambdaClient(emulator);
  events = new EventBridgeClient(emulator);
  const { instance, agentKey } = run.controlPlane.state.createInstance(SAMPLE_WORKSPACE_ID, {
    name: `dev-${KEPT}`,
    description: "",
    agentTypeId: "at_research",
    accountId: null,
    contactId: null,
  });
  existing = { agentInstanceId: instance.id, agentKey };
  await configure();
  const refusal = await run.deployment.deploy().then(() => "none", String);
  expect(refusal).toContain("no agent type of that name, got 'Billing Bot'");
  adoptCommand = /npx --no-install valmi-agent-keys adopt [^"\\]+/.exec(refusal)?.[0] ?? refusal;
  await run.secretsManager.settle();
  await keepFromStarting();
}, 300_000);

afterAll(async () => {
  pager?.close();
  auditor?.close();
  lambda?.destroy();
  events?.destroy();
  await run?.close();
  await run?.removeFolder();
});

test("rotations that are stuck are healed or paged by their names within one audit, and no key is minted twice", async () => {
  const { secretsManager, controlPlane } = run;
  await auditor.audit();
  expect(await found()).toEqual(["page alert-route-broken dev"]);
  await subscribeAsDocumented();

  // The stored key dies.
  clickRotate("one");
  await secretsManager.advanceBy(A_DAY_LATER);
  // Somebody rolls back, and leaves a label where a key was replaced.
  await rotate("two");
  await moveLabel("two", "AWSCURRENT", { to: "AWSPREVIOUS" });
  await rotate("three");
  await moveLabel("three", "AWSPENDING", { to: "AWSPREVIOUS" });
  await secretsManager.advanceBy(HOUR);
  // The function dies with a key that nobody has, and with one that is stored and not promoted.
  await rotateAndDieBefore("PutSecretValue", "four");
  await rotateAndDieBefore("UpdateSecretVersionStage", "five");
  // It ends before it has asked for a key, without the answer, and with a refusal.
  controlPlane.faults.order({ route: GET, effect: "status", status: 403, when: "before" });
  await rotate("six");
  controlPlane.faults.order({ route: REFRESH, effect: "drop", when: "after" });
  await rotate("seven");
  controlPlane.faults.order({ route: REFRESH, effect: "status", status: 409, when: "before" });
  await rotate("eight");
  await secretsManager.advanceBy(10 * MINUTE);

  await auditor.audit();

  expect(await found()).toEqual([
    "heal mint-refused eight",
    "heal pending-left-behind six",
    "heal pending-left-behind two",
    "heal promotion-overdue five",
    "heal promotion-overdue four",
    "heal promotion-overdue seven",
    "page current-missing kept",
    "page current-missing untyped",
    "page key-on-fuse two",
    "page key-refused one",
    "page pending-left-behind three",
  ]);
  expect(await pages(5)).toEqual([
    "found current-missing",
    "found key-on-fuse",
    "found key-refused",
    "found pending-left-behind",
    "resolved alert-route-broken",
  ]);
  await secretsManager.advanceBy(5 * MINUTE);
  await auditor.audit();
  // What was refused is asked for again after an hour; what was rolled back waits for a person.
  const empty = ["page current-missing kept", "page current-missing untyped"];
  expect(await found()).toEqual(["heal mint-refused eight", ...empty, "page key-on-fuse two"]);
  expect(await pages(2)).toEqual(["resolved key-refused", "resolved pending-left-behind"]);
  await secretsManager.advanceBy(HOUR);
  await auditor.audit();
  await asDocumented("## Rotate on demand", { support: "two" });
  await secretsManager.advanceBy(HOUR);
  await auditor.audit();
  expect(await found()).toEqual(empty);
  expect(await pages(1)).toEqual(["resolved key-on-fuse"]);

  expect(await mintsOfWorkingKeys(IDS)).toEqual({
    one: 3, // the first, the clicked, the healed
    two: 3, // the one that it was rolled back from, and the one that was asked for
    three: 2,
    four: 3, // nobody has the second
    five: 2,
    six: 2,
    seven: 3, // nobody has the second
    eight: 2,
    nine: 1,
  });
});

test("what is broken is paged, and the runbooks and one deploy put it right", async () => {
  const { secretsManager, secrets, controlPlane } = run;
  const { state } = controlPlane;
  const { workspaceId } = instanceOf("one");
  clickRotate("nine");
  await secretsManager.advanceBy(A_DAY_LATER);
  await secrets.send(new CancelRotateSecretCommand({ SecretId: secretOf("one") }));
  await rotateByOtherFunction("two");
  state.updateInstance(workspaceId, instanceOf("three").id, { isActive: false });
  state.updateInstance(workspaceId, instanceOf("four").id, { accountId: "acc_123", contactId: "con_123" });
  await secrets.send(
    new PutSecretValueCommand({ SecretId: secretOf("five"), SecretString: "something else" }),
  );
  const ofEight = await secrets.send(new GetSecretValueCommand({ SecretId: secretOf("eight") }));
  await secrets.send(
    new PutSecretValueCommand({ SecretId: secretOf("six"), SecretString: ofEight.SecretString }),
  );
  const gone = instanceOf("seven").id;
  state.deleteInstance(workspaceId, gone);
  const orphan = instanceOf("eight").id;
  await secrets.send(new DeleteSecretCommand({ SecretId: secretOf("eight") }));
  await removePermission();

  await auditor.audit();

  const broken = await found();
  expect(broken).toEqual(
    [
      "page current-missing kept",
      "page current-missing untyped",
      "page current-unreadable five",
      "page heal-refused nine",
      "page instance-gone seven",
      "page instance-inactive three",
      "page invoke-permission-missing dev",
      "page key-refused nine",
      "page mapping-differs four",
      "page mapping-differs six",
      `page orphan-instance ${orphan}`,
      "page rotation-off one",
      "page wrong-instance six",
      "page wrong-rotation-function two",
    ].sort(),
  );
  const names = [...new Set(broken.map((finding) => finding.split(" ")[1] as FindingName))].sort();
  expect(await pages(names.length)).toEqual(names.map((name) => `found ${name}`));

  // current-missing: what the text of the deploy that failed has named; instance-inactive: there.
  await runDocumented(run, toolchain, adoptCommand, `${existing.agentKey}\n`);
  state.createAgentType(workspaceId, { name: UNTYPED.agentType.name, description: "" });
  state.updateInstance(workspaceId, instanceOf("three").id, { isActive: true });
  expect(section("### wrong-instance")).toContain("[current-unreadable](#current-unreadable)");
  for (const id of ["five", "six"]) {
    const versionUnder = await versionsOf(id);
    await asDocumented("### current-unreadable", {
      support: id,
      VERSION_OF_AWSPREVIOUS: versionUnder("AWSPREVIOUS"),
      VERSION_OF_AWSCURRENT: versionUnder("AWSCURRENT"),
    });
  }
  await asDocumented("### orphan-instance", { support: "eight" });
  expect(section("### mapping-differs")).toContain("raise the instance's `revision` by one, and deploy");
  await configure({ four: 1 });
  // Its commands end with the deploy that all the others ask for.
  expect(commandsOf("### instance-gone", "dev")).toContain(commandsOf("## Pages", "dev"));
  await asDocumented("### instance-gone", { support: "seven" });
  await keepFromStarting();
  await secretsManager.settle();
  await asDocumented("## Rotate on demand", { support: "five" });
  await secretsManager.advanceBy(HOUR);
  await auditor.audit();
  // Its rotation was asked for just now.
  expect(await found()).toEqual(["page key-refused nine"]);
  await secretsManager.advanceBy(5 * MINUTE);
  await auditor.audit();

  expect(await found()).toEqual([]);
  expect(await pages(names.length)).toEqual(names.map((name) => `resolved ${name}`));
  expect(instanceOf("seven").id).not.toBe(gone);
  expect(await mintsOfWorkingKeys(ALL)).toEqual({
    one: 3,
    two: 3,
    three: 2,
    four: 3,
    five: 3, // asked for, as the page says
    six: 2,
    seven: 1, // another instance
    eight: 2,
    nine: 3, // the clicked, the healed
    untyped: 1,
    kept: 1, // the one that it had
  });
  await letStart();
  expect(await terraform.plan()).toEqual([]);
});

test("what every rotation needs is gone, and a deploy brings it back", async () => {
  const { secretsManager, controlPlane } = run;
  const dynamoDb = new DynamoDBClient(emulatorOf(run));
  await keepFromStarting();
  await secretsManager.advanceBy(A_DAY_LATER);
  // An auditor that can't remember what it has sent pages at full hours only.
  await secretsManager.advanceBy(HOUR - (run.clock.now() % HOUR));
  pager.messages.splice(0);
  await lambda.send(new DeleteFunctionCommand({ FunctionName: ROTATION_FUNCTION }));
  const TableName = intentTableName(NAMES);
  await dynamoDb.send(new UpdateTableCommand({ TableName, DeletionProtectionEnabled: false }));
  await dynamoDb.send(new DeleteTableCommand({ TableName }));
  dynamoDb.destroy();

  await auditor.audit();

  expect(await pages(3)).toEqual([
    "found intents-unreadable",
    "found invoke-permission-missing",
    "found rotation-function-unusable",
  ]);
  const before = await mintsOfWorkingKeys(ALL);
  await asDocumented("## Pages");
  await keepFromStarting();
  await secretsManager.settle();
  await secretsManager.advanceBy(HOUR);
  await auditor.audit();
  expect(await found()).toEqual([]);

  const { workspaceId } = instanceOf("one");
  controlPlane.state.setApiKey({ key: controlPlane.apiKey, workspaceId, status: "revoked" });
  await auditor.audit();
  expect(await found()).toEqual(["page operator-key-refused dev"]);
  const key = "token_of_the_operator_after";
  controlPlane.state.setApiKey({ key, workspaceId, status: "valid" });
  expect(section("### operator-key-refused")).toContain("[operator-key-missing](#operator-key-missing)");
  expect(section("### operator-key-missing")).toContain("(#replace-the-operators-api-key)");
  await asDocumented("## Replace the operator's API key", {}, `${key}\n`);
  await auditor.audit();

  expect(await found()).toEqual([]);
  expect(await mintsOfWorkingKeys(ALL)).toEqual(before);
  await letStart();
  expect((await run.deployment.diff()).isEmpty).toBe(true);
});

/** The auditor is started by these stories, on their clock. Every deploy switches its schedule on again. */
async function keepFromStarting(): Promise<void> {
  const { State } = await events.send(new DescribeRuleCommand({ Name: AUDITOR }));
  expect(State).toBe("ENABLED");
  await events.send(new DisableRuleCommand({ Name: AUDITOR }));
}

async function letStart(): Promise<void> {
  await events.send(new EnableRuleCommand({ Name: AUDITOR }));
}

/** Of a protected environment: the runbooks have to work there too. */
async function configure(revisions: Readonly<Record<string, number>> = {}): Promise<void> {
  const mapped = { accountId: "acc_456", contactId: "con_456" };
  const typed = IDS.map((id) => ({ id, agentType: { id: "at_research" }, revision: revisions[id] ?? 0 }));
  const { agentInstanceId } = existing;
  const kept = { id: KEPT, adopt: { agentInstanceId, existingKey: "provided" } };
  const made = [...typed, UNTYPED].map((instance) => ({ ...instance, ...mapped }));
  const agentInstances = [...made, kept];
  await writeFile(join(run.folder, "changes.json"), JSON.stringify({ removal: "protect", agentInstances }));
}

/** Runs a section's commands, with what stands there for something else replaced. */
async function asDocumented(
  heading: string,
  replaced: Readonly<Record<string, string>> = {},
  input = "",
): Promise<void> {
  const script = Object.entries(replaced).reduce(
    (text, [placeholder, by]) => text.replaceAll(placeholder, by),
    commandsOf(heading, "dev"),
  );
  await runDocumented(run, toolchain, script, input);
}

async function subscribeAsDocumented(): Promise<void> {
  const sns = new SNSClient(emulatorOf(run));
  const { Topics = [] } = await sns.send(new ListTopicsCommand({}));
  sns.destroy();
  const TOPIC = Topics[0]?.TopicArn ?? "";
  const url = await pager.listen();
  await asDocumented("### alert-route-broken", { TOPIC, email: "http", "you@example.com": url });
}

/** What the last audit has found, such as `page key-refused one`. */
async function found(): Promise<string[]> {
  return (await auditor.found())
    .map(({ severity, name, instance }) => `${severity} ${name} ${instance}`)
    .sort();
}

/** The pages that have come since, such as `found key-refused` and `resolved key-refused`, once as many are there. */
async function pages(count: number): Promise<string[]> {
  await until(`${count} pages have come`, () => pager.messages.length >= count, 20_000);
  return pager.messages
    .splice(0)
    .map((message) => JSON.parse(JSON.parse(message).Message).metadata.additionalContext)
    .map(({ state, name }) => `${state} ${name}`)
    .sort();
}

/** How many keys the Control Plane has minted for each instance, whose secrets hold the latest, and a good one. */
async function mintsOfWorkingKeys(ids: readonly string[]): Promise<Record<string, number>> {
  const mints: Record<string, number> = {};
  for (const id of ids) {
    const { instances, mints: minted, ...stored } = await standing(run, id);
    expect({ id, ...stored }).toEqual({
      id,
      storedKeyIsAccepted: true,
      storedKeyBelongsTo: instances[0],
      storedKeyIsTheLatest: true,
    });
    mints[id] = minted;
  }
  return mints;
}

const secretOf = (id: string) => `valmi/dev/${id}/agent-key`;

function instanceOf(id: string) {
  const instance = run.controlPlane.state.allInstances().find(({ name }) => name === `dev-${id}`);
  if (instance === undefined) throw new Error(`the Control Plane has no instance dev-${id}`);
  return instance;
}

/** In the Control Plane, where the key then is nobody's here. */
function clickRotate(id: string): void {
  const instance = instanceOf(id);
  run.controlPlane.state.refresh(instance.workspaceId, instance.id);
}

async function rotate(id: string): Promise<void> {
  await run.secrets.send(new RotateSecretCommand({ SecretId: secretOf(id) }));
  await run.secretsManager.settle();
}

/** The rotation function is killed when it has come to a call of Secrets Manager, which is not carried out. */
async function rotateAndDieBefore(operation: string, id: string): Promise<void> {
  const { secretsManager, secrets, emulatorPid } = run;
  const calls = () => secretsManagerCalls(run)[operation] ?? 0;
  const before = calls();
  secretsManager.orderFault({ operation, kind: "refuse", times: 1_000_000 });
  await secrets.send(new RotateSecretCommand({ SecretId: secretOf(id) }));
  await until(`the rotation function has come to ${operation}`, () => calls() > before);
  for (const { pid } of descendantsOf(emulatorPid ?? 0)) signalProcess(pid, "SIGKILL");
  await secretsManager.settle();
  await fetch(`${secretsManager.url}/_local/faults`, { method: "DELETE" });
}

async function versionsOf(id: string): Promise<(stage: string) => string> {
  const { VersionIdsToStages = {} } = await run.secrets.send(
    new DescribeSecretCommand({ SecretId: secretOf(id) }),
  );
  return (stage) =>
    Object.entries(VersionIdsToStages).find(([, stages]) => stages.includes(stage))?.[0] ?? "none";
}

/** From where the label is, if anywhere, to the version under another label. */
async function moveLabel(id: string, label: string, { to }: { readonly to: string }): Promise<void> {
  const versionUnder = await versionsOf(id);
  const from = versionUnder(label);
  await run.secrets.send(
    new UpdateSecretVersionStageCommand({
      SecretId: secretOf(id),
      VersionStage: label,
      MoveToVersionId: versionUnder(to),
      ...(from === "none" ? {} : { RemoveFromVersionId: from }),
    }),
  );
}

/** Somebody has another function rotate a secret, which that one can't. */
async function rotateByOtherFunction(id: string): Promise<void> {
  await lambda.send(
    new AddPermissionCommand({
      FunctionName: OTHER_FUNCTION,
      StatementId: "by-hand",
      Action: "lambda:InvokeFunction",
      Principal: "secretsmanager.amazonaws.com",
    }),
  );
  await run.secrets.send(
    new RotateSecretCommand({
      SecretId: secretOf(id),
      RotationLambdaARN: `arn:aws:lambda:${run.environment.region}:000000000000:function:${OTHER_FUNCTION}`,
      RotateImmediately: false,
    }),
  );
  await run.secretsManager.settle();
}

/** Of Secrets Manager, to invoke the rotation function. */
async function removePermission(): Promise<void> {
  const { Policy = "" } = await lambda.send(new GetPolicyCommand({ FunctionName: ROTATION_FUNCTION }));
  const { Statement } = JSON.parse(Policy) as { Statement: { Sid: string }[] };
  for (const { Sid } of Statement)
    await lambda.send(new RemovePermissionCommand({ FunctionName: ROTATION_FUNCTION, StatementId: Sid }));
}
