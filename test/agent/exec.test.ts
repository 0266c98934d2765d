import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { AgentKey } from "../../core/key/credential";
import { serialiseRecord } from "../../core/key/stored-value";
import { SettableClock } from "../../local/clock";
import { descendantsOf, listProcesses } from "../../local/processes";
import { labelUpdated } from "../../local/secrets-manager/events";
import { type SecretsManager, startSecretsManager } from "../../local/secrets-manager/server";
import { record } from "../../proofs/harness/builders";

const CLI = path.join(__dirname, "../../cli/valmi-agent-keys.js");
const NAME = "valmi/dev/support/agent-key";
/** Answers each line of its input, and tells its start and its end. */
const AGENT = `
process.on("SIGTERM", () => { console.error("ending"); process.exit(7); });
const { createHash } = require("node:crypto");
const name = (text) => createHash("sha256").update(text).digest("hex").slice(0, 12);
const { VALMI_AGENT_KEY, VALUE_AGENT_SECRET, OTHER_NAME } = process.env;
console.log("start", ...[VALMI_AGENT_KEY, VALUE_AGENT_SECRET, OTHER_NAME ?? ""].map(name));
process.stdin.on("data", (text) => process.stdout.write("heard " + text));
`;

const NO_NAME = createHash("sha256").update("").digest("hex").slice(0, 12);

/** SQS as the runner calls it: hands out what is there, and answers an empty queue when something comes. */
async function startQueue() {
  const calls: { operation: string; input: Record<string, unknown> }[] = [];
  const messages: string[] = [];
  let arrived = () => {};
  const server: Server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const operation = String(request.headers["x-amz-target"]).replace("AmazonSQS.", "");
    calls.push({ operation, input: JSON.parse(text) });
    if (operation === "ReceiveMessage" && messages.length === 0) {
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
    }
    const Messages = messages.splice(0).map((Body) => ({
      MessageId: "1",
      ReceiptHandle: "handle-1",
      MD5OfBody: createHash("md5").update(Body).digest("hex"),
      Body,
      Attributes: { ApproximateReceiveCount: "1" },
    }));
    response.setHeader("content-type", "application/x-amz-json-1.0");
    response.end(
      JSON.stringify(operation === "ReceiveMessage" ? { Messages } : { Successful: [], Failed: [] }),
    );
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const send = (body: string) => {
    messages.push(body);
    arrived();
  };
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/000000000000/new-keys`;
  return { url, calls, send, close };
}

let secretsManager: SecretsManager;
let child: ChildProcess | undefined;
beforeAll(async () => {
  secretsManager = await startSecretsManager({ clock: new SettableClock() });
});
afterEach(() => child?.kill("SIGKILL"));
afterAll(() => secretsManager.close());

const put = (operation: string, key: string, input: object) =>
  secretsManager.state.call(
    operation,
    { ...input, SecretString: serialiseRecord(record({ agentKey: new AgentKey(key) })) },
    "eu-west-1",
  );

function run(...args: string[]) {
  const started = spawn(process.execPath, [CLI, "exec", ...args], {
    env: {
      ...process.env,
      AWS_REGION: "eu-west-1",
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    },
  });
  child = started;
  const lines: string[] = [];
  const output = createInterface({ input: started.stdout });
  output.on("line", (line) => lines.push(line));
  let errors = "";
  started.stderr.on("data", (text) => {
    errors += text;
  });
  return { child: started, lines, nextLine: () => once(output, "line"), errors: () => errors };
}

test("runs an agent from one key to the next, and shows neither", async () => {
  const [first, second] = [new AgentKey("agent_first123"), new AgentKey("agent_second123")];
  put("CreateSecret", first.reveal(), { Name: NAME, ClientRequestToken: "1".repeat(32) });
  const options = ["--secret", NAME, "--env", "OTHER_NAME", "--watch", "5"];
  const agent = run(...options, "--", process.execPath, "-e", AGENT);
  await agent.nextLine();
  agent.child.stdin.write("hello\n");
  await agent.nextLine();

  put("PutSecretValue", second.reveal(), { SecretId: NAME, ClientRequestToken: "2".repeat(32) });
  await agent.nextLine();
  const commandLines = descendantsOf(process.pid, listProcesses()).map(({ command }) => command);
  expect(commandLines.join("\n")).toContain("exec --secret");
  agent.child.kill("SIGTERM");
  expect(await once(agent.child, "close")).toEqual([7, null]);

  const keys = ({ fingerprint }: AgentKey) => `start ${fingerprint} ${fingerprint} ${fingerprint}`;
  expect(agent.lines).toEqual([keys(first), "heard hello", keys(second)]);
  expect(agent.errors()).toBe(
    `valmi-agent-keys: new key ${second.fingerprint}, after ${first.fingerprint}: restarting the command\nending\nending\n`,
  );
  const shown = [...agent.lines, agent.errors(), ...commandLines].join("\n");
  for (const key of [first, second]) expect(shown).not.toContain(key.reveal());
}, 60_000);

test("brings a new key when the queue tells of it, long before the next look", async () => {
  const queue = await startQueue();
  const name = "valmi/dev/queued/agent-key";
  const [first, second] = [new AgentKey("agent_first123"), new AgentKey("agent_second123")];
  put("CreateSecret", first.reveal(), { Name: name, ClientRequestToken: "1".repeat(32) });
  const agent = run("--secret", name, "--events", queue.url, "--", process.execPath, "-e", AGENT);
  await agent.nextLine();
  put("PutSecretValue", second.reveal(), { SecretId: name, ClientRequestToken: "2".repeat(32) });
  const secretArn = String(secretsManager.state.secret(name)?.arn);
  const detail = { name, labelUpdated: "AWSCURRENT", versionId: "2".repeat(32) };
  queue.send(JSON.stringify(labelUpdated({ id: "1", now: 0, secretArn }, detail)));
  await agent.nextLine();
  while (queue.calls.length < 3) await pause(20); // it waits for the next message
  agent.child.kill("SIGTERM");
  expect(await once(agent.child, "close")).toEqual([7, null]);
  queue.close();

  expect(agent.lines.at(-1)).toBe(`start ${Array(2).fill(second.fingerprint).join(" ")} ${NO_NAME}`);
  expect(queue.calls.map(({ operation }) => operation)).toEqual([
    "ReceiveMessage",
    "DeleteMessageBatch",
    "ReceiveMessage",
  ]);
  expect(queue.calls[0]?.input).toEqual({
    QueueUrl: queue.url,
    MaxNumberOfMessages: 10,
    WaitTimeSeconds: 20,
    VisibilityTimeout: 30,
    MessageSystemAttributeNames: ["ApproximateReceiveCount"],
  });
  expect(queue.calls[1]?.input).toEqual({
    QueueUrl: queue.url,
    Entries: [{ Id: "0", ReceiptHandle: "handle-1" }],
  });
}, 60_000);

test.each<[string, string[], string, number]>([
  [
    "no such secret",
    ["--secret", "none", "--", "true"],
    "error: secret 'none', AWSCURRENT: ResourceNotFoundException",
    1,
  ],
  ["no command", ["--secret", NAME], "error: missing required argument 'command'", 2],
  [
    "a value in --env",
    ["--secret", NAME, "--env", "A=agent_abc123xyz", "true"],
    "error: --env: must be the name of an environment variable, without a value, got: A=…\n",
    2,
  ],
  ["looks too often", ["--secret", NAME, "--watch", "1", "true"], "It must be a number from 5 to 86400.", 2],
  [
    "a queue that is no URL",
    ["--secret", NAME, "--events", "new-keys", "true"],
    "error: --events: must be the URL of an SQS queue",
    2,
  ],
  [
    "two ways to bring the key",
    ["--secret", NAME, "--hook", "true", "--overlap", "1", "true"],
    "error: --hook, --overlap: choose one",
    2,
  ],
])(
  "says what is wrong: %s",
  async (_, args, message, code) => {
    const failed = run(...args);
    expect(await once(failed.child, "close")).toEqual([code, null]);
    expect(failed.errors()).toContain(message);
  },
  30_000,
);
