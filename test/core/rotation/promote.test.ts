import type { KeyCheck } from "../../../core/control-plane/client";
import { ControlPlaneError } from "../../../core/control-plane/errors";
import { AgentKey } from "../../../core/key/credential";
import type { IntentOutcome } from "../../../core/protocol/intent";
import { ACTIVATION_MS } from "../../../core/protocol/timing";
import type { Sight } from "../../../core/rotation/look";
import { testAndPromote, waitUntilLive } from "../../../core/rotation/promote";
import type { RotationDeps } from "../../../core/rotation/rotation";
import { FrozenClock, HOUR, SECOND } from "../../../local/clock";
import { intent, record, SECRET_ARN, START } from "../../../proofs/harness/builders";

const OLD = record({ agentKey: new AgentKey("agent_old123456"), issuedAt: START - HOUR });
const NEW = record({ agentKey: new AgentKey("agent_new123456"), issuedAt: START });
const ACCEPTED: KeyCheck = { accepted: true, agentInstanceId: NEW.agentInstanceId };
const REFUSED: KeyCheck = { accepted: false };
const OUTAGE = Object.assign(new Error("the service is down"), { name: "InternalServiceError" });
const THROWN: [string, unknown, string][] = [
  ["an error", OUTAGE, "InternalServiceError"],
  ["anything else", "a text", "unknown"],
];

interface World {
  /** What is left of the invocation. */
  readonly milliseconds?: number;
  readonly check?: (agentKey: AgentKey) => KeyCheck;
  /** Called for each move of AWSCURRENT, with how many there were before. */
  readonly move?: (before: number) => void;
  readonly describe?: () => Record<string, string[]>;
  readonly read?: () => string | undefined;
}

/** The ports of a promotion from `version-1` to `version-2`. */
function ports({
  milliseconds = 180 * SECOND,
  check = () => ACCEPTED,
  move = () => {},
  describe = () => ({ "version-1": ["AWSCURRENT"], "version-2": ["AWSPENDING"] }),
  read = () => undefined,
}: World = {}) {
  const clock = new FrozenClock(START);
  const moves: string[] = [];
  const reads: string[] = [];
  const sleeps: number[] = [];
  const told: unknown[] = [];
  const warned: unknown[] = [];
  const settled: IntentOutcome[] = [];
  const controlPlane = {
    now: () => clock.now(),
    checkAgentKey: async (agentKey: AgentKey) => check(agentKey),
  };
  const deps = {
    secrets: {
      moveCurrent: async (_: string, { from, to }: { from: string; to: string }) => {
        moves.push(`${from} ${to}`);
        move(moves.length - 1);
      },
      describe: async () => ({ versionStages: describe() }),
      readVersion: async (_: string, versionId: string) => {
        reads.push(versionId);
        return read();
      },
    },
    intents: { settle: async (_: unknown, outcome: IntentOutcome) => void settled.push(outcome) },
    gracePeriodMs: 24 * HOUR,
    budget: { remainingMs: () => START + milliseconds - clock.now() },
    sleep: async (ms: number) => {
      sleeps.push(ms);
      clock.advanceBy(ms);
    },
    log: {
      info: (...entry: unknown[]) => void told.push(entry),
      warn: (...entry: unknown[]) => void warned.push(entry),
    },
  } as unknown as RotationDeps;
  const sight = {
    secretArn: SECRET_ARN,
    base: "version-1",
    token: "version-2",
    current: OLD,
    currentAccepted: true,
    controlPlane,
  } as unknown as Sight;
  return {
    wait: (key = NEW) => waitUntilLive(deps, sight.controlPlane, key),
    promote: () => testAndPromote(deps, sight, NEW, intent()),
    clock,
    moves,
    reads,
    sleeps,
    told,
    warned,
    settled,
  };
}

/** Throws an error as often as it says, and then no more. */
const failing =
  (fault: unknown, times = Number.POSITIVE_INFINITY) =>
  (before: number) => {
    if (before < times) throw fault;
  };

describe("a stored key", () => {
  test("is asked for at growing intervals, and given up once it is too old to be merely not live yet", async () => {
    const { wait, sleeps } = ports({ check: () => REFUSED });
    await expect(wait()).resolves.toBe("refused");
    const seconds = [1, 2, 4, 8, 8, 8, 8, 8, 8, 8];
    expect(sleeps).toEqual(seconds.map((each) => each * SECOND));
  });

  test("is asked for again at the very end of the time that it may take", async () => {
    const { wait, sleeps } = ports({ check: () => REFUSED });
    await expect(wait(record({ ...NEW, issuedAt: START - ACTIVATION_MS }))).resolves.toBe("refused");
    expect(sleeps).toEqual([SECOND]);
  });

  test("is waited for until three seconds before the invocation's end", async () => {
    const { wait, sleeps } = ports({ check: () => REFUSED, milliseconds: 4 * SECOND });
    await expect(wait()).rejects.toThrow(
      new RegExp(`^key-not-live-yet: .*\\(key ${NEW.agentKey.fingerprint}\\)$`),
    );
    expect(sleeps).toEqual([SECOND]);
  });

  test.each<[string, Error, object]>([
    [
      "the operator's API key is refused",
      new ControlPlaneError("unauthorized", "GET /x: 401", "no"),
      { state: "operator-key-refused" },
    ],
    ["of a defect", new RangeError("a defect"), { name: "RangeError" }],
  ])("is not asked for again where it cannot be because %s", async (_, fault, thrown) => {
    const check = () => {
      throw fault;
    };
    const { wait, sleeps } = ports({ check });
    await expect(wait()).rejects.toMatchObject(thrown);
    expect(sleeps).toEqual([]);
  });

  test("of another instance is none of ours", async () => {
    const { wait } = ports({ check: () => ({ accepted: true, agentInstanceId: "ai_2" }) });
    await expect(wait()).rejects.toThrow(/^wrong-instance: .*\(ai_2\)$/);
  });
});

describe("the move of AWSCURRENT", () => {
  test("is repeated, slower each time, and reads no value while AWSCURRENT stays where it was", async () => {
    const { promote, moves, reads, sleeps, told, settled } = ports({ move: failing(OUTAGE, 7) });
    await promote();
    expect(moves).toEqual(Array(8).fill("version-1 version-2"));
    expect(sleeps).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    expect(reads).toEqual([]);
    expect(told).toEqual([
      ["promoted", { fingerprint: NEW.agentKey.fingerprint, from: OLD.agentKey.fingerprint }],
    ]);
    expect(settled).toMatchObject([{ outcome: "promoted" }]);
  });

  test.each<[string, NonNullable<World["describe"]>]>([
    [
      "cannot be seen",
      () => {
        throw OUTAGE;
      },
    ],
    ["is nowhere", () => ({ "version-2": ["AWSPENDING"] })],
  ])("is repeated from the same version where AWSCURRENT %s", async (_, describe) => {
    const { promote, moves, reads } = ports({ move: failing(OUTAGE, 1), describe });
    await promote();
    expect(moves).toEqual(Array(2).fill("version-1 version-2"));
    expect(reads).toEqual([]);
  });

  test.each(THROWN)("ends three seconds before the invocation, and names %s", async (_, fault, reason) => {
    const { promote, sleeps } = ports({ move: failing(fault), milliseconds: 200 + 3 * SECOND });
    await expect(promote()).rejects.toThrow(new RegExp(`^promotion-failed: .*\\(${reason}\\)$`));
    expect(sleeps).toEqual([200]);
  });

  test("is not made over a version of which nobody knows whether its key is older", async () => {
    const { promote, moves, reads } = ports({
      move: failing(OUTAGE, 1),
      describe: () => ({ "version-3": ["AWSCURRENT"] }),
      read: () => {
        throw OUTAGE;
      },
    });
    await expect(promote()).rejects.toBe(OUTAGE);
    expect(moves).toHaveLength(1);
    expect(reads).toEqual(["version-3"]);
  });
});

describe("the old key's grace period", () => {
  const { fingerprint } = OLD.agentKey;
  const ofOldKey = (answer: () => KeyCheck) => (agentKey: AgentKey) =>
    agentKey.equals(OLD.agentKey) ? answer() : ACCEPTED;

  test("that is not honoured is a finding", async () => {
    const { promote, warned, settled } = ports({ check: ofOldKey(() => REFUSED) });
    await promote();
    expect(warned).toEqual([
      [
        "grace-not-honoured: the old key is refused although a grace period is configured",
        { fingerprint, gracePeriodMs: 24 * HOUR },
      ],
    ]);
    expect(settled).toMatchObject([{ outcome: "promoted", previousKeyHonoured: false }]);
  });

  test.each(THROWN)("that nobody can ask for is told by %s", async (_, fault, reason) => {
    const check = ofOldKey(() => {
      throw fault;
    });
    const { promote, warned, settled } = ports({ check });
    await promote();
    expect(warned).toEqual([
      ["nobody knows whether the old key's grace period is honoured", { fingerprint, reason }],
    ]);
    expect(settled).toStrictEqual([
      {
        outcome: "promoted",
        settledAt: START,
        fingerprint: NEW.agentKey.fingerprint,
        previousFingerprint: fingerprint,
      },
    ]);
  });
});
