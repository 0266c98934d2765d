import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { type AuditDeps, type AuditReport, audit } from "../../core/audit/audit";
import { type InstanceFacts, intentsBySecret, shallowFacts } from "../../core/audit/facts";
import { slotOf } from "../../core/audit/intervals";
import { dynamoDbAuditJournal } from "../../core/audit/journal";
import { dynamoDbAuditMemory, type Memory } from "../../core/audit/memory";
import type { AuditSettings } from "../../core/audit/settings";
import { dynamoDbIntentReader } from "../../core/intent-table/intent-reader";
import { dynamoDbRefusalProofs } from "../../core/intent-table/refusal-proofs";
import type { RotationDeps } from "../../core/rotation/rotation";
import { secretsManagerFleet } from "../../core/secrets/fleet";
import { DAY, HOUR } from "../../local/clock";
import { secretsManagerClient } from "./in-memory-aws";
import { type CallKind, carryOut, portsOf } from "./ports";
import { ATTEMPT_LIFE, AUDIT_INTERVAL } from "./promise";
import { deepChangeAfter, isSame, type Sight, sightOf, turnAfter, watchedChangeAfter } from "./stillness";
import { FUNCTION_ARN, type World } from "./world";

type Item = Record<string, object>;

/** What one run of the auditor leaves to the next. */
export interface AuditorsRecord {
  item?: Item;
}

export interface AuditorOptions {
  /** Makes every audit, and skips none. @default false */
  readonly everyAudit?: boolean;
  /** From the begin of a slot to the audit in it, in milliseconds. @default 0 */
  readonly offset?: number;
  /** Whether no audit can be made at a moment, also at one in the past. @default - never */
  readonly isBlindAt?: (time: number) => boolean;
}

/** Audits of one unchanged world, none of which asked for anything or found anything new. */
interface Still {
  readonly sight: Sight;
  readonly look: InstanceFacts;
  readonly memory: Memory;
  /** The last one that looked at the list and the intents alone. They may judge otherwise than deep ones, without the value. */
  readonly shallowAt?: number;
  /** The last one that looked at the value and at the Control Plane. */
  readonly deepAt?: number;
}

/**
 * The shipped auditor as the world has it: one audit in each slot. Nothing befalls its own calls, and its time stands still.
 *
 * Most audits of a key's years see what the one before has seen. `nextAt` skips those, and only those: an audit may be
 * skipped if the last one asked for nothing and found nothing new, nothing in the world has changed since, and no moment lies
 * between at which the same world would look different (`stillness.ts`). The record is then brought to where the skipped audits
 * would have left it. `everyAudit` skips none, and a test compares the two.
 */
export class Auditor {
  readonly record: Required<AuditorsRecord>;
  private readonly everyAudit: boolean;
  private readonly offset: number;
  private readonly isBlindAt: (time: number) => boolean;
  /** The slot of the last audit, made or not. */
  private lastSlot: number;
  /** The audits since the world last changed, an audit changed anything, or one could not be made. */
  private still: Still | undefined;
  private plannedAt: number | undefined;

  constructor(
    private readonly world: World,
    { everyAudit = false, offset = 0, isBlindAt = () => false }: AuditorOptions = {},
  ) {
    this.everyAudit = everyAudit;
    this.offset = offset;
    this.isBlindAt = isBlindAt;
    this.lastSlot = slotOf(world.clock.now());
    const memory = { checkedThrough: this.lastSlot, found: [], askedAt: {} };
    this.record = { item: { memory: { S: JSON.stringify(memory) } } };
  }

  /** When the next audit has to be made. */
  nextAt(): number {
    const next = this.timeOf(Math.max(this.lastSlot + 1, slotOf(this.world.clock.now() - this.offset)));
    const soonest = next < this.world.clock.now() ? next + AUDIT_INTERVAL : next;
    if (this.everyAudit || !this.still) return soonest;
    const sight = sightOf(this.world, this.still.sight);
    if (!isSame(sight, this.still.sight)) return soonest;
    this.still = { ...this.still, sight };
    this.plannedAt ??= this.plan(this.still);
    return Math.max(soonest, this.plannedAt);
  }

  /** `undefined` where no audit can be made now. */
  async audit(): Promise<AuditReport | undefined> {
    const { world, record } = this;
    const now = world.clock.now();
    const slot = slotOf(now);
    this.plannedAt = undefined;
    if (this.isBlindAt(now)) {
      this.lastSlot = slot;
      this.still = undefined;
      return undefined;
    }
    const before = this.catchUp(slot);
    this.lastSlot = slot;
    const ports = portsOf(world, {
      serial: 0,
      call: async (kind, _, apply) => carryOut(world, kind, apply),
      remainingMs: () => ATTEMPT_LIFE,
      sleep: async () => {},
    });
    const around: Pick<AuditDeps, "rotationFunction" | "alerts"> = {
      rotationFunction: { selfTest: async () => [], mayBeInvoked: async () => true },
      alerts: { publish: async () => {}, brokenRoute: async () => undefined },
    };
    const deps = auditDepsOf(world, ports, { record });
    const report = await audit({ ...deps, ...around }, auditSettingsOf(world));
    const memory = this.recall();
    const isStill = report.asked.length === 0 && essenceOf(memory) === essenceOf(before);
    if (!isStill || this.everyAudit) this.still = undefined;
    else {
      const sight = sightOf(world, this.still?.sight);
      const earlier = this.still && isSame(this.still.sight, sight) ? this.still : {};
      const kind = report.checked > 0 ? "deepAt" : "shallowAt";
      this.still = { ...earlier, sight, look: await this.look(deps, memory), memory, [kind]: now };
    }
    return report;
  }

  private timeOf(slot: number): number {
    return slot * AUDIT_INTERVAL + this.offset;
  }

  /** The first audit at or after a moment. */
  private firstAt(time: number): number {
    return Math.ceil((time - this.offset) / AUDIT_INTERVAL) * AUDIT_INTERVAL + this.offset;
  }

  /** When one of the next audits may see something new: the first that looks at the list alone, or the first deep one. */
  private plan({ look, memory, shallowAt, deepAt }: Still): number {
    const { world } = this;
    const settings = auditSettingsOf(world);
    const at = this.timeOf(this.lastSlot);
    const listChanges = (since: number) => watchedChangeAfter(world, memory, settings.thresholds, since);
    const turn = (slot: number) => turnAfter(look, { settings, before: memory }, slot);
    const changed = deepAt === undefined ? at : Math.min(listChanges(deepAt), deepChangeAfter(world, deepAt));
    const visible = Math.max(this.firstAt(changed), at + AUDIT_INTERVAL);
    // All of them look deeply.
    if (turn(this.lastSlot) === this.lastSlot + 1) return visible;
    const shallow = shallowAt === undefined ? at + AUDIT_INTERVAL : this.firstAt(listChanges(shallowAt));
    // A turn that comes while nobody looks is made up for afterwards, even if the change came after it.
    if (!Number.isFinite(visible) || this.isBlindAt(visible)) return Math.min(shallow, visible);
    return Math.min(shallow, this.timeOf(turn(slotOf(visible) - 1)));
  }

  /** The skipped audits have checked what was due in them. */
  private catchUp(slot: number): Memory {
    const memory = this.recall();
    let through = slot - 1;
    while (through > this.lastSlot && this.isBlindAt(this.timeOf(through))) through--;
    if (through <= this.lastSlot) return memory;
    const caughtUp = { ...memory, checkedThrough: through };
    this.record.item = { ...this.record.item, memory: { S: JSON.stringify(caughtUp) } };
    return caughtUp;
  }

  /** What the auditor sees before it looks at the value. */
  private async look({ fleet, intents }: Pick<AuditDeps, "fleet" | "intents">, { askedAt }: Memory) {
    const { secretArn } = this.world;
    const records = (await intentsBySecret(intents)).get(secretArn) ?? [];
    return shallowFacts(await fleet.describe(secretArn), records, { askedAt: askedAt[secretArn] });
  }

  private recall(): Memory {
    return JSON.parse((this.record.item.memory as { readonly S: string }).S);
  }
}

/** What the next audit goes by, but for how urgent a finding has become: that tells people, and changes nothing. */
function essenceOf({ found, askedAt }: Memory): string {
  return JSON.stringify([found.map(({ name, instance, heals }) => [name, instance, heals]), askedAt]);
}

/**
 * What the shipped auditor is given: its own ports over the state machines, but for the function and the pages. `befall` throws
 * if a call is to fail.
 */
export function auditDepsOf(
  world: World,
  ports: RotationDeps,
  {
    record,
    befall = () => {},
  }: { readonly record: AuditorsRecord; readonly befall?: (kind: CallKind, label: string) => void },
): Omit<AuditDeps, "rotationFunction" | "alerts"> {
  const secretsManager = client(SecretsManagerClient, async (operation, input) => {
    befall(operation === "RotateSecret" ? "secret-write" : "secret-read", operation);
    return withDates(world.call(operation, input));
  });
  const dynamoDb = client(DynamoDBClient, async (operation, input) => {
    befall(/^(Put|Update)Item$/.test(operation) ? "intent-write" : "intent-read", operation);
    const { baseVersionId } = (input.Item ?? input.Key ?? {}) as Item;
    // The memory is told apart, so that the world is the same whatever the auditor remembers; the journal is nobody's here.
    if (operation === "UpdateItem") return {};
    if ((baseVersionId as { S?: string } | undefined)?.S !== "memory")
      return world.intents.perform(operation, input);
    if (operation === "PutItem") record.item = input.Item as Item;
    return operation === "GetItem" ? { Item: record.item } : {};
  });
  return {
    ...ports,
    connect: async () => {
      const controlPlane = await ports.connect();
      return {
        ...controlPlane,
        workspaceName: async () => {
          befall("control-read", "me");
          return "local";
        },
        instances: async function* () {
          befall("control-read", "list instances");
          for (const each of world.controlPlane.allInstances()) {
            yield { ...each, accountId: each.accountId ?? "", contactId: each.contactId ?? "" };
          }
        },
      };
    },
    clock: world.clock,
    fleet: secretsManagerFleet(secretsManager),
    intents: { ...dynamoDbIntentReader(dynamoDb, "intents"), halt: () => ports.intents.halt() },
    proofs: dynamoDbRefusalProofs(dynamoDb, "intents"),
    memory: dynamoDbAuditMemory(dynamoDb, "intents"),
    journal: dynamoDbAuditJournal(dynamoDb, "intents"),
  };
}

export function auditSettingsOf({ configuration }: World): AuditSettings {
  return {
    environment: "dev",
    nameStart: "valmi/dev/",
    nameEnd: "/agent-key",
    thresholds: {
      gracePeriodMs: configuration.configuredGraceHours * HOUR,
      rotation: { intervalMs: 90 * DAY, windowMs: DAY, functionArn: FUNCTION_ARN },
    },
    location: { accountId: "000000000000", region: "eu-west-1" },
    heals: true,
    runbookUrl: "docs/operations.md",
  };
}

/** One that the SDK's paginators take for their own. */
function client<T extends object>(
  of: { readonly prototype: T },
  send: (operation: string, input: Record<string, unknown>) => Promise<object>,
): T {
  const { send: sent } = secretsManagerClient(send);
  return Object.assign(Object.create(of.prototype) as T, { send: sent });
}

/** Times travel as seconds; the SDK makes dates of them. The answer shares nothing with the state, and is changed in place. */
function withDates<T>(answer: T): T {
  if (typeof answer !== "object" || answer === null) return answer;
  const fields = answer as Record<string, unknown>;
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === "object") withDates(value);
    else if (typeof value === "number" && name.endsWith("Date")) fields[name] = new Date(value * 1_000);
  }
  return answer;
}
