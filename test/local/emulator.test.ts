import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LOCAL_SDK, startEmulator, withoutAws } from "../../local/emulator";
import { isRunning, waitForEnd } from "../../local/processes";
import { removeFolders, temporaryFolder, writeProgram } from "./programs";

afterEach(removeFolders);

/** Stands in for `python -m ministack`: notes its environment, answers the health check. */
function fakeEmulator(folder: string, body: string): string {
  return writeProgram(join(folder, "python"), `#!${process.execPath}\n${body}`);
}

const healthy = (folder: string, edition = "process.env.MINISTACK_EDITION") => `
  require("node:fs").writeFileSync(${JSON.stringify(join(folder, "env.json"))}, JSON.stringify(process.env));
  require("node:http")
    .createServer((request, response) => response.end(JSON.stringify({ edition: ${edition}, path: request.url })))
    .listen(process.env.GATEWAY_PORT, process.env.BIND_HOST);
`;

function options(folder: string, body: string) {
  return {
    python: fakeEmulator(folder, body),
    folder: join(folder, "run"),
    region: "eu-west-1",
    secretsManagerUrl: "http://127.0.0.1:7001",
    dynamoDbUrl: "http://127.0.0.1:7002",
    env: { PATH: process.env.PATH, AWS_PROFILE: "production", AWS_ACCESS_KEY_ID: "AKIAREAL" },
  };
}

it("gives the functions the local endpoints, fake credentials and nothing of the user's AWS settings", async () => {
  const folder = temporaryFolder();

  const emulator = await startEmulator(options(folder, healthy(folder)));
  await emulator.close();

  const env = JSON.parse(readFileSync(join(folder, "env.json"), "utf8")) as Record<string, string>;
  const aws = Object.entries(env).filter(([name]) => name.startsWith("AWS_"));
  expect(Object.fromEntries(aws)).toEqual({
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    AWS_REGION: "eu-west-1",
    AWS_DEFAULT_REGION: "eu-west-1",
    AWS_ENDPOINT_URL: emulator.url,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: "http://127.0.0.1:7001",
    AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:7002",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
    ...LOCAL_SDK,
  });
  expect(env).toMatchObject({
    BIND_HOST: "127.0.0.1",
    LAMBDA_EXECUTOR: "local",
    MINISTACK_REGION: "eu-west-1",
  });
  expect(env.TMPDIR).toBe(join(folder, "run", "emulator"));
});

it("runs two at once, each with a port and a folder of its own", async () => {
  const folder = temporaryFolder();
  const other = temporaryFolder();

  const [one, two] = await Promise.all([
    startEmulator(options(folder, healthy(folder))),
    startEmulator(options(other, healthy(other))),
  ]);

  expect(one.url).not.toBe(two.url);
  expect(existsSync(join(folder, "run", "emulator"))).toBe(true);
  expect(existsSync(join(other, "run", "emulator"))).toBe(true);
  await Promise.all([one.close(), two.close()]);
});

it("ends on close, with what it started, and removes what it wrote", async () => {
  const folder = temporaryFolder();
  const child = join(folder, "child.pid");
  const withChild = `
    const { pid } = require("node:child_process").spawn("sleep", ["60"]);
    require("node:fs").writeFileSync(${JSON.stringify(child)}, String(pid));
  `;
  const emulator = await startEmulator(options(folder, withChild + healthy(folder)));
  const pids = [emulator.pid, Number(readFileSync(child, "utf8"))];
  expect(pids.every(isRunning)).toBe(true);

  await emulator.close();
  await emulator.close();

  expect(await waitForEnd(pids, 10_000)).toEqual([]);
  expect(existsSync(join(folder, "run", "emulator"))).toBe(false);
});

it("isn't taken in by another run's emulator on its port, and reports its own's end", async () => {
  const folder = temporaryFolder();
  const stranger = `${healthy(folder, '"another run"')} setTimeout(() => {
    console.error("the port is already in use");
    process.exit(1);
  }, 300);`;

  await expect(startEmulator(options(folder, stranger))).rejects.toThrow(
    /the emulator ended with 1: the port is already in use \(.*emulator\.log\)/,
  );
});

it("passes on everything but settings of AWS", () => {
  const env = {
    PATH: "/bin",
    HTTPS_PROXY: "http://proxy",
    AWS_PROFILE: "production",
    AWS_SESSION_TOKEN: "x",
  };

  expect(withoutAws(env)).toEqual({
    PATH: "/bin",
    HTTPS_PROXY: "http://proxy",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
    ...LOCAL_SDK,
  });
});
