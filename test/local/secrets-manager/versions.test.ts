import { DAY, HOUR } from "../../../local/clock";
import type { Version } from "../../../local/secrets-manager/model";
import { moveLabel, prune, unfinished, updateStage } from "../../../local/secrets-manager/versions";

const version = (id: string, labels: string[] = [], createdAt = 0): Version => ({
  id,
  labels,
  createdAt,
  value: { kind: "string", data: id },
  kmsKeyId: null,
  lastAccessedDay: null,
});

const shape = (versions: readonly Version[]) =>
  Object.fromEntries(versions.map(({ id, labels }) => [id, labels]));

describe("moving a label", () => {
  test.each([
    [
      "to a new version",
      { a: ["AWSCURRENT"], b: [] },
      "AWSCURRENT",
      "b",
      { a: ["AWSPREVIOUS"], b: ["AWSCURRENT"] },
    ],
    [
      "drops AWSPREVIOUS where it was",
      { a: ["AWSPREVIOUS"], b: ["AWSCURRENT"], c: [] },
      "AWSCURRENT",
      "c",
      { a: [], b: ["AWSPREVIOUS"], c: ["AWSCURRENT"] },
    ],
    [
      "back",
      { a: ["AWSPREVIOUS"], b: ["AWSCURRENT"] },
      "AWSCURRENT",
      "a",
      { a: ["AWSCURRENT"], b: ["AWSPREVIOUS"] },
    ],
    ["where there was none", { a: [] }, "AWSCURRENT", "a", { a: ["AWSCURRENT"] }],
    ["to where it is", { a: ["AWSCURRENT"] }, "AWSCURRENT", "a", { a: ["AWSCURRENT"] }],
    ["of one's own", { a: ["AWSCURRENT", "mine"], b: [] }, "mine", "b", { a: ["AWSCURRENT"], b: ["mine"] }],
  ])("%s", (_what, before, label, to, after) => {
    const versions = Object.entries(before).map(([id, labels]) => version(id, labels));
    expect(shape(moveLabel(versions, label, to))).toEqual(after);
  });
});

test.each([
  ["nothing pending", { a: ["AWSCURRENT"] }, undefined],
  ["pending beside current", { a: ["AWSCURRENT", "AWSPENDING"] }, undefined],
  ["pending elsewhere", { a: ["AWSCURRENT"], b: ["AWSPENDING"] }, "b"],
  ["pending without a current", { b: ["AWSPENDING"] }, "b"],
])("a rotation is unfinished: %s", (_what, labels, expected) => {
  expect(unfinished(Object.entries(labels).map(([id, each]) => version(id, each)))?.id).toBe(expected);
});

describe("UpdateSecretVersionStage", () => {
  const versions = [version("a", ["AWSCURRENT", "mine"]), version("b", ["AWSPENDING"])];

  test.each([
    ["from where it isn't", "mine", "b", "b"],
    ["attached, without saying where", "mine", null, "b"],
    ["without a version", "mine", null, null],
    ["AWSCURRENT to nowhere", "AWSCURRENT", "a", null],
    ["a label nobody has, from somewhere", "other", "a", "b"],
  ])("refuses %s", (_what, label, from, to) => {
    expect(() => updateStage(versions, label, from, to)).toThrow(
      expect.objectContaining({ code: "InvalidParameterException" }),
    );
  });

  test.each([
    ["a free label", "other", null, "b", { a: ["AWSCURRENT", "mine"], b: ["AWSPENDING", "other"] }],
    ["a label to where it is", "mine", null, "a", { a: ["AWSCURRENT", "mine"], b: ["AWSPENDING"] }],
    ["a label away", "mine", "a", null, { a: ["AWSCURRENT"], b: ["AWSPENDING"] }],
    [
      "AWSCURRENT on",
      "AWSCURRENT",
      "a",
      "b",
      { a: ["AWSPREVIOUS", "mine"], b: ["AWSCURRENT", "AWSPENDING"] },
    ],
  ])("moves %s", (_what, label, from, to, after) => {
    expect(shape(updateStage(versions, label, from, to))).toEqual(after);
  });
});

describe("pruning, as one more version comes", () => {
  const many = (count: number, createdAt: number, labels: string[] = []) =>
    Array.from({ length: count }, (_, index) => version(`v${createdAt}-${index}`, labels, createdAt));

  test("keeps 100 in all, the newest", () => {
    const kept = prune(many(105, 0), 2 * DAY, 150);
    expect(kept).toHaveLength(99);
    expect(kept[0]?.id).toBe("v0-6");
  });

  test("keeps what has a label and what is younger than a day", () => {
    const versions = [version("old", ["AWSPREVIOUS"]), ...many(5, 0), ...many(120, DAY)];
    const kept = prune(versions, DAY + HOUR, 150);
    expect(kept.map(({ id }) => id)).toEqual(["old", ...many(120, DAY).map(({ id }) => id)]);
  });

  test("refuses beyond the quota", () => {
    expect(() => prune(many(150, 0), HOUR, 150)).toThrow(
      expect.objectContaining({ code: "LimitExceededException" }),
    );
  });
});
