import type { ControlPlane } from "../../../core/control-plane/client";
import { ControlPlaneError, type ControlPlaneErrorKind } from "../../../core/control-plane/errors";
import { answered, type Sight, type Stored, validityOf } from "../../../core/rotation/look";
import { record, START } from "../../../proofs/harness/builders";

describe("a failed call on which nothing depends", () => {
  test.each<[ControlPlaneErrorKind, string]>([
    ["unauthorized", "operator-key-refused"],
    ["forbidden", "operator-key-refused"],
    ["unreachable", "control-plane-unavailable"],
    ["unreadable", "control-plane-unavailable"],
  ])("that is %s is the stop %s, in the call's words", async (kind, state) => {
    const call = Promise.reject(new ControlPlaneError(kind, "GET /x: failed", "no"));
    await expect(answered(call)).rejects.toMatchObject({
      state,
      message: expect.stringMatching(/\(GET \/x: failed\)$/),
    });
  });

  test("for a reason of our own is passed on as it is", async () => {
    const defect = new RangeError("a defect");
    await expect(answered(Promise.reject(defect))).rejects.toBe(defect);
  });
});

const proof = (by: "other-key" | "looks") => ({ fingerprint: "abcdef012345", at: START, by });

describe("what is stored", () => {
  const sight = (accepted: boolean, changes: Partial<Sight> = { currentAccepted: true }) => {
    const checkAgentKey: ControlPlane["checkAgentKey"] = async () =>
      accepted ? { accepted, agentInstanceId: "ai_1" } : { accepted };
    return { current: record(), controlPlane: { checkAgentKey }, ...changes } as unknown as Sight;
  };
  const stored = (issuedAt: number): Stored => ({
    versionId: "version-2",
    value: "",
    record: record({ issuedAt }),
  });

  test.each<[string, Stored | undefined, boolean]>([
    ["empty", undefined, true],
    ["leftover", stored(START - 1), true],
    ["leftover", stored(START), true],
    ["accepted", stored(START + 1), true],
    ["refused", stored(START + 1), false],
  ])("is %s", async (validity, found, accepted) => {
    await expect(validityOf(sight(accepted), found)).resolves.toBe(validity);
  });

  test.each<[string, Partial<Sight>, string]>([
    ["the current key is accepted", { currentAccepted: true }, "refused"],
    ["another key is", { currentAccepted: false, proof: proof("other-key") }, "refused"],
    ["no key is, and this one was for a while", { currentAccepted: false, proof: proof("looks") }, "unknown"],
    ["no key is", { currentAccepted: false, proof: undefined }, "unknown"],
  ])("is refused by a refusal that is believed: %s", async (_, changes, validity) => {
    await expect(validityOf(sight(false, changes), stored(START + 1))).resolves.toBe(validity);
  });

  test("is unknown if nobody can tell", async () => {
    const checkAgentKey = async () => {
      throw new ControlPlaneError("unreadable", "GET /agent_instance/info: 404", "no");
    };
    const blind = sight(true, { controlPlane: { checkAgentKey } as unknown as ControlPlane });
    await expect(validityOf(blind, stored(START + 1))).resolves.toBe("unknown");
  });
});
