import { callTable, switchTable } from "../../../local/consumers/report";

const consumer = {
  name: "ECS service",
  learns: "label event",
  rotations: 10,
  calls: 400,
  failed: 1,
  slowestMs: 65_000,
  bounds: { here: 7_200_000, byDefault: 7_200_000 },
  graceLeftMs: 86_335_000,
};

test("the tables say how many calls failed, how long the switch took and what that leaves", () => {
  const calls = callTable({ consumers: [consumer], startUpReader: { calls: 30, failed: 12 } });
  expect(calls).toMatch(/ECS service +│ 10 +│ 400 +│ 1 /);
  expect(calls).toMatch(/start-up reader, alone +│ 1 +│ 30 +│ 12 /);
  expect(switchTable([consumer], 86_400_000)).toMatch(
    /ECS service +│ label event +│ 1 min 5 s +│ 2 h +│ 2 h +│ 23 h 58 min +│ 22 h /,
  );
  const late = { ...consumer, slowestMs: Number.POSITIVE_INFINITY, graceLeftMs: Number.NEGATIVE_INFINITY };
  expect(switchTable([late], 86_400_000)).toMatch(/label event +│ never +│ 2 h +│ 2 h +│ none +│ 22 h /);
});
