import { parseRecord } from "../key/stored-value";
import type { Intent } from "../protocol/intent";
import { Stop } from "../protocol/stops";
import { versionWith } from "../secrets/secret-store";
import { activeInstance } from "./look";
import type { RotationDeps } from "./rotation";

/** Who is at fault if a test fails: the function with what it may reach, or the instance that it is tested with. */
type AtFault = "function" | "instance";

/** What a rotation needs, in the order in which it is tried. */
export const SELF_TESTS = {
  "describe-secret": "function",
  "read-secret": "function",
  "write-secret": "function",
  "intent-table": "function",
  "operator-key": "function",
  "control-plane": "function",
  instance: "instance",
  "agent-key": "instance",
} as const satisfies Record<string, AtFault>;
export type SelfTest = keyof typeof SELF_TESTS;

/** A test of another release, whose name is not known, is the function's. */
export function isFaultOfInstance(test: string): boolean {
  return Object.entries(SELF_TESTS).some(([name, atFault]) => name === test && atFault === "instance");
}

/** No base of any secret: no intent ever stands there. */
const NO_BASE = "self-test";

/**
 * Tries, under the function's own role, everything that a rotation needs and that changes nothing. Gives the names of what
 * failed; what depends on something that failed is not tried.
 */
export async function selfTest(deps: RotationDeps, secretArn: string): Promise<readonly SelfTest[]> {
  const failures: SelfTest[] = [];
  const attempt = async <T>(name: SelfTest, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      const reason = error instanceof Stop ? error.state : error instanceof Error ? error.name : "unknown";
      deps.log.error("self-test failed", { test: name, reason });
      failures.push(name);
      return undefined;
    }
  };

  const description = await attempt("describe-secret", () => deps.secrets.describe(secretArn));
  const current = description && versionWith("AWSCURRENT", description.versionStages);
  const value = current && (await attempt("read-secret", () => readCurrent(deps, secretArn, current)));
  if (current && value) {
    await attempt("write-secret", () => deps.secrets.tryToStore(secretArn, current));
  }
  await attempt("intent-table", () => writeNoIntent(deps, secretArn));
  const controlPlane = await attempt("operator-key", () => deps.connect());
  const isReached = controlPlane && (await attempt("control-plane", () => controlPlane.workspaceName()));
  if (controlPlane && isReached !== undefined && value) {
    const record = await attempt("instance", async () => {
      const parsed = parseRecord(value);
      await activeInstance(controlPlane, parsed, secretArn);
      return parsed;
    });
    if (!record) return failures;
    await attempt("agent-key", async () => {
      const check = await controlPlane.checkAgentKey(record.agentKey);
      if (!check.accepted) throw new Stop("pending-refused");
    });
  }
  return failures;
}

async function readCurrent({ secrets }: RotationDeps, secretArn: string, versionId: string): Promise<string> {
  const value = await secrets.readVersion(secretArn, versionId);
  if (value === undefined) throw new Stop("current-missing");
  return value;
}

/** A read, and two conditional writes upon a record that isn't there: DynamoDB asks for permission, and refuses them. */
async function writeNoIntent({ intents }: RotationDeps, secretArn: string): Promise<void> {
  await intents.read(secretArn, NO_BASE);
  await intents.ofSecret(secretArn);
  const intent: Intent = {
    secretArn,
    baseVersionId: NO_BASE,
    versionId: NO_BASE,
    owner: NO_BASE,
    agentInstanceId: NO_BASE,
    takenAt: 0,
    graceFrom: 0,
    attemptEndsAt: 0,
    mint: 0,
    idempotencyKey: NO_BASE,
    outcome: "refused",
    earlierMints: [],
    mintedAt: [],
    inVain: 0,
    ordered: false,
  };
  await intents.settle(intent, { outcome: "refused", settledAt: 0 });
  try {
    await intents.retake(intent, intent, { asCanary: false });
  } catch (error) {
    // Minting may be halted besides.
    if (!(error instanceof Error) || error.name !== "TransactionCanceledException") throw error;
  }
}
