import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { type AuditDeps, type AuditReport, audit } from "../../core/audit/audit";
import { slotOf } from "../../core/audit/intervals";
import { dynamoDbAuditJournal } from "../../core/audit/journal";
import { dynamoDbAuditMemory } from "../../core/audit/memory";
import type { AuditSettings } from "../../core/audit/settings";
import { dynamoDbIntentReader } from "../../core/intent-table/intent-reader";
import type { RotationDeps } from "../../core/rotation/rotation";
import { secretsManagerFleet } from "../../core/secrets/fleet";
import { DAY, HOUR } from "../../local/clock";
import { secretsManagerClient } from "./in-memory-aws";
import { type CallKind, carryOut, portsOf } from "./ports";
import { ATTEMPT_LIFE } from "./promise";
import { FUNCTION_ARN, type World } from "./world";

type Item = Record<string, object>;

/** What one run of the auditor leaves to the next. */
export interface AuditorsRecord {
  item?: Item;
}

/** The shipped auditor; nothing befalls its own calls, and its time stands still. */
export class Auditor {
  readonly record: AuditorsRecord;

  constructor(private readonly world: World) {
    const memory = { checkedThrough: slotOf(world.clock.now()), found: [], askedAt: {} };
    this.record = { item: { memory: { S: JSON.stringify(memory) } } };
  }

  audit(): Promise<AuditReport> {
    const { world, record } = this;
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
    return audit({ ...auditDepsOf(world, ports, { record }), ...around }, auditSettingsOf(world));
  }
}

/**
 * What the shipped auditor is given: its own ports over the state machines, but for the function and the pages. `befall` throws
 * where a call is to fail.
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
    if (operation === "Scan") return { Items: [...world.intents.items.values()] };
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
    intents: dynamoDbIntentReader(dynamoDb, "intents"),
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

/** Times travel as seconds; the SDK makes dates of them. */
function withDates(answer: unknown): object {
  return JSON.parse(JSON.stringify(answer), (name, value) =>
    name.endsWith("Date") && typeof value === "number" ? new Date(value * 1_000) : value,
  );
}
