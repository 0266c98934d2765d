import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  descendantsOf,
  exitOf,
  isRunning,
  listProcesses,
  signalProcess,
  startProcess,
  waitForEnd,
} from "../../local/processes";
import { removeFolders, temporaryFolder } from "./programs";

afterEach(removeFolders);

function start(script: string) {
  const folder = temporaryFolder();
  const logFile = join(folder, "log");
  return startProcess("sh", ["-c", script], { cwd: folder, env: { PATH: process.env.PATH }, logFile });
}

async function until<T>(probe: () => T | undefined): Promise<T> {
  for (;;) {
    const value = probe();
    if (value !== undefined) return value;
    await delay(5);
  }
}

it("tells the exit code, also when asked late", async () => {
  const child = start("exit 3");

  expect(await exitOf(child)).toBe(3);
  expect(await exitOf(child)).toBe(3);
});

it("finds the descendants of a process, parents first, and ends them", async () => {
  const child = start("sh -c 'sleep 60; true'; true");
  const pid = child.pid ?? 0;

  const [shell, sleep] = await until(() => {
    const below = descendantsOf(pid);
    return below.some(({ command }) => command === "sleep 60") ? below : undefined;
  });
  expect(shell).toMatchObject({ parentPid: pid, command: "sh -c sleep 60; true" });
  expect(sleep).toMatchObject({ parentPid: shell?.pid, command: "sleep 60" });

  const pids = [pid, shell?.pid ?? 0, sleep?.pid ?? 0];
  expect(await waitForEnd(pids, 0)).toEqual(pids);
  for (const each of pids) signalProcess(each, "SIGKILL");
  expect(await waitForEnd(pids, 10_000)).toEqual([]);
  expect(await exitOf(child)).toBe("SIGKILL");
  expect(isRunning(pid)).toBe(false);
});

it("gives a child a process group of its own, which a Ctrl-C in the terminal doesn't reach", async () => {
  const child = start("sleep 60");
  const pid = child.pid ?? 0;

  // A negative number is a group: signal 0 only asks whether it exists.
  expect(process.kill(-pid, 0)).toBe(true);

  signalProcess(pid, "SIGKILL");
  await exitOf(child);
});

it("takes a process that has ended already as ended", async () => {
  const child = start("true");
  await exitOf(child);

  expect(() => signalProcess(child.pid ?? 0, "SIGTERM")).not.toThrow();
});

it("lists this very process", () => {
  expect(listProcesses()).toContainEqual(
    expect.objectContaining({ pid: process.pid, parentPid: process.ppid }),
  );
});
