import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { signalProcess } from "../../local/processes";
import { Stage, settle, until } from "./stage";

/** What a container is to its first process: it is number 1, and every orphan becomes its child. */
const AS_FIRST_PROCESS = ["unshare", "--pid", "--fork", "--mount-proc"];

function works(...words: string[]): boolean {
  try {
    const [program = "", ...args] = [...AS_FIRST_PROCESS, ...words];
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const withNamespaces = works("true") ? test : test.skip;
const withTini = works("tini", "--", "true") ? test : test.skip;

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.close());

/** Children that have ended and for which nobody has waited, of these parents. */
function zombiesOf(parents: readonly number[]): number[] {
  return readdirSync("/proc").flatMap((id) => {
    try {
      const stat = readFileSync(`/proc/${id}/stat`, "utf8");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return state === "Z" && parents.includes(Number(parent)) ? Number(id) : [];
    } catch {
      return [];
    }
  });
}

/** The agent leaves three orphans behind that end by themselves. */
async function runWithOrphans(init: readonly string[]) {
  const agent = stage.agentEndingAfter("SIGTERM").join(" ");
  const orphans = ["sh", "-c", `for n in 1 2 3; do (sleep 0.$n &); done; exec ${agent}`];
  const runner = stage.start([...AS_FIRST_PROCESS, ...init, ...stage.runner([], orphans)]);
  await stage.agentStarted(1);
  await settle();
  await settle();
  return { runner, inside: () => stage.processesOf("exec --secret") };
}

withNamespaces("as the first process of a container, the runner does not take care of orphans", async () => {
  const { inside } = await runWithOrphans([]);
  expect(zombiesOf(inside())).toHaveLength(3);
});

withTini("an init process takes care of orphans, passes signals on, and gives the exit code", async () => {
  const { runner, inside } = await runWithOrphans(["tini", "--"]);
  expect(zombiesOf(inside())).toEqual([]);
  const [tini] = stage.processesOf("tini -- ").filter((pid) => pid !== runner.pid);
  signalProcess(tini ?? 0, "SIGTERM");
  expect(await runner.ended).toBe(7);
  expect(stage.count("SIGTERM")).toBe(1);
});

withNamespaces(
  "as the first process of a container, the runner ends with all that its command has started",
  async () => {
    const agent = stage.agentEndingAfter("SIGTERM").join(" ");
    const runner = stage.start([...AS_FIRST_PROCESS, ...stage.runner([], ["sh", "-c", `${agent}; true`])]);
    await stage.agentStarted(1);
    const next = stage.rotate();
    await until(() => stage.told().includes(`start ${next}`), runner.errors);
    expect(stage.count("SIGTERM")).toBe(1);
    const [first] = stage.processesOf("exec --secret").filter((pid) => pid !== runner.pid);
    signalProcess(first ?? 0, "SIGTERM");
    await runner.ended;
    expect(stage.count("SIGTERM")).toBe(2);
  },
);
