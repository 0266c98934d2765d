import { spawn } from "node:child_process";
import { join, resolve } from "node:path";

const PROGRAM = resolve(__dirname, "../../cli/valmi-agent-keys.js");

/** One command line as an operator types it: with what it ends, and what it says. */
interface Step {
  readonly line: string;
  readonly input?: string;
  readonly code: number;
  readonly says: RegExp;
}

/** Every command once, and what they refuse, in an order that works upon a run whose last grace period is over. */
export const stepsUpon = (folder: string): readonly Step[] => [
  { line: "status", code: 0, says: /dev\/support +│ [0-9a-f]{12}/ },
  { line: "show dev/support", code: 0, says: /valmi\/dev\/support\/agent-key/ },
  { line: "history dev/support", code: 0, says: /first key/ },
  { line: "verify", code: 0, says: /this instance's │ active/ },
  // Nobody has subscribed to the topic of a local run. That its clock was moved is no problem.
  { line: "doctor", code: 4, says: /clock +│ ok [\s\S]*self-test +│ ok / },
  { line: "rotate dev/support", code: 0, says: /new key [0-9a-f]{12} after/ },
  { line: "rotate dev/support", code: 3, says: /grace-running/ },
  { line: "rollback dev/support --yes", code: 0, says: /AWSCURRENT is back on key/ },
  { line: "status", code: 4, says: /key-on-fuse/ },
  { line: "rollback dev/support --yes", code: 0, says: /is the newest one/ },
  { line: "pause dev/research --for 5d", code: 0, says: /paused until/ },
  { line: "rotate dev/research", code: 3, says: /paused, until/ },
  { line: "resume dev/research", code: 0, says: /rotations go on/ },
  // The local Control Plane lets every earlier key live out its grace period.
  { line: "revoke dev/research --yes", code: 5, says: /still accepts key/ },
  { line: "operator-key rotate --environment dev", input: "token_nobody123", code: 3, says: /401/ },
  { line: "rotate dev/none", code: 2, says: /there is no agent instance/ },
  { line: `report --out ${join(folder, "report.html")}`, code: 0, says: /2 instances/ },
];

/** Runs the steps one after the other. Gives one line for each that went otherwise. */
export async function playOperator(
  steps: readonly Step[],
  variables: Readonly<Record<string, string>>,
): Promise<{ readonly failures: readonly string[]; readonly said: string }> {
  const failures: string[] = [];
  let all = "";
  for (const { line, input = "", code, says } of steps) {
    const ended = await run(line.split(" "), input, variables);
    all += ended.said;
    if (ended.code !== code || !says.test(ended.said)) {
      failures.push(`${line}: ${ended.code} instead of ${code}, or not ${says}: ${ended.said}`);
    }
  }
  return { failures, said: all };
}

function run(
  args: readonly string[],
  input: string,
  variables: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly said: string }> {
  return new Promise((end, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, ...variables } });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
    child.once("error", reject);
    child.once("close", (code) => end({ code, said }));
    child.stdin.end(input);
  });
}
