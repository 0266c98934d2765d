import { ServedDesk } from "./cli-desk";
import { until } from "./stage";

let served: ServedDesk;
beforeAll(async () => {
  served = await ServedDesk.open();
});
afterAll(() => served.close());

const QUESTION = "Make a new key now? [y/N]";
const [CTRL_C, CTRL_D] = ["\x03", "\x04"];

describe("a question at a terminal", () => {
  test.each<[string, string]>([
    ["Ctrl-C", CTRL_C],
    ["Ctrl-D", CTRL_D],
    ["no", "n\r"],
    ["Enter", "\r"],
  ])("%s: it is refused, and nothing was changed", async (_, typed) => {
    const minted = served.desk.world.minted.length;
    const asked = served.atTerminal(["revoke", "dev/support"]);
    await until(() => asked.out().includes(QUESTION), asked.out);
    asked.child.stdin?.write(typed);
    expect({ code: await asked.ended, shown: asked.out() }).toEqual({
      code: 3,
      shown: expect.stringContaining("error: not agreed to; nothing was changed"),
    });
    expect(served.desk.world.minted).toHaveLength(minted);
  });

  test("a signal is an answer too", async () => {
    const asked = served.atTerminal(["revoke", "dev/support"]);
    await until(() => asked.out().includes(QUESTION), asked.out);
    process.kill(Number(asked.err().split("\n")[0]), "SIGINT");
    expect({ code: await asked.ended, shown: asked.out() }).toEqual({
      code: 3,
      shown: expect.stringContaining("error: not agreed to; nothing was changed"),
    });
  });

  test("without a terminal nobody is asked, and the answer is no", async () => {
    expect(await served.run(["revoke", "dev/support"])).toMatchObject({
      code: 3,
      out: "",
      err: expect.stringContaining("nobody is here to ask: Make a new key now?"),
    });
  });
});

describe("a key that is typed at a terminal", () => {
  const SET = ["operator-key", "set", "--secret", "valmi/dev/typed-key"];
  const set = () => [...SET, "--control-plane", served.desk.controlPlaneUrl];
  const PROMPT = "operator's API key";

  test("is not shown, and is stored", async () => {
    const typing = served.atTerminal(set());
    await until(() => typing.out().includes(PROMPT), typing.out);
    typing.child.stdin?.write("token_operator123");
    typing.child.stdin?.write("\r");
    const code = await typing.ended;
    expect(typing.out()).toContain("created valmi/dev/typed-key");
    expect(typing.out()).not.toContain("token_operator123");
    expect(code).toBe(0);
  });

  test.each<[string, string]>([
    ["Ctrl-C", CTRL_C],
    ["Ctrl-D", CTRL_D],
  ])("%s instead of a key: nothing is stored", async (_, typed) => {
    const calls = served.desk.world.aws.calls.length;
    const typing = served.atTerminal(set());
    await until(() => typing.out().includes(PROMPT), typing.out);
    typing.child.stdin?.write(typed);
    expect({ code: await typing.ended, shown: typing.out() }).toEqual({
      code: 3,
      shown: expect.stringContaining("no operator's API key was given; nothing was changed"),
    });
    expect(served.desk.world.aws.calls).toHaveLength(calls);
  });
});

describe("a reader that goes away", () => {
  test.each<[string, string, number]>([
    ["results", '"$@" status | true', 0],
    ["help", '"$@" --help | true', 0],
    ["errors", '"$@" show dev/none 2>&1 >/dev/null | true', 2],
  ])("of %s: the command ends quietly, with its own code", async (_, script, code) => {
    const piped = served.spawn(["bash", "-o", "pipefail", "-c", script, "bash", ...served.words()]);
    expect({ code: await piped.ended, err: piped.err() }).toEqual({ code, err: "" });
  });
});
