import { writeFileSync } from "node:fs";
import path from "node:path";
import { signalProcess } from "../../local/processes";
import { writeProgram } from "../local/programs";
import { Stage, until } from "./stage";

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.close());

/** The machine's clock is five hours behind what it was, once the file is there. */
const SET_BACK = (file: string) => `
const { existsSync } = require("node:fs");
const now = Date.now;
Date.now = () => now() - (existsSync(${JSON.stringify(file)}) ? 5 * 3_600_000 : 0);
`;

test("a clock that is set back stops neither the looks nor the runner's end", async () => {
  const file = path.join(stage.folder, "set-back");
  const preload = writeProgram(path.join(stage.folder, "clock.js"), SET_BACK(file));
  const runner = stage.start(stage.runner([], stage.agentEndingAfter("SIGTERM")), {
    NODE_OPTIONS: `--require ${preload}`,
  });
  await stage.agentStarted(1);
  writeFileSync(file, "");
  for (let rotation = 1; rotation <= 2; rotation++) {
    const next = stage.rotate();
    await until(() => stage.told().includes(`start ${next}`), runner.errors);
  }
  signalProcess(runner.pid, "SIGTERM");
  expect(await runner.ended).toBe(7);
});
