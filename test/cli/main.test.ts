import { spawn } from "node:child_process";
import path from "node:path";
import { startControlPlane } from "../../local/control-plane/server";
import { LocalWorld } from "../../proofs/harness/local-world";

const ROOT = path.join(__dirname, "../..");
const KEY = "token_good123";

/** Runs the command line in a process of its own. */
function run(args: readonly string[], input: string, env: Record<string, string>) {
  return new Promise<{ code: number | null; out: string; err: string }>((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", "cli/main.ts", ...args], {
      cwd: ROOT,
      env: { ...process.env, ...env },
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (text) => (out += text));
    child.stderr.on("data", (text) => (err += text));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
    child.stdin.end(input);
  });
}

test("keys come in by standard input only, and fingerprints go out; failures are one line", async () => {
  const world = new LocalWorld();
  const aws = await world.aws.serve();
  const controlPlane = await startControlPlane({
    apiKeys: [{ key: KEY, workspaceId: "ws_local", status: "valid" }],
  });
  const env = {
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.url,
  };
  const set = ["operator-key", "set", "--secret", "valmi/key", "--control-plane", controlPlane.url];
  try {
    const [stored, refused, misused] = await Promise.all([
      run(set, `${KEY}\n`, env),
      run(set, "token_unknown123\n", env),
      run(["adopt", "--secret", "valmi/key"], KEY, env),
    ]);
    expect(stored).toEqual({
      code: 0,
      out: expect.stringMatching(
        /^created valmi\/key: API key [0-9a-f]{12}, accepted for workspace 'Local'\n$/,
      ),
      err: "",
    });
    expect(refused).toEqual({
      code: 3,
      out: "",
      err: expect.stringMatching(
        /^error: the Control Plane refuses key [0-9a-f]{12} \(GET \/auth\/me: 401, Unauthorized: Invalid api key\); .+\n$/,
      ),
    });
    expect(misused).toMatchObject({ code: 2, err: expect.stringContaining("--api-key-secret") });
  } finally {
    await Promise.all([aws.close(), controlPlane.close()]);
  }
}, 30_000);
