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

describe("what is stored", () => {
  const sight = (accepted: boolean) => {
    const checkAgentKey: ControlPlane["checkAgentKey"] = async () =>
      accepted ? { accepted, agentInstanceId: "ai_1" } : { accepted };
    return { current: record(), controlPlane: { checkAgentKey } } as unknown as Sight;
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
});
