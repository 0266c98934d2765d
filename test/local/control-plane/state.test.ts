import fc from "fast-check";
import { FrozenClock, HOUR, SECOND } from "../../../local/clock";
import { type InstanceInput, SECOND_REFRESH, type SecondRefresh } from "../../../local/control-plane/model";
import { Refusal } from "../../../local/control-plane/refusal";
import { SAMPLE_WORKSPACE_ID as WORKSPACE } from "../../../local/control-plane/seed";
import { ControlPlaneState, type ControlPlaneStateOptions } from "../../../local/control-plane/state";
import { seededTokens } from "../../../local/control-plane/tokens";

const INPUT: InstanceInput = {
  name: "dev-support",
  description: "answers customers",
  agentTypeId: "at_support",
  accountId: "acc_123",
  contactId: "con_123",
};

function controlPlane(options: Partial<ControlPlaneStateOptions> = {}) {
  const clock = new FrozenClock();
  const state = new ControlPlaneState({ clock, tokens: seededTokens("test"), ...options });
  return { clock, state };
}

/** A Control Plane with one instance and its first key. */
function withInstance(options: Partial<ControlPlaneStateOptions> = {}) {
  const { clock, state } = controlPlane(options);
  const { instance, agentKey } = state.createInstance(WORKSPACE, INPUT);
  const refresh = (idempotencyKey?: string) => state.refresh(WORKSPACE, instance.id, idempotencyKey).agentKey;
  return { clock, state, id: instance.id, firstKey: agentKey, refresh };
}

function refusalOf(call: () => unknown): Refusal {
  try {
    call();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

describe("grace period", () => {
  test("old and new key are both accepted until it ends, then only the new one", () => {
    const { clock, state, firstKey, refresh } = withInstance();
    const secondKey = refresh();

    clock.advanceBy(24 * HOUR - 1);
    expect([state.isAccepted(firstKey), state.isAccepted(secondKey)]).toEqual([true, true]);
    clock.advanceBy(1);
    expect([state.isAccepted(firstKey), state.isAccepted(secondKey)]).toEqual([false, true]);
  });

  test("of zero ends the old key at once", () => {
    const { state, firstKey, refresh } = withInstance({ graceHours: 0 });
    const secondKey = refresh();
    expect([state.isAccepted(firstKey), state.isAccepted(secondKey)]).toEqual([false, true]);
  });

  test("a key that was never replaced has no end", () => {
    const { clock, state, firstKey } = withInstance();
    clock.advanceBy(10 * 365 * 24 * HOUR);
    expect(state.isAccepted(firstKey)).toBe(true);
  });
});

describe("a second refresh inside a running grace", () => {
  // Which of [first, second, third] key is accepted: right after the third was minted 10 h into the first key's grace,
  // when the first key's grace ends, and when the second key's grace ends.
  test.each<[SecondRefresh, string, string, string]>([
    ["A", "1 2 3", "2 3", "3"],
    ["B", "2 3", "2 3", "3"],
    ["E", "1 3", "3", "3"],
  ])("behaviour %s leaves keys %s, then %s, then %s", (secondRefresh, atOnce, afterFirst, afterSecond) => {
    const { clock, state, firstKey, refresh } = withInstance({ secondRefresh });
    const keys = [firstKey, refresh()];
    const accepted = () => keys.flatMap((key, i) => (state.isAccepted(key) ? [i + 1] : [])).join(" ");

    clock.advanceBy(10 * HOUR);
    keys.push(refresh());
    expect(accepted()).toBe(atOnce);
    clock.advanceBy(14 * HOUR);
    expect(accepted()).toBe(afterFirst);
    clock.advanceBy(10 * HOUR);
    expect(accepted()).toBe(afterSecond);
  });

  test("behaviour D refuses it, changes nothing, and allows it once the grace has ended", () => {
    const { clock, state, firstKey, refresh } = withInstance({ secondRefresh: "D" });
    const secondKey = refresh();
    clock.advanceBy(24 * HOUR - 1);
    const before = state.snapshot();

    const refusal = refusalOf(() => refresh());
    expect(refusal.status).toBe(409);
    expect(refusal.detail).toMatch(/grace period/);
    expect(state.snapshot()).toEqual(before);

    clock.advanceBy(1);
    const thirdKey = refresh();
    expect([firstKey, secondKey, thirdKey].map((key) => state.isAccepted(key))).toEqual([false, true, true]);
  });

  test.each(SECOND_REFRESH)(
    "with a grace of zero, behaviour %s leaves only the newest key",
    (secondRefresh) => {
      const { state, firstKey, refresh } = withInstance({ secondRefresh, graceHours: 0 });
      const keys = [firstKey, refresh(), refresh()];
      expect(keys.map((key) => state.isAccepted(key))).toEqual([false, false, true]);
    },
  );

  test.each(SECOND_REFRESH)(
    "after the grace, behaviour %s gives the replaced key its grace",
    (secondRefresh) => {
      const { clock, state, refresh } = withInstance({ secondRefresh });
      const secondKey = refresh();
      clock.advanceBy(24 * HOUR);
      const thirdKey = refresh();
      expect([secondKey, thirdKey].map((key) => state.isAccepted(key))).toEqual([true, true]);
    },
  );
});

describe("Idempotency-Key", () => {
  test("is ignored by default: each refresh mints", () => {
    const { refresh } = withInstance();
    expect(refresh("once")).not.toBe(refresh("once"));
  });

  test("where honoured, a replay gives the same key and starts no grace anew", () => {
    const { clock, state, id, refresh } = withInstance({ honoursIdempotencyKey: true });
    const minted = refresh("once");
    const before = state.snapshot();
    clock.advanceBy(HOUR);

    expect(refresh("once")).toBe(minted);
    expect(state.snapshot()).toEqual(before);
    expect(refresh("another")).not.toBe(minted);
    expect(state.getInstance(WORKSPACE, id).keys).toHaveLength(3);
  });

  test("where honoured, a replay is answered even inside a grace that behaviour D guards", () => {
    const { refresh } = withInstance({ honoursIdempotencyKey: true, secondRefresh: "D" });
    expect(refresh("once")).toBe(refresh("once"));
    expect(refusalOf(() => refresh("another")).status).toBe(409);
  });

  test("where honoured, a create's replay gives the first key; another create of that name is refused", () => {
    const { state } = controlPlane({ honoursIdempotencyKey: true });
    const created = state.createInstance(WORKSPACE, INPUT, "once");
    expect(state.createInstance(WORKSPACE, INPUT, "once")).toEqual(created);
    expect(refusalOf(() => state.createInstance(WORKSPACE, INPUT, "another")).status).toBe(409);
    expect(refusalOf(() => state.createInstance(WORKSPACE, INPUT)).status).toBe(409);
  });

  test("the create's key is not what a refresh with the same Idempotency-Key replays", () => {
    const { state } = controlPlane({ honoursIdempotencyKey: true });
    const { instance, agentKey } = state.createInstance(WORKSPACE, INPUT, "once");
    expect(state.refresh(WORKSPACE, instance.id, "once").agentKey).not.toBe(agentKey);
  });
});

describe("activation", () => {
  test("a new key is accepted only after it; the old one meanwhile", () => {
    const { clock, state, firstKey, refresh } = withInstance({ activationSeconds: 60 });
    expect(state.isAccepted(firstKey)).toBe(false);
    clock.advanceBy(60 * SECOND);
    const secondKey = refresh();

    clock.advanceBy(60 * SECOND - 1);
    expect([state.isAccepted(firstKey), state.isAccepted(secondKey)]).toEqual([true, false]);
    clock.advanceBy(1);
    expect(state.isAccepted(secondKey)).toBe(true);
  });
});

describe("agent keys", () => {
  test("have the configured prefix and a recognisable shape", () => {
    expect(withInstance().firstKey).toMatch(/^agent_[0-9a-f]{32}$/);
    expect(withInstance({ keyPrefix: "agent_MARKER_" }).firstKey).toMatch(/^agent_MARKER_[0-9a-f]{32}$/);
  });

  test("name their instance", () => {
    const { state, id, firstKey } = withInstance();
    expect(state.identify(firstKey).id).toBe(id);
    expect(refusalOf(() => state.identify("agent_unknown")).status).toBe(401);
    expect(refusalOf(() => state.identify(undefined)).status).toBe(401);
  });

  test("of an inactive instance are refused until it is active again", () => {
    const { state, id, firstKey } = withInstance();
    state.updateInstance(WORKSPACE, id, { isActive: false });
    expect(state.isAccepted(firstKey)).toBe(false);
    state.updateInstance(WORKSPACE, id, { isActive: true });
    expect(state.isAccepted(firstKey)).toBe(true);
  });

  test("of a deleted instance are refused, and the name is free again", () => {
    const { state, id, firstKey } = withInstance();
    state.deleteInstance(WORKSPACE, id);
    expect(state.isAccepted(firstKey)).toBe(false);
    expect(refusalOf(() => state.getInstance(WORKSPACE, id)).status).toBe(404);

    const again = state.createInstance(WORKSPACE, INPUT);
    expect(again.instance.id).not.toBe(id);
    expect(state.isAccepted(again.agentKey)).toBe(true);
  });
});

describe("agent instances", () => {
  test("keep what they were created with, and what was changed", () => {
    const { state, id } = withInstance();
    expect(state.getInstance(WORKSPACE, id)).toMatchObject({ ...INPUT, isActive: true });
    state.updateInstance(WORKSPACE, id, { description: "marked", accountId: "acc_456", contactId: null });
    expect(state.getInstance(WORKSPACE, id)).toMatchObject({
      ...INPUT,
      description: "marked",
      accountId: "acc_456",
      contactId: null,
    });
  });

  test.each<[string, Partial<InstanceInput>, string]>([
    ["an unknown agent type", { agentTypeId: "at_nope" }, "body.agent_type_id: Agent type at_nope not found"],
    ["an unknown account", { accountId: "acc_nope" }, "body.account_id: Account acc_nope not found"],
    [
      "a contact of another account",
      { contactId: "con_456" },
      "body.contact_id: Contact con_456 not found in account acc_123",
    ],
    [
      "a contact without account",
      { accountId: null },
      "body.contact_id: Contact con_123 not found in account null",
    ],
  ])("are refused with %s", (_what, fields, message) => {
    const { state, id } = withInstance();
    for (const call of [
      () => state.createInstance(WORKSPACE, { ...INPUT, name: "other", ...fields }),
      () => state.updateInstance(WORKSPACE, id, fields),
    ]) {
      const before = state.snapshot();
      expect(refusalOf(call)).toMatchObject({ status: 422, message });
      expect(state.snapshot()).toEqual(before);
    }
  });

  test("cannot take a name that another one has, but may keep their own", () => {
    const { state, id } = withInstance();
    state.createInstance(WORKSPACE, { ...INPUT, name: "other" });
    expect(refusalOf(() => state.updateInstance(WORKSPACE, id, { name: "other" })).status).toBe(409);
    expect(state.updateInstance(WORKSPACE, id, { name: INPUT.name, description: "new" }).description).toBe(
      "new",
    );
  });
});

describe("agent types", () => {
  test("have unique names and are kept while in use", () => {
    const { state, id } = withInstance();
    const type = state.createAgentType(WORKSPACE, { name: "Translator", description: "" });
    expect(
      refusalOf(() => state.createAgentType(WORKSPACE, { name: "Translator", description: "" })).status,
    ).toBe(409);
    expect(
      refusalOf(() => state.updateAgentType(WORKSPACE, type.id, { name: "Research Assistant" })).status,
    ).toBe(409);
    expect(refusalOf(() => state.deleteAgentType(WORKSPACE, "at_support")).status).toBe(409);

    state.deleteInstance(WORKSPACE, id);
    state.deleteAgentType(WORKSPACE, "at_support");
    expect(
      state.listAgentTypes(WORKSPACE, { skip: 0, limit: 100 }).agentTypes.map(({ name }) => name),
    ).toEqual(["Research Assistant", "Translator"]);
  });
});

describe("operators and workspaces", () => {
  const apiKeys = (["valid", "read-only", "restricted", "revoked"] as const).map((status) => ({
    key: status,
    workspaceId: WORKSPACE,
    status,
  }));

  test.each([
    ["valid", "write", 200],
    ["read-only", "read", 200],
    ["read-only", "write", 403],
    ["restricted", "read", 403],
    ["revoked", "read", 401],
    ["unknown", "read", 401],
    [undefined, "read", 401],
  ] as const)("a %s API key asking to %s is answered with %d", (key, access, status) => {
    const { state } = controlPlane({ apiKeys });
    const call = () => state.authenticate(key, access);
    if (status === 200) expect(call().id).toBe(WORKSPACE);
    else expect(refusalOf(call).status).toBe(status);
  });

  test("do not see each other's instances and keys, and may use the same names", () => {
    const workspaces = ["ws_1", "ws_2"].map((id) => ({ id, organizationId: "org", name: id }));
    const agentTypes = workspaces.map(({ id }) => ({
      id: `at_${id}`,
      workspaceId: id,
      name: "Bot",
      description: "",
    }));
    const { state } = controlPlane({ seed: { workspaces, agentTypes, accounts: [], contacts: [] } });
    const input = { ...INPUT, accountId: null, contactId: null };
    const { instance, agentKey } = state.createInstance("ws_1", { ...input, agentTypeId: "at_ws_1" });
    state.createInstance("ws_2", { ...input, agentTypeId: "at_ws_2" });

    expect(refusalOf(() => state.refresh("ws_2", instance.id)).status).toBe(404);
    expect(
      refusalOf(() => state.createInstance("ws_2", { ...input, name: "x", agentTypeId: "at_ws_1" })).status,
    ).toBe(422);
    expect([state.validate("ws_1", agentKey), state.validate("ws_2", agentKey)]).toEqual([true, false]);
    expect(state.listInstances("ws_2", { skip: 0, limit: 100 }).total).toBe(1);
  });
});

test.each([
  ["graceHours", { graceHours: -1 }],
  ["graceHours", { graceHours: Number.NaN }],
  ["secondRefresh", { secondRefresh: "C" as SecondRefresh }],
  ["activationSeconds", { activationSeconds: 61 }],
  ["keyPrefix", { keyPrefix: "no spaces" }],
])("refuses to start with a faulty %s", (name, options) => {
  expect(() => controlPlane(options)).toThrow(new RegExp(`\`${name}\` must be`));
});

describe("any sequence of calls", () => {
  type Step =
    | { do: "create"; name: string; idempotencyKey: string | undefined }
    | { do: "refresh"; nth: number; idempotencyKey: string | undefined }
    | { do: "rename"; nth: number; name: string }
    | { do: "activate"; nth: number; isActive: boolean }
    | { do: "delete"; nth: number }
    | { do: "wait"; hours: number };

  const names = fc.constantFrom("a", "b", "c");
  const nth = fc.nat(2);
  const idempotencyKey = fc.constantFrom(undefined, "x", "y");
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ do: fc.constant("create" as const), name: names, idempotencyKey }),
    fc.record({ do: fc.constant("refresh" as const), nth, idempotencyKey }),
    fc.record({ do: fc.constant("rename" as const), nth, name: names }),
    fc.record({ do: fc.constant("activate" as const), nth, isActive: fc.boolean() }),
    fc.record({ do: fc.constant("delete" as const), nth }),
    fc.record({ do: fc.constant("wait" as const), hours: fc.constantFrom(0, 1, 12, 24) }),
  );
  const anyOptions = fc.record({
    graceHours: fc.constantFrom(0, 24),
    secondRefresh: fc.constantFrom(...SECOND_REFRESH),
    honoursIdempotencyKey: fc.boolean(),
    activationSeconds: fc.constantFrom(0, 60),
  });

  function acceptedKeys(state: ControlPlaneState): string[] {
    const keys = state.allInstances().flatMap((instance) => instance.keys.map(({ value }) => value));
    return keys.filter((key) => state.isAccepted(key));
  }

  /** Takes one step; a refused one must leave everything as it was. */
  function take(step: Step, state: ControlPlaneState, clock: FrozenClock): string {
    const id = "nth" in step ? (state.allInstances()[step.nth]?.id ?? "ai_none") : "";
    const before = JSON.stringify(state.snapshot());
    try {
      if (step.do === "create")
        return state.createInstance(WORKSPACE, { ...INPUT, name: step.name }, step.idempotencyKey).agentKey;
      if (step.do === "refresh") return state.refresh(WORKSPACE, id, step.idempotencyKey).agentKey;
      if (step.do === "rename") state.updateInstance(WORKSPACE, id, { name: step.name });
      if (step.do === "activate") state.updateInstance(WORKSPACE, id, { isActive: step.isActive });
      if (step.do === "delete") state.deleteInstance(WORKSPACE, id);
      if (step.do === "wait") clock.advanceBy(step.hours * HOUR);
      return "done";
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      expect(JSON.stringify(state.snapshot())).toBe(before);
      return error.message;
    }
  }

  test("keeps names unique and each key with exactly one instance, and never revives a dead key", () => {
    fc.assert(
      fc.property(anyOptions, fc.array(step, { maxLength: 30 }), (options, steps) => {
        const { clock, state } = controlPlane(options);
        const dead = new Map<string, number>();
        for (const each of steps) {
          take(each, state, clock);
          const instances = state.allInstances();
          const keys = instances.flatMap((instance) => instance.keys.map(({ value }) => value));
          expect(new Set(instances.map(({ name }) => name)).size).toBe(instances.length);
          expect(new Set(keys).size).toBe(keys.length);

          for (const { id, isActive, keys } of instances) {
            const accepted = keys.filter(({ value }) => state.isAccepted(value));
            for (const { value } of accepted) expect(state.identify(value).id).toBe(id);
            if (!isActive) expect(accepted).toEqual([]);

            // Only A lets more than one earlier key live beside the current one.
            const most = options.graceHours === 0 ? 1 : options.secondRefresh === "A" ? keys.length : 2;
            expect(accepted.length).toBeLessThanOrEqual(most);

            const current = keys.at(-1);
            const isCurrentDue = current !== undefined && current.liveFrom <= clock.now();
            if (isActive && isCurrentDue) expect(state.isAccepted(current.value)).toBe(true);

            for (const key of keys) {
              if (dead.has(key.value)) expect(key.diesAt).toBe(dead.get(key.value));
              if (key.diesAt !== null && key.diesAt <= clock.now()) dead.set(key.value, key.diesAt);
            }
          }
        }
      }),
    );
  });

  test("gives the same results again after a snapshot was restored", () => {
    fc.assert(
      fc.property(
        anyOptions,
        fc.array(step, { maxLength: 10 }),
        fc.array(step, { maxLength: 10 }),
        (options, prefix, suffix) => {
          const { clock, state } = controlPlane(options);
          for (const each of prefix) take(each, state, clock);
          const accepted = acceptedKeys(state);
          const snapshot = JSON.parse(JSON.stringify(state.snapshot()));
          const at = clock.now();
          const first = suffix.map((each) => take(each, state, clock));
          const end = state.snapshot();

          const otherClock = new FrozenClock(at);
          const other = new ControlPlaneState({
            ...options,
            clock: otherClock,
            tokens: seededTokens("test"),
          });
          other.restore(snapshot);
          expect(acceptedKeys(other)).toEqual(accepted);
          expect(suffix.map((each) => take(each, other, otherClock))).toEqual(first);
          expect(other.snapshot()).toEqual(end);
        },
      ),
    );
  });

  test("leaves a snapshot that was taken before untouched", () => {
    const { state, refresh } = withInstance();
    const snapshot = state.snapshot();
    const copy = structuredClone(snapshot);
    refresh();
    expect(snapshot).toEqual(copy);
  });
});
