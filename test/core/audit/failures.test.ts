import { controlPlaneTrouble, unreadableSecrets } from "../../../core/audit/failures";
import { finding } from "../../../core/audit/findings";
import { ControlPlaneError } from "../../../core/control-plane/errors";
import { Stop } from "../../../core/protocol/stops";
import { DAY } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";
import { remembered, runAt } from "./facts-builder";

const NOW = START + DAY;
const away = new ControlPlaneError("unavailable", "GET /me: 503", "no");
const denied = Object.assign(new Error("not authorized"), { name: "AccessDeniedException" });

test.each([
  [new ControlPlaneError("unauthorized", "-", "no"), "operator-key-refused"],
  [new ControlPlaneError("forbidden", "-", "no"), "operator-key-refused"],
  [new Stop("operator-key-missing"), "operator-key-missing"],
  [new ControlPlaneError("rate-limited", "-", "no"), "control-plane-unavailable"],
  [new ControlPlaneError("unreadable", "-", "unknown"), "control-plane-unavailable"],
])("what the Control Plane answers has a name: %s", (error, trouble) => {
  expect(controlPlaneTrouble([{ error }], runAt(NOW))).toMatchObject({ trouble, since: NOW });
});

test("the first failure says what is the matter, since when it was found first, in a text that is not long", () => {
  const found = [remembered("control-plane-unavailable", { instance: "dev", since: START })];
  const long = new ControlPlaneError("unavailable", "x".repeat(1_000), "no");

  expect(
    controlPlaneTrouble(
      [{ error: away }, { error: new Stop("operator-key-missing") }],
      runAt(NOW, { found }),
    ),
  ).toEqual({
    trouble: "control-plane-unavailable",
    since: START,
    detail: "GET /me: 503",
  });
  expect(controlPlaneTrouble([{ error: long }], runAt(NOW))?.detail).toHaveLength(200);
  expect(controlPlaneTrouble([{ error: denied, instance: "support" }], runAt(NOW))).toBeUndefined();
});

test("every other failure is a secret that can't be read: each instance is told once, and the environment if it is none", () => {
  const failures = [
    { error: denied, instance: "support" },
    { error: new Error("another"), instance: "support" },
    { error: "no error" },
    { error: away },
  ];

  expect(unreadableSecrets(failures, "dev")).toEqual([
    finding("secrets-unreadable", "support", "AccessDeniedException"),
    finding("secrets-unreadable", "dev", "unknown"),
  ]);
});
