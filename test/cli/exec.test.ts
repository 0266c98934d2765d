import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { AgentKey } from "../../lambda/domain/credential";
import { serialiseRecord } from "../../lambda/domain/secret-value";
import { SettableClock } from "../../local/clock";
import { descendantsOf, listProcesses } from "../../local/processes";
import { type SecretsManager, startSecretsManager } from "../../local/secrets-manager/server";
import { record } from "../helpers/builders";

const CLI = path.join(__dirname, "../../cli/valmi-agent-keys.js");
const NAME = "valmi/dev/support/agent-key";
/** Answers each line of its input, and tells its start and its end. */
const AGENT = `
const { createHash } = require("node:crypto");
const name = (text) => createHash("sha256").update(text).digest("hex").slice(0, 12);
const { VALMI_AGENT_KEY, VALUE_AGENT_SECRET, OTHER_NAME } = process.env;
console.log("start", ...[VALMI_AGENT_KEY, VALUE_AGENT_SECRET, OTHER_NAME].map(name));
process.on("SIGTERM", () => { console.error("ending"); process.exit(7); });
process.stdin.on("data", (text) => process.stdout.write("heard " + text));
`;

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
    1,
  ],
  ["looks too often", ["--secret", NAME, "--watch", "1", "true"], "It must be a number from 5 to 86400.", 2],
  [
    "two ways to bring the key",
    ["--secret", NAME, "--hook", "true", "--overlap", "1", "true"],
    "error: --hook, --overlap: choose one",
    1,
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
