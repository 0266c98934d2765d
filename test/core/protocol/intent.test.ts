import { fixedVersionId, isOrder, NO_VERSION } from "../../../core/protocol/intent";
import { intent, SECRET_ARN } from "../../../proofs/harness/builders";

describe("the version id of a first key", () => {
  test("is a UUID's shape, the same for every attempt: an upgrade must not change it", () => {
    expect(fixedVersionId("arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf", "none")).toBe(
      "546249ec-e09f-6c00-ce64-a792e0c2a139",
    );
    expect(NO_VERSION).toBe("none");
  });

  test("differs by secret and by base", () => {
    const ids = [
      fixedVersionId(SECRET_ARN, "a"),
      fixedVersionId(SECRET_ARN, "b"),
      fixedVersionId("other", "a"),
    ];
    expect(new Set(ids).size).toBe(3);
  });
});

test.each(["open", "refused", "lost", "promoted", "dead", "paused", "ordered"] as const)(
  "an intent that is %s is an operator's order or not",
  (outcome) => {
    expect(isOrder(intent({ outcome }))).toBe(outcome === "paused" || outcome === "ordered");
  },
);
