import { writeFileSync } from "node:fs";
import path from "node:path";
import { isRunning, signalProcess } from "../../local/processes";
import { NODE, Stage, type Started, settle, until } from "./stage";

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.close());

const rotated = async (runner: Started) => {
  const next = stage.rotate();
  await until(() => stage.told().includes(`start ${next}`), runner.errors);
};

/** At a terminal, errors and output are one. */
const shown = (runner: Started) => runner.errors() + runner.output();

/** Starts the agent so that something stays between it and the runner. */
const WRAPPED: Readonly<Record<string, (command: string) => readonly string[]>> = {
  "npm start": (command) => {
    const manifest = { name: "agent", version: "1.0.0", scripts: { start: command } };
    writeFileSync(path.join(stage.folder, "package.json"), JSON.stringify(manifest));
    return ["npm", "start"];
  },
  npx: (command) => ["npx", "--no-install", "-c", command],
  "a shell that stays": (command) => ["sh", "-c", `${command}; true`],
  "a shell that leaves it behind": (command) => ["sh", "-c", `${command} & sleep 1`],
  "a program that gives it a session of its own": (command) => {
    const options = JSON.stringify({ shell: true, stdio: "inherit", detached: true });
    return [NODE, "-e", `require("node:child_process").spawn(${JSON.stringify(command)}, ${options})`];
  },
};

const TERMINALS = ["without", "at"] as const;
const start = (terminal: (typeof TERMINALS)[number], words: readonly string[]) =>
  terminal === "at" ? stage.startAtTerminal(words) : stage.start(words);

describe.each(TERMINALS)("%s a terminal", (terminal) => {
  test.each(Object.keys(WRAPPED).filter((name) => name !== "a shell that leaves it behind"))(
    "one agent runs after a new key, and none after SIGTERM: %s",
    async (name) => {
      const command = WRAPPED[name]?.(stage.agentEndingAfter("SIGTERM").join(" ")) ?? [];
      const runner = await start(terminal, stage.runner([], command));
      await stage.agentStarted(1);
      await rotated(runner);
      await settle();
      expect(stage.runningAgents()).toEqual(stage.agents().slice(-1));
      signalProcess(runner.pid, "SIGTERM");
      await runner.ended;
      expect(stage.runningAgents()).toEqual([]);
    },
  );

  test("what the command leaves behind when it ends is named, and ended", async () => {
    const command = WRAPPED["a shell that leaves it behind"]?.(stage.agentEndingAfter("SIGTERM").join(" "));
    const runner = await start(terminal, stage.runner([], command ?? []));
    await stage.agentStarted(1);
    expect(await runner.ended).toBe(0);
    expect(stage.runningAgents()).toEqual([]);
    expect(stage.told().at(-1)).toBe("SIGTERM");
    const left = `the command has ended, and left ${stage.agents()[0]} (${path.basename(NODE)}): ended, too`;
    expect(shown(runner)).toContain(left);
  });

  test("what does not end in time is killed, wherever it stands in the tree", async () => {
    const command = ["sh", "-c", `${stage.agentEndingAfter().join(" ")}; true`];
    const runner = await start(terminal, stage.runner(["--stop", "1"], command));
    await stage.agentStarted(1);
    signalProcess(runner.pid, "SIGTERM");
    await runner.ended;
    expect(stage.runningAgents()).toEqual([]);
    expect(shown(runner)).toMatch(/did not end within 1 s: killed/);
  });
});

test("a command that ends what it has started gets no second signal", async () => {
  const command = WRAPPED["npm start"]?.(stage.agentEndingAfter("SIGTERM").join(" ")) ?? [];
  const runner = stage.start(stage.runner([], command));
  await stage.agentStarted(1);
  signalProcess(runner.pid, "SIGTERM");
  await runner.ended;
  expect(stage.count("SIGTERM")).toBe(1);
});

test("a command that runs beside others ends alone", async () => {
  const [one, other] = [0, 1].map(() => stage.start(stage.runner([], stage.agentEndingAfter("SIGTERM"))));
  await stage.agentStarted(2);
  signalProcess(one?.pid ?? 0, "SIGTERM");
  await one?.ended;
  await settle();
  expect(stage.runningAgents()).toHaveLength(1);
  expect(isRunning(other?.pid ?? 0)).toBe(true);
});

describe("a hook", () => {
  test("takes nothing of the agent's input, and says nothing in its output", async () => {
    const hook = "cat; echo words of the hook; echo its errors >&2";
    const runner = stage.start(stage.runner(["--hook", hook], stage.agentEndingAfter("SIGTERM")));
    await stage.agentStarted(1);
    stage.rotate();
    let sent = 0;
    const send = () => runner.child.stdin?.write(`request ${++sent}\n`);
    await until(() => {
      send();
      return runner.errors().includes("running the hook");
    }, runner.errors);
    await until(() => {
      send();
      return runner.errors().includes("its errors");
    }, runner.errors);
    await until(() => runner.output().includes(`request ${sent}\n`), runner.output);
    signalProcess(runner.pid, "SIGTERM");
    await runner.ended;
    const heard = runner.output().replaceAll("heard ", "").trim().split("\n");
    expect(heard).toEqual(Array.from({ length: sent }, (_, n) => `request ${n + 1}`));
    expect(runner.errors()).toContain("words of the hook");
  });
});
