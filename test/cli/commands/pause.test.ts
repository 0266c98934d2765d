import { DAY_MS } from "../../../core/time";
import { OperatorWorld } from "../operator-world";

test("a pause holds rotations up, shows, ends by itself, and can be ended", async () => {
  const desk = await OperatorWorld.ready();
  const before = desk.fingerprint;
  const paused = await desk.run("pause dev/support --for 5d");
  expect(paused).toMatchObject({
    code: 0,
    out: expect.stringContaining("paused until 2026-01-06 00:02 UTC"),
  });

  const refused = await desk.run("rotate dev/support");
  expect(refused).toMatchObject({
    code: 3,
    err: expect.stringContaining("npx --no-install valmi-agent-keys resume dev/support"),
  });
  // Also where nobody looks first, as at a scheduled rotation.
  desk.world.requestRotation();
  const [outcome] = await desk.world.runDueSteps();
  expect(String(outcome?.error)).toContain("paused: ");
  expect(desk.fingerprint).toBe(before);
  expect((await desk.run("status")).out).toMatch(/paused until 2026-01-06 00:02 UTC .*│ paused/);

  expect(await desk.run("resume dev/support")).toMatchObject({
    code: 0,
    out: "dev/support: rotations go on",
  });
  expect(await desk.json("resume dev/support")).toMatchObject({ wasPaused: false });
  expect(await desk.run("rotate dev/support")).toMatchObject({ code: 0 });

  await desk.world.clock.advanceBy(2 * DAY_MS);
  await desk.run("pause dev/support --for 1d");
  desk.world.clock.advanceBy(DAY_MS);
  expect(await desk.run("rotate dev/support")).toMatchObject({ code: 0 });
});

test("an emergency goes through a pause", async () => {
  const desk = await OperatorWorld.ready();
  await desk.run("pause dev/support --for 5d");
  expect(await desk.run("rotate dev/support --emergency --yes")).toMatchObject({ code: 0 });
  expect(desk.world.minted).toHaveLength(2);
});

test("longer than the key may live it is cut, and says so", async () => {
  const desk = await OperatorWorld.ready();
  const { out } = await desk.run("pause dev/support --for 200d");
  expect(out).toContain("2026-04-01 22:00 UTC; that is sooner than you asked for");
  expect(await desk.json("pause dev/support --for 200d")).toEqual({
    instance: "dev/support",
    until: "2026-04-01T22:00:00.000Z",
    isCut: true,
  });
});

test.each<[string, (desk: OperatorWorld) => unknown, string, number, string]>([
  ["a time that is none", () => {}, "pause dev/support --for long", 2, "such as 90m, 12h or 5d"],
  ["no time", () => {}, "pause dev/support", 2, "--for"],
  [
    "a key that is due",
    (desk) => desk.world.clock.advanceBy(91 * DAY_MS),
    "pause dev/support --for 1d",
    3,
    "rotate it first",
  ],
])("refuses %s", async (_, arrange, line, code, message) => {
  const desk = await OperatorWorld.ready();
  arrange(desk);
  expect(await desk.run(line)).toMatchObject({ code, out: "", err: expect.stringContaining(message) });
});

test("does not pause what has begun: a minted key must not wait", async () => {
  const desk = await OperatorWorld.ready();
  desk.world.requestRotation();
  desk.world.orderFault("POST /agent_instance/{id}/refresh", { status: 500 });
  await desk.world.runDueSteps();
  expect(await desk.run("pause dev/support --for 1d")).toMatchObject({
    code: 3,
    err: expect.stringContaining("a rotation of dev/support is under way"),
  });
});
