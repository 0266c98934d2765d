import { signalProcess } from "../../local/processes";
import { Stage, type Started, settle, until } from "./stage";

const SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.close());

async function toldOnce(signal: NodeJS.Signals, runner: Started): Promise<void> {
  await until(() => stage.count(signal) > 0, runner.errors);
  await settle();
  expect(stage.told().filter((line) => line.startsWith("SIG"))).toEqual([signal]);
}

async function bringsNextKey(runner: Started): Promise<void> {
  const next = stage.rotate();
  await until(() => stage.told().includes(`start ${next}`), runner.errors);
}

describe("without a terminal", () => {
  test.each(SIGNALS)("%s to the runner alone reaches the command once", async (signal) => {
    const runner = stage.start(stage.runner([], stage.agentEndingAfter()));
    await stage.agentStarted(1);
    signalProcess(runner.pid, signal);
    await toldOnce(signal, runner);
  });

  test.each(SIGNALS)("%s to the runner's process group reaches the command once", async (signal) => {
    const runner = stage.start(stage.runner([], stage.agentEndingAfter()));
    await stage.agentStarted(1);
    signalProcess(-runner.pid, signal);
    await toldOnce(signal, runner);
  });

  test("a signal that the command survives does not end the supervision", async () => {
    const runner = stage.start(stage.runner([], stage.agentEndingAfter("SIGTERM")));
    await stage.agentStarted(1);
    for (const signal of ["SIGINT", "SIGQUIT", "SIGHUP"] as const) {
      signalProcess(runner.pid, signal);
      await until(() => stage.count(signal) === 1, runner.errors);
    }
    await bringsNextKey(runner);
    signalProcess(runner.pid, "SIGTERM");
    expect(await runner.ended).toBe(7);
  });

  test("SIGTERM that the command ignores ends it all the same", async () => {
    const runner = stage.start(stage.runner(["--stop", "1"], stage.agentEndingAfter()));
    await stage.agentStarted(1);
    signalProcess(runner.pid, "SIGTERM");
    expect(await runner.ended).toBe(128 + 9);
    expect(runner.errors()).toMatch(/process \d+ did not end within 1 s: killed/);
    expect(stage.runningAgents()).toEqual([]);
  });
});

describe("at a terminal", () => {
  const KEYS = { SIGINT: "\x03", SIGQUIT: "\x1c" } as const;
  const type = (runner: Started, text: string) => runner.child.stdin?.write(text);

  test.each(["SIGINT", "SIGQUIT"] as const)("the key for %s reaches the command once", async (signal) => {
    const runner = await stage.startAtTerminal(stage.runner([], stage.agentEndingAfter()));
    await stage.agentStarted(1);
    type(runner, KEYS[signal]);
    await toldOnce(signal, runner);
  });

  test.each(SIGNALS)("%s to the runner alone reaches the command once", async (signal) => {
    const runner = await stage.startAtTerminal(stage.runner([], stage.agentEndingAfter()));
    await stage.agentStarted(1);
    signalProcess(runner.pid, signal);
    await toldOnce(signal, runner);
  });

  test("a signal that comes often reaches the command as often", async () => {
    const runner = await stage.startAtTerminal(stage.runner([], stage.agentEndingAfter()));
    await stage.agentStarted(1);
    for (let times = 1; times <= 6; times++) {
      if (times % 2 === 0) type(runner, KEYS.SIGINT);
      else signalProcess(runner.pid, "SIGINT");
      await until(() => stage.count("SIGINT") === times, runner.errors);
      await settle();
      expect(stage.count("SIGINT")).toBe(times);
    }
  });

  test("a terminal that hangs up tells the command once", async () => {
    const runner = await stage.startAtTerminal(stage.runner([], stage.agentEndingAfter()));
    await stage.agentStarted(1);
    runner.child.stdin?.end();
    await toldOnce("SIGHUP", runner);
  });

  test("Ctrl-C that the command survives does not end the supervision; one that it ends after does", async () => {
    const runner = await stage.startAtTerminal(
      stage.runner([], stage.agentEndingAfter("SIGTERM", "SIGQUIT")),
    );
    await stage.agentStarted(1);
    type(runner, KEYS.SIGINT);
    await until(() => stage.count("SIGINT") === 1, runner.errors);
    await bringsNextKey(runner);
    type(runner, KEYS.SIGQUIT);
    expect(await runner.ended).toBe(7);
    expect(stage.runningAgents()).toEqual([]);
  });

  test("the command reads what is typed, before and after a new key", async () => {
    const runner = await stage.startAtTerminal(stage.runner([], stage.agentEndingAfter("SIGTERM")));
    await stage.agentStarted(1);
    type(runner, "first\r");
    await until(() => stage.told().includes("read first"), runner.errors);
    await bringsNextKey(runner);
    type(runner, "second\r");
    await until(() => stage.told().includes("read second"), runner.errors);
    // What is told in a file may be there before what the terminal shows.
    await until(() => runner.output().includes("heard second"), runner.errors);
  });

  test("the command has the terminal for its own, as a password prompt needs it", async () => {
    const runner = await stage.startAtTerminal(
      stage.runner([], ["sh", "-c", 'read -r line </dev/tty; echo "prompt: $line"']),
    );
    await until(() => stage.processesOf("prompt: $line").length > 1, runner.errors);
    type(runner, "secret word\r");
    expect(await runner.ended).toBe(0);
    expect(runner.output()).toContain("prompt: secret word");
  });

  test("Ctrl-Z stops the whole job of a shell, and `fg` takes it up again", async () => {
    const shell = await stage.startAtTerminal(["bash", "--norc", "-i"], { PS1: "" });
    type(shell, `${stage.runner([], stage.agentEndingAfter("SIGTERM")).join(" ")}\r`);
    await stage.agentStarted(1);
    type(shell, "\x1a");
    await until(() => shell.output().includes("Stopped"), shell.output);
    type(shell, "fg\r");
    type(shell, "again\r");
    await until(() => stage.told().includes("read again"), shell.output);
    type(shell, KEYS.SIGINT);
    await toldOnce("SIGINT", shell);
    await bringsNextKey(shell);
  });
});
