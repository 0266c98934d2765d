import { type EnvironmentFacts, environmentFindings } from "../../../core/audit/environment-findings";
import { HOUR } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";

const NOW = START;

describe("the environment", () => {
  const environment = (changes: Partial<EnvironmentFacts>) =>
    environmentFindings({ environment: "dev", orphans: [], behindMs: 0, ...changes }, NOW).map(
      ({ name, severity, instance }) => `${severity} ${name} ${instance}`,
    );
  const trouble = (name: "operator-key-refused" | "control-plane-unavailable", since: number) =>
    environment({ controlPlane: { trouble: name, since, detail: "-" } });

  test.each<[string, Partial<EnvironmentFacts>]>([
    ["rotation-function-unusable dev", { rotationFunctionUnusable: "ResourceNotFoundException" }],
    ["invoke-permission-missing dev", { mayBeInvoked: false }],
    ["self-test-failed dev", { selfTest: { at: NOW, failures: ["write-secret"] } }],
    ["intents-unreadable dev", { intentsUnreadable: "AccessDeniedException" }],
    ["alert-route-broken dev", { alertRouteBroken: "no confirmed subscription" }],
    [
      "orphan-instance ai_9",
      { orphans: [{ agentInstanceId: "ai_9", secretName: "valmi/dev/gone/agent-key" }] },
    ],
    ["audit-behind dev", { behindMs: 3 * HOUR }],
  ])("%s", (expected, change) => {
    expect(environment(change)).toEqual([`page ${expected}`]);
  });

  test("nothing is found where all is well", () => {
    expect(environment({ mayBeInvoked: true, selfTest: { at: NOW, failures: [] }, behindMs: HOUR })).toEqual(
      [],
    );
  });

  test("a Control Plane that was away for less than an hour is nobody's page, a refused operator's key is at once", () => {
    expect(trouble("control-plane-unavailable", NOW - HOUR + 1)).toEqual([
      "note control-plane-unavailable dev",
    ]);
    expect(trouble("control-plane-unavailable", NOW - HOUR)).toEqual(["page control-plane-unavailable dev"]);
    expect(trouble("operator-key-refused", NOW)).toEqual(["page operator-key-refused dev"]);
  });
});
