import { type AuditDeps, audit } from "../../core/audit/audit";
import { CONTROL_PLANE_CALLS_PER_MINUTE } from "../../core/audit/connect";
import { AUDIT_INTERVAL_MS } from "../../core/audit/intervals";
import { LISTS_PER_SECOND } from "../../core/audit/look-at-fleet";
import { type Memory, NOTHING } from "../../core/audit/memory";
import type { IntentRecord } from "../../core/intent-table/stored-intent";
import { AgentKey } from "../../core/key/credential";
import { serialiseRecord } from "../../core/key/stored-value";
import type { ListedSecret } from "../../core/secrets/fleet";
import { DAY, HOUR, MINUTE } from "../../local/clock";
import { FUNCTION_ARN } from "../explorer/world";

/** What AWS and the Control Plane document, of which rotation needs most. */
const CONTROL_PLANE_PER_MINUTE = 1_000;
const LISTS_DOCUMENTED_PER_SECOND = 100;
const INTERVAL_DAYS = 90;
/** Calls of one rotation. */
const ROTATION_CALLS = 5;
const CALL_MS = 30;

interface Call {
  readonly at: number;
  readonly service: "list" | "secrets" | "control-plane" | "table";
}

/** Some hours of a large fleet, whose keys rotate evenly over 90 days, in virtual time: counts every call of the shipped audit. */
export async function auditLargeFleet(
  size: number,
  hours: number,
): Promise<{ readonly text: string; readonly faults: readonly string[] }> {
  // The evening, in which it is every key's turn, is among them.
  let now = Date.UTC(2026, 5, 1, 20);
  const start = now;
  const calls: Call[] = [];
  const call = (service: Call["service"]) => {
    calls.push({ at: now, service });
    now += CALL_MS;
  };
  const rotatedAt = (index: number) => start + hours * HOUR - (index * INTERVAL_DAYS * DAY) / size;
  /** When the current key was issued: those that are due today rotate on the way. */
  const issuedAt = (index: number) =>
    rotatedAt(index) <= now ? rotatedAt(index) : rotatedAt(index) - INTERVAL_DAYS * DAY;
  const arnOf = (index: number) =>
    `arn:aws:secretsmanager:eu-west-1:000000000000:secret:${nameOf(index)}-AbCdEf`;
  const nameOf = (index: number) => `valmi/production/agent-${index}/agent-key`;
  const listed = (index: number): ListedSecret => ({
    secretArn: arnOf(index),
    secretName: nameOf(index),
    tags: {},
    versionStages: { [`version-${issuedAt(index)}`]: ["AWSCURRENT"], before: ["AWSPREVIOUS"] },
    createdAt: start - 200 * DAY,
    lastChangedAt: issuedAt(index),
    rotation: { enabled: true, scheduled: true, functionArn: FUNCTION_ARN, lastAt: issuedAt(index) },
  });
  const value = (index: number, isPrevious: boolean) =>
    serialiseRecord({
      agentKey: new AgentKey(`agent_${isPrevious ? "previous" : "current"}${index}`),
      agentInstanceId: `ai_${index}`,
      agentInstanceName: `agent-${index}`,
      agentTypeId: "at_1",
      accountId: "",
      contactId: "",
      subscription: "",
      pricing: "",
      environment: "production",
      controlPlaneUrl: "",
      issuedAt: issuedAt(index) - (isPrevious ? INTERVAL_DAYS * DAY : 0),
      previousKeyExpiresAt: issuedAt(index) + DAY,
    });
  const intent = (index: number): IntentRecord => ({
    secretArn: arnOf(index),
    baseVersionId: "before",
    versionId: `version-${issuedAt(index)}`,
    agentInstanceId: `ai_${index}`,
    takenAt: issuedAt(index),
    graceFrom: issuedAt(index),
    attemptEndsAt: issuedAt(index) + 3 * MINUTE,
    mint: 1,
    outcome: "promoted",
    mintedAt: [],
    inVain: 0,
    ordered: false,
    earlierMints: [],
    previousKeyExpiresAt: issuedAt(index) + DAY,
    previousKeyHonoured: true,
  });
  const indexOf = (text: string) => Number(/(\d+)(?:\/|$)/.exec(text.replace(/-AbCdEf$/, ""))?.[1]);
  const all = Array.from({ length: size }, (_, index) => index);
  let memory: Memory = NOTHING;
  let endsAt = 0;
  const looked = new Map<number, number>();
  const controlPlane = {
    now: () => now,
    clockDiffers: () => false,
    vouchesFor: async () => false,
    workspaceName: async () => {
      call("control-plane");
      return "-";
    },
    getInstance: async (id: string) => {
      call("control-plane");
      const [accountId, contactId] = ["", ""];
      return { id, name: "-", agentTypeId: "-", accountId, contactId, description: "", isActive: true };
    },
    checkAgentKey: async (key: AgentKey) => {
      call("control-plane");
      const index = indexOf(key.reveal());
      looked.set(index, now);
      const isPrevious = key.reveal().includes("previous");
      return isPrevious && now > issuedAt(index) + DAY
        ? { accepted: false as const }
        : { accepted: true as const, agentInstanceId: `ai_${index}` };
    },
    instances: async function* () {
      for (const index of all) {
        if (index % 100 === 0) call("control-plane");
        yield {
          id: `ai_${index}`,
          name: "-",
          agentTypeId: "-",
          accountId: "",
          contactId: "",
          description: undefined,
          isActive: true,
        };
      }
    },
  };
  const deps: AuditDeps = {
    fleet: {
      list: async function* () {
        for (let from = 0; from < size; from += 100) {
          call("list");
          yield all.slice(from, from + 100).map(listed);
        }
      },
      describe: async (arn) => {
        call("secrets");
        return listed(indexOf(arn));
      },
      versionTimes: async () => new Map(),
      rotate: async () => "asked",
    },
    secrets: {
      readVersion: async (arn, versionId) => {
        call("secrets");
        return value(indexOf(arn.split("/agent-key")[0] ?? ""), versionId === "before");
      },
    },
    intents: {
      all: async function* () {
        for (const index of all) {
          // A page of DynamoDB has 1 MB.
          if (index % 1_700 === 0) call("table");
          yield intent(index);
        }
      },
      halt: async () => ({ vain: [] }),
    },
    proofs: { write: async () => call("table") },
    memory: {
      read: async () => memory,
      write: async (next) => {
        memory = next;
      },
    },
    journal: { asked: async () => call("table"), probed: async () => call("table") },
    rotationFunction: { selfTest: async () => [], mayBeInvoked: async () => true },
    alerts: { publish: async () => {}, brokenRoute: async () => undefined },
    connect: async () => {
      call("secrets");
      return controlPlane;
    },
    clock: { now: () => now },
    sleep: async (milliseconds) => {
      now += milliseconds;
    },
    budget: { remainingMs: () => endsAt - now },
    log: { info: () => {}, warn: () => {}, error: () => {} },
  };
  let findings = 0;
  let longest = 0;
  for (let run = 0; run < (hours * HOUR) / AUDIT_INTERVAL_MS; run++) {
    const began = start + run * AUDIT_INTERVAL_MS;
    now = began;
    endsAt = began + 4 * MINUTE;
    const report = await audit(deps, {
      environment: "production",
      nameStart: "valmi/production/",
      nameEnd: "/agent-key",
      thresholds: {
        gracePeriodMs: DAY,
        rotation: { intervalMs: INTERVAL_DAYS * DAY, windowMs: DAY, functionArn: FUNCTION_ARN },
      },
      location: { accountId: "000000000000", region: "eu-west-1" },
      heals: true,
      runbookUrl: "-",
    });
    findings += report.findings.length;
    longest = Math.max(longest, now - began);
  }
  return judge(size, calls, { findings, longest, looked: looked.size, hours });
}

function judge(
  size: number,
  calls: readonly Call[],
  { findings, longest, looked, hours }: { findings: number; longest: number; looked: number; hours: number },
): { text: string; faults: string[] } {
  const of = (service: Call["service"]) => calls.filter((each) => each.service === service);
  const rotationsPerMinute = size / INTERVAL_DAYS / (DAY / MINUTE);
  const controlPlaneMax = busiest(of("control-plane"), MINUTE);
  const listsMax = busiest(of("list"), 1_000);
  const perInstance = (service: Call["service"]) => (of(service).length / size).toFixed(2);
  const faults = [
    findings > 0 ? `${findings} findings where nothing is the matter` : "",
    looked < size ? `only ${looked} keys were looked at` : "",
    controlPlaneMax > CONTROL_PLANE_CALLS_PER_MINUTE + 20
      ? `${controlPlaneMax} calls of the Control Plane a minute`
      : "",
    listsMax > LISTS_PER_SECOND ? `${listsMax} lists a second` : "",
    longest > 4 * MINUTE ? `a run of ${Math.round(longest / 1_000)} s` : "",
  ].filter((fault) => fault !== "");
  const text = [
    `${size} secrets, ${hours} hours, ${Math.round((size / INTERVAL_DAYS) * (hours / 24))} rotations in them; longest run ${Math.round(longest / 1_000)} s of 240`,
    `  Control Plane: at most ${controlPlaneMax} calls a minute of ${CONTROL_PLANE_PER_MINUTE} documented; rotations need ${Math.ceil(rotationsPerMinute * ROTATION_CALLS)}`,
    `  ListSecrets:   at most ${listsMax} a second of ${LISTS_DOCUMENTED_PER_SECOND} documented`,
    `  calls per instance: Control Plane ${perInstance("control-plane")}, values ${perInstance("secrets")}, lists ${perInstance("list")}, table ${perInstance("table")}`,
    ...(faults.length === 0
      ? [`  ${looked} keys were looked at, nothing was found`]
      : faults.map((fault) => `  FAULT: ${fault}`)),
  ].join("\n");
  return { text, faults };
}

/** The most calls in any stretch of that length. */
function busiest(calls: readonly Call[], milliseconds: number): number {
  let most = 0;
  let from = 0;
  for (let to = 0; to < calls.length; to++) {
    while ((calls[to]?.at ?? 0) - (calls[from]?.at ?? 0) >= milliseconds) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}
