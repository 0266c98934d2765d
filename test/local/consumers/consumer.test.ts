import { FrozenClock } from "../../../local/clock";
import { AgentProcess, CallLog } from "../../../local/consumers/consumer";
import { removeFolders, temporaryFolder } from "../programs";

afterAll(removeFolders);

describe("the log of a consumer's calls", () => {
  let clock: FrozenClock;
  let log: CallLog;
  const start = new FrozenClock().now();
  beforeEach(() => {
    clock = new FrozenClock();
    log = new CallLog(clock);
  });
  const call = (key: string, ok = true) => {
    clock.advanceBy(1_000);
    log.note({ ok, key });
  };

  test("counts calls, and those that failed", () => {
    call("old");
    call("old", false);
    expect([log.calls, log.failed]).toEqual([2, 1]);
  });

  test("a consumer has switched when the new key is in use and the old one is no more", () => {
    call("old");
    expect(log.switchedAt("old", "new")).toBeUndefined();
    call("new");
    expect(log.switchedAt("old", "new")).toBe(start + 2_000);
    call("old");
    call("new");
    expect(log.switchedAt("old", "new")).toBe(start + 3_000);
    expect(log.uses("new")).toBe(true);
  });

  test("waits for as many calls as are asked for", async () => {
    const order: string[] = [];
    const two = log.next(2).then(() => order.push("two"));
    const one = log.next(1).then(() => order.push("one"));
    call("key");
    await one;
    expect(order).toEqual(["one"]);
    call("key");
    await two;
    expect(order).toEqual(["one", "two"]);
  });
});

describe("an agent's process", () => {
  const run = (script: string) => {
    const log = new CallLog(new FrozenClock());
    const errorFile = `${temporaryFolder()}/agent.log`;
    const agent = new AgentProcess({
      program: process.execPath,
      args: ["-e", script],
      env: {},
      log,
      errorFile,
    });
    return { agent, log };
  };

  test("reports its calls, and ends when it is told to", async () => {
    const { agent, log } = run('setInterval(() => console.log(JSON.stringify({ ok: true, key: "k" })), 10)');
    await agent.firstCall;
    expect(agent.hasEnded).toBe(false);
    await agent.stop();
    await agent.stop();
    expect(agent.hasEnded).toBe(true);
    expect(log.uses("k")).toBe(true);
  });

  test("says so where it ends before its first call", async () => {
    const { agent } = run("process.exit(3)");
    await expect(agent.firstCall).rejects.toThrow("ended with 3 before its first call");
  });
});
