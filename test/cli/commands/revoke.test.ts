import { nextRevokeStep } from "../../../cli/commands/revoke";
import type { SecondRefresh } from "../../../local/control-plane/model";
import { OperatorWorld } from "../operator-world";

const facts = {
  isCurrent: false,
  isAccepted: true,
  furtherRotations: 0,
  deactivate: false,
  isDeactivated: false,
};

test.each<[string, Partial<typeof facts>, string]>([
  ["the key is current", { isCurrent: true }, "rotate"],
  ["it is current, and refused already", { isCurrent: true, isAccepted: false }, "rotate"],
  ["it is refused", { isAccepted: false }, "done"],
  ["it is accepted after one rotation", {}, "rotate-again"],
  ["it is accepted after two", { furtherRotations: 1 }, "give-up"],
  ["it is accepted, and may be deactivated", { deactivate: true }, "deactivate"],
  ["it is accepted all the same", { deactivate: true, isDeactivated: true }, "give-up"],
])("next, where %s", (_, overrides, step) => {
  expect(nextRevokeStep({ ...facts, ...overrides })).toBe(step);
});

/** The leaked key's fingerprint and text. */
async function leak(options: Parameters<typeof OperatorWorld.ready>[0]) {
  const desk = await OperatorWorld.ready(options);
  const key = desk.world.current.agentKey;
  const isAccepted = () => desk.world.controlPlane.isAccepted(key.reveal());
  return { desk, fingerprint: key.fingerprint, isAccepted };
}

test("a Control Plane without grace: one rotation is enough", async () => {
  const { desk, fingerprint, isAccepted } = await leak({ graceHours: 0 });
  const { code, out } = await desk.run("revoke dev/support --yes");
  expect(code).toBe(0);
  expect(isAccepted()).toBe(false);
  expect(out).toContain(`dev/support: the Control Plane refuses key ${fingerprint}.`);
  expect(out).toContain(`They need key ${desk.fingerprint}, which is under AWSCURRENT.`);
  expect(desk.world.currentIsAccepted).toBe(true);
  expect(desk.world.minted).toHaveLength(2);
});

test("one that keeps only the latest key before: a second rotation ends it", async () => {
  const { desk, isAccepted } = await leak({ secondRefresh: "B" });
  expect(await desk.json("revoke dev/support --yes")).toMatchObject({
    steps: ["rotate", "rotate-again"],
    current: desk.fingerprint,
    isActive: true,
  });
  expect(isAccepted()).toBe(false);
  expect(desk.world.currentIsAccepted).toBe(true);
  expect(desk.world.minted).toHaveLength(3);
});

test.each<[SecondRefresh, number]>([
  ["A", 3],
  ["D", 2],
  ["E", 3],
])(
  "%s: no rotation ends it, so that it says what else does; deactivating does",
  async (secondRefresh, minted) => {
    const { desk, fingerprint, isAccepted } = await leak({ secondRefresh });
    const first = await desk.run("revoke dev/support --yes");
    expect(first).toMatchObject({ code: 5, out: "" });
    // Its own end, and not that of the key which replaced it.
    const [{ diesAt }] = desk.world.instance.keys as unknown as [{ diesAt: number }];
    const end = new Date(diesAt).toISOString().slice(0, 16).replace("T", " ");
    expect(first.err).toContain(`still accepts key ${fingerprint}, until ${end} UTC, also after`);
    expect(first.err).toContain(
      `npx --no-install valmi-agent-keys revoke dev/support --key ${fingerprint} --deactivate`,
    );
    expect(desk.world.minted).toHaveLength(minted);
    expect(desk.world.currentIsAccepted).toBe(true);

    const second = await desk.run(`revoke dev/support --key ${fingerprint} --deactivate --yes`);
    expect(second.code).toBe(0);
    expect(second.err).toContain("The agent stands still until it is active again");
    expect(second.out).toContain("raise its `revision` in environments.ts and deploy");
    expect(isAccepted()).toBe(false);
    expect(desk.world.minted).toHaveLength(minted);
  },
);

test("each step is asked for, and what is not agreed to is not done", async () => {
  const { desk, isAccepted } = await leak({ secondRefresh: "B" });
  expect((await desk.run("revoke dev/support")).code).toBe(3);
  expect(desk.world.minted).toHaveLength(1);
  desk.answers.push(true);
  expect((await desk.run("revoke dev/support")).code).toBe(3);
  expect(desk.questions).toEqual(["Make a new key now?", "Make a new key now?", "Rotate once more?"]);
  expect(desk.world.minted).toHaveLength(2);
  expect(isAccepted()).toBe(true);
});

test("the key before the current one can be revoked as well, by its fingerprint", async () => {
  const { desk, fingerprint, isAccepted } = await leak({ secondRefresh: "B" });
  await desk.run("rotate dev/support");
  expect(await desk.json(`revoke dev/support --key ${fingerprint} --yes`)).toMatchObject({
    leaked: fingerprint,
    steps: ["rotate-again"],
  });
  expect(isAccepted()).toBe(false);
});

test("inside a running grace period it does not wait", async () => {
  const desk = await OperatorWorld.ready({ secondRefresh: "B" });
  await desk.run("rotate dev/support");
  const { fingerprint } = desk;
  expect(await desk.json("revoke dev/support --yes")).toMatchObject({ leaked: fingerprint });
  expect(desk.world.currentIsAccepted).toBe(true);
});

test.each([
  [
    "an unknown fingerprint",
    "revoke dev/support --key 0123456789ab --yes",
    "no version of the secret of dev/support holds a key 0123456789ab",
  ],
  ["what is none", "revoke dev/support --key agent_abc123xyz --yes", "--key: must be a fingerprint"],
])("refuses %s", async (_, line, message) => {
  const desk = await OperatorWorld.ready();
  const { code, err } = await desk.run(line);
  expect(err).toContain(message);
  expect(err).not.toContain("agent_abc123xyz");
  expect(code).toBe(2);
  expect(desk.world.minted).toHaveLength(1);
});

test("a Control Plane that goes on accepting the key of an inactive instance is not asked for ever", async () => {
  const { desk, fingerprint } = await leak({});
  await desk.run("rotate dev/support");
  jest.spyOn(desk.world.controlPlane, "updateInstance").mockReturnValue(desk.world.instance);
  const { code, err } = await desk.run(`revoke dev/support --key ${fingerprint} --deactivate --yes`);
  expect(code).toBe(5);
  expect(err).toContain("though the instance is inactive; ask Valmi to end it");
});
