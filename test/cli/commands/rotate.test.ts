import { attemptState, decideRotate } from "../../../cli/instances/rotation";
import { DAY, HOUR } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";
import { OperatorWorld } from "../operator-world";

const facts = (overrides: Partial<Parameters<typeof decideRotate>[0]> = {}) => ({
  rotationEnabled: true,
  instance: { isActive: true },
  accepted: true,
  issuedAt: START,
  previousKeyExpiresAt: START + DAY,
  gracePeriodMs: DAY,
  pausedUntil: undefined,
  now: START + HOUR,
  emergency: false,
  ...overrides,
});

test.each<[string, Partial<Parameters<typeof decideRotate>[0]>, object]>([
  ["after the grace period", { now: START + DAY }, { course: "rotate" }],
  ["inside it", {}, { course: "refuse", state: "grace-running", until: START + DAY }],
  [
    "inside it, in an emergency",
    { emergency: true },
    { course: "order", because: "grace-running", until: START + DAY },
  ],
  ["inside it, the key being refused", { accepted: false }, { course: "rotate" }],
  [
    "paused",
    { now: START + 2 * DAY, pausedUntil: START + 3 * DAY },
    { course: "refuse", state: "paused", until: START + 3 * DAY },
  ],
  [
    "paused, in an emergency",
    { now: START + 2 * DAY, pausedUntil: START + 3 * DAY, emergency: true },
    { course: "order", because: "paused", until: START + 3 * DAY },
  ],
  [
    "rotation off",
    { rotationEnabled: false, emergency: true },
    { course: "refuse", state: "rotation-disabled" },
  ],
  ["instance gone", { instance: undefined, emergency: true }, { course: "refuse", state: "instance-gone" }],
  [
    "instance inactive",
    { instance: { isActive: false }, emergency: true },
    { course: "refuse", state: "instance-inactive" },
  ],
])("decides: %s", (_, overrides, course) => {
  expect(decideRotate(facts(overrides))).toEqual(course);
});

test.each<[string, Record<string, string[]>, boolean, string]>([
  ["the new version is current", { a: ["AWSPREVIOUS"], b: ["AWSCURRENT", "AWSPENDING"] }, true, "promoted"],
  ["it is pending", { a: ["AWSCURRENT"], b: ["AWSPENDING"] }, true, "running"],
  ["it has lost its label", { a: ["AWSCURRENT"] }, true, "dropped"],
  ["a read may lag", { a: ["AWSCURRENT"] }, false, "running"],
])("an attempt: %s", (_, stages, isVisible, state) => {
  expect(attemptState(stages, "a", "b", isVisible)).toBe(state);
});

test("rotates, and says old and new key, and until when the old one works", async () => {
  const desk = await OperatorWorld.ready();
  const before = desk.fingerprint;
  const { code, out, err } = await desk.run("rotate dev/support");
  expect(code).toBe(0);
  expect(desk.fingerprint).not.toBe(before);
  expect(out).toBe(
    `dev/support: new key ${desk.fingerprint} after ${before}, which works until 2026-01-02 00:02 UTC`,
  );
  expect(err).toContain("Secrets Manager rotates");
  expect(desk.world.minted).toHaveLength(2);
});

test("as JSON, by the secret's name", async () => {
  const desk = await OperatorWorld.ready();
  const from = desk.fingerprint;
  expect(await desk.json("rotate valmi/dev/support/agent-key")).toEqual({
    instance: "dev/support",
    from,
    to: desk.fingerprint,
    versionId: desk.world.versionWith("AWSCURRENT"),
    previousKeyExpiresAt: expect.stringMatching(/^2026-01-02T/),
  });
});

test("inside a grace period it refuses; in an emergency it says what breaks, asks, and does it", async () => {
  const desk = await OperatorWorld.ready();
  await desk.run("rotate dev/support");
  const before = desk.fingerprint;
  const refused = await desk.run("rotate dev/support");
  expect(refused).toMatchObject({ code: 3, out: "" });
  expect(refused.err).toContain("dev/support: grace-running, until 2026-01-02 00:02 UTC");
  expect(refused.err).toContain("npx --no-install valmi-agent-keys rotate dev/support --emergency");
  expect(desk.fingerprint).toBe(before);

  const declined = await desk.run("rotate dev/support --emergency");
  expect(declined.code).toBe(3);
  expect(declined.err).toContain("A rotation now may end it at once");
  expect(desk.questions).toEqual(["Rotate dev/support all the same?"]);
  expect(desk.world.minted).toHaveLength(2);

  desk.answers.push(true);
  expect(await desk.run("rotate dev/support --emergency")).toMatchObject({ code: 0 });
  expect(desk.fingerprint).not.toBe(before);
  expect(desk.world.currentIsAccepted).toBe(true);
  expect(desk.world.minted).toHaveLength(3);
});

test("an order that was not used does not hold for ever", async () => {
  const desk = await OperatorWorld.ready();
  await desk.run("rotate dev/support");
  desk.rotates = false;
  expect((await desk.run("rotate dev/support --emergency --yes --wait 10")).code).toBe(5);
  desk.world.clock.advanceBy(HOUR);
  const [outcome] = await desk.world.runDueSteps();
  expect(String(outcome?.error)).toContain("grace-running");
  expect(desk.world.minted).toHaveLength(2);
});

test("where the Control Plane refuses to issue a key, it says so, and the present key stays", async () => {
  const desk = await OperatorWorld.ready({ secondRefresh: "D" });
  await desk.run("rotate dev/support");
  const before = desk.fingerprint;
  const { code, err } = await desk.run("rotate dev/support --emergency --yes");
  expect(code).toBe(5);
  expect(err).toContain("dev/support: mint-refused: ");
  expect(err).toContain("aws logs tail /aws/lambda/valmi-dev-agent-key-rotation");
  expect(desk.fingerprint).toBe(before);
});

test("goes on with an unfinished rotation, and asks once more where that was a leftover", async () => {
  const desk = await OperatorWorld.ready();
  const { world } = desk;
  world.requestRotation();
  world.orderFault("POST /agent_instance/{id}/refresh", { status: 500 });
  await world.runDueSteps();
  const { code, err } = await desk.run("rotate dev/support");
  expect(code).toBe(0);
  expect(err).toContain("an earlier rotation is unfinished; Secrets Manager tries it again");
  expect(world.currentIsAccepted).toBe(true);
});

test("what takes too long is unfinished, and names the log", async () => {
  const desk = await OperatorWorld.ready();
  desk.rotates = false;
  const { code, err } = await desk.run("rotate dev/support --wait 20");
  expect(code).toBe(5);
  expect(err).toContain("not done after 20 s");
  expect(err).toContain("/aws/lambda/valmi-dev-agent-key-rotation");
});

describe("refuses before anything is asked", () => {
  test.each<[string, (desk: OperatorWorld) => unknown, string, number, string]>([
    [
      "an unknown instance",
      () => {},
      "rotate dev/none",
      2,
      "there is no agent instance 'dev/none' in this account and region; name one as environment/id or by its secret: dev/support",
    ],
    [
      "a secret of something else",
      () => {},
      "rotate valmi/dev/control-plane-api-key",
      2,
      "there is no agent instance",
    ],
    [
      "an inactive instance",
      (desk) => desk.world.updateInstance({ isActive: false }),
      "rotate dev/support",
      3,
      "instance-inactive",
    ],
    ["a deleted instance", (desk) => desk.world.deleteInstance(), "rotate dev/support", 3, "instance-gone"],
    [
      "a refused API key",
      (desk) => desk.world.setOperatorKey("token_unknown123"),
      "rotate dev/support",
      1,
      "401, Unauthorized",
    ],
    [
      "no function",
      (desk) => {
        desk.hasFunction = false;
      },
      "rotate dev/support",
      1,
      "npx cdktf deploy dev",
    ],
    [
      "a wait that is no number",
      () => {},
      "rotate dev/support --wait soon",
      2,
      "It must be a number from 1 to 86400",
    ],
  ])("%s", async (_, arrange, line, code, message) => {
    const desk = await OperatorWorld.ready();
    const before = desk.fingerprint;
    arrange(desk);
    desk.world.resetCalls();
    const ran = await desk.run(line);
    expect(ran.err).toContain(message);
    expect(ran).toMatchObject({ code, out: "" });
    expect(desk.fingerprint).toBe(before);
    expect(desk.world.aws.calls).not.toContain("RotateSecret");
  });

  test("rotation that is off", async () => {
    const desk = OperatorWorld.empty();
    await desk.world.provision();
    expect((await desk.run("rotate dev/support")).err).toContain("rotation-disabled");
  });

  test("an instance that has no key yet", async () => {
    const desk = OperatorWorld.empty();
    const { code, err } = await desk.run("rotate dev/support");
    expect(code).toBe(1);
    expect(err).toContain("has no key under AWSCURRENT; deploy the environment");
  });
});
