import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

const root = path.resolve(__dirname, "../../..");

const start = (...args: string[]) =>
  spawn(process.execPath, ["--import", "tsx", "local/secrets-manager/start.ts", ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });

test.each(["SIGTERM", "SIGINT"] as const)(
  "prints one line of JSON when ready, serves, and ends on %s",
  async (signal) => {
    const child = start();
    const lines: string[] = [];
    const output = createInterface({ input: child.stdout });
    output.on("line", (line) => lines.push(line));
    await once(output, "line");
    const { url } = JSON.parse(lines[0] ?? "") as { url: string };
    const headers = { "x-amz-target": "secretsmanager.ListSecrets" };
    const response = await fetch(url, { method: "POST", headers, body: "{}" });
    expect(await response.json()).toEqual({ SecretList: [] });
    child.kill(signal);
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(lines).toHaveLength(1);
    await expect(fetch(url)).rejects.toThrow();
  },
  30_000,
);

test.each([
  [["--port", "http"], "must be a whole number from 0 to 65535, got: http"],
  [["--port", "65536"], "must be a whole number from 0 to 65535, got: 65536"],
  [["--prot", "1"], "unknown option '--prot'"],
  [["8080"], "too many arguments"],
])(
  "%j ends it with one clear line",
  async (args, message) => {
    const child = start(...args);
    let text = "";
    child.stderr.on("data", (chunk) => {
      text += chunk;
    });
    expect((await once(child, "close"))[0]).toBe(1);
    expect(text.trim().split("\n")[0]).toContain(message);
  },
  30_000,
);
