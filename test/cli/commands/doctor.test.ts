import { judgeClock, judgeProvider, judgeSchedules } from "../../../cli/commands/doctor";
import type { ListedInstance } from "../../../cli/instances/instance";
import { DAY, MINUTE } from "../../../local/clock";
import { OperatorWorld } from "../operator-world";
import { NOW, SAMPLE } from "../report-sample";

interface Check {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
  readonly fix?: string;
}

const lock = (version: string) =>
  `provider "registry.terraform.io/hashicorp/aws" {\n  version     = "${version}"\n  constraints = ">= 5.100.0"\n}\n`;

test.each([
  ["5.100.0", "ok"],
  ["6.25.0", "ok"],
  ["5.99.1", "problem"],
  ["7.0.0", "problem"],
])("AWS provider %s: %s", (version, state) => {
  expect(judgeProvider(lock(version), "lock").state).toBe(state);
});

test.each([
  [0, "ok"],
  [2 * MINUTE, "ok"],
  [-2 * MINUTE - 1, "problem"],
  [3 * MINUTE, "problem"],
])("a clock that is %d ms off: %s", (skew, state) => {
  expect(judgeClock(NOW + skew, NOW, "https://value.valmi.io/api/v1").state).toBe(state);
});

test("a Control Plane on this machine has its clock from it, or from a local run that has moved it", () => {
  expect(judgeClock(NOW + 95 * DAY, NOW, "http://127.0.0.1:8200/api/v1")).toEqual({
    state: "ok",
    detail: "the Control Plane is on this machine; its clock, which a local run moves, is 95 d ahead of it",
  });
});

describe("schedules", () => {
  const [instance] = SAMPLE.map(({ listed }) => listed) as [ListedInstance];
  const functionArn = instance.rotation.functionArn;
  test.each<[string, ListedInstance[], string]>([
    ["all well", [instance], "1 of 1 rotate every 90 days"],
    [
      "off",
      [{ ...instance, rotation: { enabled: false, scheduled: true } }],
      "production/support does not rotate",
    ],
    [
      "no schedule",
      [{ ...instance, rotation: { ...instance.rotation, scheduled: false } }],
      "does not rotate",
    ],
    [
      "another function",
      [{ ...instance, rotation: { ...instance.rotation, functionArn: "arn:other" } }],
      "has another rotation function",
    ],
    [
      "overdue",
      [{ ...instance, rotation: { ...instance.rotation, nextAt: NOW - 1 } }],
      "was due at 2026-10-14 09:29 UTC",
    ],
    [
      "unlike",
      [instance, { ...instance, rotation: { ...instance.rotation, automaticallyAfterDays: 60 } }],
      "there are several intervals: 90, 60 days",
    ],
    [
      "many",
      Array.from({ length: 5 }, () => ({ ...instance, rotation: { enabled: false, scheduled: true } })),
      "and 2 more",
    ],
  ])("%s", (_, instances, text) => {
    const { state, detail } = judgeSchedules(instances, functionArn, NOW);
    expect(detail).toContain(text);
    expect(state).toBe(text.startsWith("1 of 1") ? "ok" : "problem");
  });
});

/** The checks that were said to be a problem, after something was broken. */
async function problemsAfter(breakIt: (desk: OperatorWorld) => unknown) {
  const desk = await OperatorWorld.ready();
  breakIt(desk);
  const { code } = await desk.run("doctor");
  const checks = await desk.json<Check[]>("doctor");
  return { code, problems: checks.filter(({ state }) => state === "problem") };
}

test("a sound environment: what is well, and what could not be looked at", async () => {
  const desk = await OperatorWorld.ready();
  const { code, out } = await desk.run("doctor");
  expect(code).toBe(0);
  expect(out).toMatch(
    /│ dev +│ self-test +│ ok +│ the rotation function can do what a rotation of dev\/support needs/,
  );
  expect(out).toMatch(/│ operator-key +│ ok +│ accepted for workspace 'Local'/);
  const checks = await desk.json<Check[]>("doctor");
  expect(Object.fromEntries(checks.map(({ name, state }) => [name, state]))).toEqual({
    "rotation-function": "ok",
    "invoke-permission": "ok",
    "intent-table": "ok",
    "operator-key": "ok",
    clock: "ok",
    "self-test": "ok",
    schedules: "ok",
    auditor: "ok",
    "alert-route": "ok",
    trail: "ok",
    "aws-provider": "unseen",
  });
});

test.each<[string, (desk: OperatorWorld) => unknown, string[]]>([
  [
    "the function is gone",
    (desk) => {
      desk.hasFunction = false;
    },
    ["rotation-function"],
  ],
  [
    "Secrets Manager may not invoke it",
    (desk) => {
      desk.mayBeInvoked = false;
    },
    ["invoke-permission"],
  ],
  [
    "it can't do its work",
    (desk) => {
      desk.selfTestFailures = ["write-secret"];
    },
    ["self-test"],
  ],
  [
    "the API key is refused",
    (desk) => desk.world.setOperatorKey("token_unknown123"),
    ["operator-key", "clock"],
  ],
  [
    "the auditor is gone",
    (desk) => {
      desk.hasAuditor = false;
    },
    ["auditor"],
  ],
  [
    "nobody is subscribed",
    (desk) => {
      desk.subscriptions = ["PendingConfirmation"];
    },
    ["alert-route"],
  ],
  ["the rotation is overdue", (desk) => desk.world.clock.advanceBy(200 * DAY), ["schedules"]],
])("where %s it says so, with what to do, and ends with 4", async (_, breakIt, names) => {
  const { code, problems } = await problemsAfter(breakIt);
  expect(problems.map(({ name }) => name)).toEqual(names);
  for (const { fix } of problems) expect(fix).toBeTruthy();
  expect(code).toBe(4);
});

test("without a trail it only says what that means", async () => {
  const desk = await OperatorWorld.ready();
  desk.trails = [];
  const { code, out } = await desk.run("doctor");
  expect(code).toBe(0);
  expect(out).toMatch(/trail +│ unseen +│ no trail is logging/);
});

test("what the operator may not look at is unseen, not wrong", async () => {
  const desk = await OperatorWorld.ready();
  desk.cloudTrail.refuse("DescribeTrails", "AccessDeniedException");
  const { code, out } = await desk.run("doctor");
  expect(code).toBe(0);
  expect(out).toMatch(/trail +│ unseen +│ you may not look/);
});
