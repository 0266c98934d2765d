import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { AgentKey } from "../../core/key/credential";
import { serialiseRecord } from "../../core/key/stored-value";
import { SettableClock } from "../../local/clock";
import { type LocalControlPlane, startControlPlane } from "../../local/control-plane/server";
import { type SecretsManager, startSecretsManager } from "../../local/secrets-manager/server";
import { record } from "../../proofs/harness/builders";
import { removeFolders, temporaryFolder } from "../local/programs";

const run = promisify(execFile);
const ROOT = path.join(__dirname, "../..");
const page = readFileSync(path.join(ROOT, "docs/consumers.md"), "utf8");
const NAME = "valmi/production/support/agent-key";

function example(language: string, number = 0): string {
  const blocks = [...page.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, "g"))];
  return String(blocks[number]?.[1]);
}

let secretsManager: SecretsManager;
let controlPlane: LocalControlPlane;
let env: NodeJS.ProcessEnv;
let key: AgentKey;
beforeAll(async () => {
  const clock = new SettableClock();
  secretsManager = await startSecretsManager({ clock });
  controlPlane = await startControlPlane({ clock });
  const created = await fetch(`${controlPlane.url}/agent_instance/create`, {
    method: "POST",
    headers: { "api-key": controlPlane.apiKey },
    body: JSON.stringify({ name: "support", agent_type_id: "at_support" }),
  });
  key = new AgentKey(((await created.json()) as { secret: string }).secret);
  const SecretString = serialiseRecord(record({ agentKey: key }));
  const input = { Name: NAME, ClientRequestToken: "1".repeat(32), SecretString };
  secretsManager.state.call("CreateSecret", input, "eu-west-1");
  env = {
    ...process.env,
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
    VALMI_CONTROL_PLANE_URL: controlPlane.url,
  };
});
afterAll(async () => {
  removeFolders();
  await Promise.all([secretsManager.close(), controlPlane.close()]);
});

test("the TypeScript example", async () => {
  const file = path.join(temporaryFolder(), "example.ts");
  const library = JSON.stringify(path.join(ROOT, "agent/index.ts"));
  writeFileSync(file, example("ts").replace('"valmi-agent-keys/agent"', library));
  const { stdout } = await run(process.execPath, ["--import", "tsx", file], { cwd: ROOT, env });
  expect(stdout).toBe("200\n");
}, 30_000);

test("the example of a Lambda function's handler", async () => {
  const file = path.join(temporaryFolder(), "handler.ts");
  const library = JSON.stringify(path.join(ROOT, "agent/index.ts"));
  const handler = example("ts handler").replace('"valmi-agent-keys/agent"', library);
  writeFileSync(file, `${handler}\nvoid handler().then((status) => console.log(status));\n`);
  const { stdout } = await run(process.execPath, ["--import", "tsx", file], {
    cwd: ROOT,
    env: { ...env, VALMI_AGENT_KEY_SECRET_ARN: secretsManager.state.secret(NAME)?.arn },
  });
  expect(stdout).toBe("200\n");
}, 30_000);

test.each([
  ["node", 0],
  ["python", 1],
])(
  "the runner's example with %s",
  async (program, number) => {
    const folder = temporaryFolder();
    const print = "VALMI_AGENT_KEY, process.env.VALUE_AGENT_SECRET";
    writeFileSync(path.join(folder, "agent.js"), `console.log(process.env.${print});`);
    writeFileSync(
      path.join(folder, "agent.py"),
      'import os; print(os.environ["VALMI_AGENT_KEY"], os.environ["VALUE_AGENT_SECRET"])',
    );
    const words = example("sh", number).trim().split(" ");
    expect([words[0], words.at(-2)]).toEqual(["node_modules/.bin/valmi-agent-keys", program]);
    const args = words.slice(1).map((word) => (word === "python" ? "python3" : word));
    const command = path.join(ROOT, "cli/valmi-agent-keys.js");
    const { stdout } = await run(process.execPath, [command, ...args], { cwd: folder, env });
    expect(stdout).toBe(`${key.reveal()} ${key.reveal()}\n`);
  },
  30_000,
);
