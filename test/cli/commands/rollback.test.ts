import { decideRollback } from "../../../cli/commands/rollback";
import { DAY, HOUR } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";
import { OperatorWorld } from "../operator-world";

type Facts = Parameters<typeof decideRollback>[0];
const current = { agentInstanceId: "ai_1", issuedAt: START, previousKeyExpiresAt: START + DAY };
const previous = { agentInstanceId: "ai_1", issuedAt: START - 90 * DAY };
const facts = (overrides: Partial<Facts> = {}): Facts => ({
  current,
  previous,
  previousAccepted: true,
  isRotationUnfinished: false,
  now: START + HOUR,
  gracePeriodMs: DAY,
  leastMs: 2 * HOUR,
  ...overrides,
});

test.each<[string, Partial<Facts>, object]>([
  ["inside the grace period", {}, { course: "roll-back", livesUntil: START + DAY }],
  ["to the moment", { now: START + 22 * HOUR }, { course: "roll-back", livesUntil: START + DAY }],
  [
    "too late",
    { now: START + 22 * HOUR + 1 },
    { course: "refuse", because: "too-short", livesUntil: START + DAY },
  ],
  ["refused", { previousAccepted: false }, { course: "refuse", because: "refused" }],
  ["nothing before", { previous: undefined }, { course: "refuse", because: "nothing-before" }],
  [
    "the same key",
    { previous: { ...previous, issuedAt: START } },
    { course: "refuse", because: "nothing-before" },
  ],
  [
    "another instance's",
    { previous: { ...previous, agentInstanceId: "ai_2" } },
    { course: "refuse", because: "other-instance" },
  ],
  [
    "a rotation is unfinished",
    { isRotationUnfinished: true },
    { course: "refuse", because: "rotation-unfinished" },
  ],
  [
    "no end known",
    { current: { agentInstanceId: "ai_1", issuedAt: START } },
    { course: "refuse", because: "unknown-end" },
  ],
  [
    "the key before was made inside a grace period",
    { previous: { ...previous, issuedAt: START - HOUR, previousKeyExpiresAt: START + 23 * HOUR } },
    { course: "refuse", because: "no-way-on", livesUntil: START + DAY },
  ],
  ["forward again", { previous: { ...previous, issuedAt: START + 1 } }, { course: "roll-back" }],
])("decides: %s", (_, overrides, course) => {
  expect(decideRollback(facts(overrides))).toEqual(course);
});

async function rotated(options: Parameters<typeof OperatorWorld.ready>[0] = {}) {
  const desk = await OperatorWorld.ready(options);
  const old = desk.fingerprint;
  await desk.run("rotate dev/support");
  return { desk, old, new: desk.fingerprint };
}

test("moves AWSCURRENT back, says until when that holds and what to type; the next rotation then works at once", async () => {
  const { desk, old, new: newer } = await rotated();
  desk.answers.push(true);
  const { code, out, err } = await desk.run("rollback dev/support");
  expect({ code, out }).toEqual({
    code: 0,
    out: `dev/support: AWSCURRENT is back on key ${old}, from ${newer}`,
  });
  expect(err).toContain(
    `key ${old} ends at 2026-01-02 00:02 UTC. A rotation has to give dev/support another key before`,
  );
  expect(desk.questions).toEqual([`Move AWSCURRENT of dev/support to key ${old}?`]);
  expect(desk.fingerprint).toBe(old);
  expect(desk.world.currentIsAccepted).toBe(true);
  expect(desk.world.versionWith("AWSPENDING")).toBeUndefined();

  desk.world.clock.advanceBy(HOUR);
  expect(await desk.run("rotate dev/support")).toMatchObject({ code: 0 });
  expect([old, newer]).not.toContain(desk.fingerprint);
  expect(desk.world.minted).toHaveLength(3);
});

test("a rotation right after a roll-back waits until the last attempt's record is settled, and asks again", async () => {
  const { desk, old } = await rotated();
  await desk.run("rollback dev/support --yes");
  const { code, err } = await desk.run("rotate dev/support");
  expect(err).toContain("asking again");
  expect(code).toBe(0);
  expect(desk.fingerprint).not.toBe(old);
  expect(desk.world.currentIsAccepted).toBe(true);
  expect(desk.world.minted).toHaveLength(3);
});

test("does not go back to a key that no rotation could replace in time", async () => {
  const { desk, new: second } = await rotated();
  await desk.run("rotate dev/support --emergency --yes");
  const third = desk.fingerprint;
  const { code, err } = await desk.run("rollback dev/support --yes");
  expect(err).toContain(`key ${second} was made inside a grace period`);
  expect(code).toBe(3);
  expect(desk.fingerprint).toBe(third);
});

test("forward again", async () => {
  const { desk, new: newer } = await rotated();
  await desk.run("rollback dev/support --yes");
  const { code, err } = await desk.run("rollback dev/support --yes");
  expect(code).toBe(0);
  expect(err).toContain("is the newest one, and goes on until the next rotation");
  expect(desk.fingerprint).toBe(newer);
});

test("as JSON", async () => {
  const { desk, old, new: newer } = await rotated();
  expect(await desk.json("rollback dev/support --yes")).toEqual({
    instance: "dev/support",
    from: newer,
    to: old,
    livesUntil: "2026-01-02T00:02:00.000Z",
    next: expect.stringContaining("ends at 2026-01-02 00:02 UTC"),
  });
});

test.each<[string, (desk: OperatorWorld) => unknown, string, string]>([
  ["nobody agrees", () => {}, "rollback dev/support", "not agreed to"],
  [
    "the old key is dead",
    (desk) => desk.world.clock.advanceBy(DAY),
    "rollback dev/support --yes",
    "its grace period is over",
  ],
  [
    "it dies soon",
    (desk) => desk.world.clock.advanceBy(23 * HOUR),
    "rollback dev/support --yes",
    "in less than 2 h",
  ],
  [
    "it dies before what was asked for",
    () => {},
    "rollback dev/support --yes --least-hours 30",
    "in less than 1 d 6 h",
  ],
  [
    "a rotation is unfinished",
    (desk) => desk.world.requestRotation(),
    "rollback dev/support --yes",
    "a rotation is unfinished",
  ],
])("refuses where %s, and AWSCURRENT stays", async (_, arrange, line, message) => {
  const { desk, new: newer } = await rotated();
  arrange(desk);
  const { code, out, err } = await desk.run(line);
  expect(err).toContain(message);
  expect({ code, out }).toEqual({ code: 3, out: "" });
  expect(desk.fingerprint).toBe(newer);
});

test("refuses where there was no key before, and where the Control Plane ended it at once", async () => {
  const fresh = await OperatorWorld.ready();
  expect((await fresh.run("rollback dev/support --yes")).err).toContain("no other key under AWSPREVIOUS");
  const { desk } = await rotated({ graceHours: 0, configuredGraceHours: 24 });
  expect(await desk.run("rollback dev/support --yes")).toMatchObject({
    code: 3,
    err: expect.stringContaining("refuses key"),
  });
});
