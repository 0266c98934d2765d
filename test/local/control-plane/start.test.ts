import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(__dirname, "../../..");

// Each test starts processes, which takes its time on a busy machine.
jest.setTimeout(30_000);

let children: ChildProcess[] = [];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "control-plane-"));
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children = [];
  rmSync(folder, { recursive: true });
});

/** Starts it as a process; `ready` is its first line, or rejects where it ends before. */
function start(...args: string[]) {
  const child = spawn(process.execPath, ["--import", "tsx", "local/control-plane/start.ts", ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let stdout = "";
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, stdout, stderr }));
  const ready = new Promise<{ url: string; apiKey: string }>((resolve, reject) => {
    child.stdout.on("data", (data) => {
      stdout += data;
      if (stdout.includes("\n")) resolve(JSON.parse(stdout));
    });
    void ended.then(() => reject(new Error(`it ended: ${stderr}`)));
  });
  ready.catch(() => {});
  return { child, ready, ended };
}

test.each(["SIGTERM", "SIGINT"] as const)(
  "prints one line when ready, serves, and ends on %s",
  async (signal) => {
    const { child, ready, ended } = start("--grace", "0");
    const { url, apiKey } = await ready;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/api\/v1$/);

    const operator = { "api-key": apiKey };
    const created = await fetch(`${url}/agent_instance/create`, {
      method: "POST",
      headers: operator,
      body: JSON.stringify({ name: "a", agent_type_id: "at_support" }),
    });
    const { id, secret } = (await created.json()) as { id: string; secret: string };
    const info = () => fetch(`${url}/agent_instance/info`, { headers: { "X-Agent-Secret": secret } });
    expect((await info()).status).toBe(200);
    await fetch(`${url}/agent_instance/${id}/refresh`, { method: "POST", headers: operator });
    expect((await info()).status).toBe(401);

    child.kill(signal);
    expect(await ended).toEqual({
      code: 0,
      signal: null,
      stderr: "",
      stdout: expect.stringMatching(/^\{.*\}\n$/),
    });
    await expect(info()).rejects.toThrow("fetch failed");
  },
);

test("takes the behaviours that the state machine has", async () => {
  const { url, apiKey } = await start(
    "--second-refresh",
    "D",
    "--idempotency",
    "--key-prefix",
    "agent_MARKER_",
  ).ready;
  const post = (path: string, idempotencyKey: string, body?: object) =>
    fetch(`${url}${path}`, {
      method: "POST",
      headers: { "api-key": apiKey, "Idempotency-Key": idempotencyKey },
      ...(body && { body: JSON.stringify(body) }),
    });
  const instance = { name: "a", agent_type_id: "at_support" };
  const created = await post("/agent_instance/create", "1", instance);
  const { id, secret } = (await created.json()) as { id: string; secret: string };
  expect(secret).toMatch(/^agent_MARKER_/);

  const refresh = `/agent_instance/${id}/refresh`;
  const [first, replay, second] = [
    await post(refresh, "2"),
    await post(refresh, "2"),
    await post(refresh, "3"),
  ];
  expect([first.status, replay.status, second.status]).toEqual([200, 200, 409]);
  expect(await replay.json()).toEqual(await first.json());
});

test("takes every behaviour by an option of its own", async () => {
  const { url } = await start(
    ...["--grace", "30s", "--second-refresh", "E", "--activation-seconds", "20", "--idempotency"],
    ...[
      "--inactive-keys",
      "ended",
      "--key-prefix",
      "agent_x_",
      "--auth",
      "bearer",
      "--error-dialect",
      "earlier",
    ],
    ...[
      "--field-names",
      "secret=token,id=uuid",
      "--requests-per-minute",
      "7",
      "--date-offset-seconds",
      "-90",
    ],
    ...["--edge-cache-seconds", "300"],
  ).ready;
  const behaviour = await (await fetch(new URL("/_local/behaviour", url))).json();
  expect(behaviour).toEqual({
    graceHours: 30 / 3_600,
    secondRefresh: "E",
    activationSeconds: 20,
    honoursIdempotencyKey: true,
    inactiveKeys: "ended",
    keyPrefix: "agent_x_",
    auth: "bearer",
    errorDialect: "earlier",
    fieldNames: { secret: "token", id: "uuid" },
    requestsPerMinute: 7,
    dateOffsetSeconds: -90,
    edgeCacheSeconds: 300,
  });
});

test("takes a port and a seed", async () => {
  const seed = join(folder, "seed.json");
  writeFileSync(seed, JSON.stringify({ agentTypes: [{ id: "at_x", name: "Mine" }] }));
  const first = await start("--seed", seed).ready;
  const all = await fetch(`${first.url}/agent_type/all`, { headers: { "api-key": first.apiKey } });
  expect(await all.json()).toMatchObject({ total: 1, agent_types: [{ id: "at_x", name: "Mine" }] });

  const { ended } = start("--port", new URL(first.url).port);
  expect(await ended).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("EADDRINUSE") });
});

test.each([
  ["an unknown behaviour", ["--second-refresh", "C"], "Allowed choices are A, B, D, E"],
  ["a port that is no number", ["--port", "x"], "must be a whole number from 0 to 65535, got: x"],
  [
    "an activation that is too long",
    ["--activation-seconds", "61"],
    "`activationSeconds` must be from 0 to 60, got: 61",
  ],
  ["an unknown option", ["--garce", "1"], "unknown option '--garce'"],
  [
    "a grace period without a unit",
    ["--grace", "24"],
    "must be a length such as 30s, 5min or 24h, or 0, got: 24",
  ],
  ["names that are none", ["--field-names", "secret:x"], "such as secret=token,id=uuid, got: secret:x"],
  ["a rate below nothing", ["--requests-per-minute", "-1"], "`requestsPerMinute` must be a whole number"],
  ["a seed that isn't there", ["--seed", "/nonexistent.json"], "ENOENT"],
])("ends with one clear line on %s", async (_what, args, message) => {
  const { code, stdout, stderr } = await start(...args).ended;
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr.trim().split("\n")[0]).toContain(message);
});
