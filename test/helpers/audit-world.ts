import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { type AuditDeps, type AuditReport, audit } from "../../core/audit/audit";
import type { Finding } from "../../core/audit/findings";
import { AUDIT_INTERVAL_MS } from "../../core/audit/intervals";
import { dynamoDbAuditJournal, type JournalEntries } from "../../core/audit/journal";
import { dynamoDbAuditMemory } from "../../core/audit/memory";
import type { PageText } from "../../core/audit/page";
import type { AuditSettings } from "../../core/audit/settings";
import type { ControlPlane, InstanceDirectory } from "../../core/control-plane/client";
import { dynamoDbIntentReader } from "../../core/intent-table/intent-reader";
import { selfTest } from "../../core/rotation/self-test";
import { secretsManagerFleet } from "../../core/secrets/fleet";
import { secretsManagerStore } from "../../core/secrets/secret-store";
import { DAY, HOUR } from "../../local/clock";
import { InMemoryAws } from "../../proofs/harness/in-memory-aws";
import { FUNCTION_ARN, LocalWorld, type LocalWorldOptions } from "../../proofs/harness/local-world";

/** One line for each finding, such as `page key-refused support`. */
export const inWords = ({ severity, name, instance }: Pick<Finding, "severity" | "name" | "instance">) =>
  `${severity} ${name} ${instance}`;

/** A local world with its auditor, run every 5 minutes of virtual time beside Secrets Manager's own schedule. */
export class AuditWorld {
  readonly pages: { readonly at: number; readonly page: PageText }[] = [];
  readonly reports: { readonly at: number; readonly report: AuditReport }[] = [];
  /** Calls of the table that aren't writes of intents. */
  readonly dynamoDb: InMemoryAws;
  private readonly client: DynamoDBClient;
  /** What is broken: each is looked at when it is used. */
  broken: {
    publish?: Error;
    route?: string;
    selfTest?: Error;
    mayNotBeInvoked?: true;
    memory?: Error;
    journal?: Error;
    /** The rotation function ends by this error, whatever step it is asked for. */
    rotationFunction?: Error;
  } = {};

  private constructor(
    readonly world: LocalWorld,
    private readonly settings: Partial<AuditSettings>,
  ) {
    this.dynamoDb = new InMemoryAws((operation, input) => {
      if (this.broken.memory) throw this.broken.memory;
      if (this.broken.journal && operation === "UpdateItem") throw this.broken.journal;
      if (operation === "Scan" || operation === "Query") return { Items: [...world.table.items.values()] };
      return world.table.perform(operation, input);
    });
    this.client = new DynamoDBClient({
      region: "eu-west-1",
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
      requestHandler: this.dynamoDb.requestHandler,
      maxAttempts: 1,
    });
  }

  static async ready(
    options: LocalWorldOptions = {},
    settings: Partial<AuditSettings> = {},
  ): Promise<AuditWorld> {
    return new AuditWorld(await LocalWorld.ready(options), settings);
  }

  /** A world whose secret waits for its first key. */
  static notYetProvisioned(): AuditWorld {
    return new AuditWorld(new LocalWorld(), {});
  }

  deps(milliseconds = 240_000): AuditDeps {
    const { world } = this;
    const invocation = world.invocation(milliseconds);
    const { client } = this;
    return {
      ...invocation,
      connect: () => invocation.connect() as Promise<ControlPlane & InstanceDirectory>,
      clock: world.clock,
      fleet: secretsManagerFleet(world.client),
      secrets: secretsManagerStore(world.client),
      intents: {
        ...dynamoDbIntentReader(client, world.table.name),
        halt: () => invocation.intents.halt(),
      },
      proofs: world.proofs,
      memory: dynamoDbAuditMemory(client, world.table.name),
      journal: dynamoDbAuditJournal(client, world.table.name),
      rotationFunction: {
        selfTest: async (secretArn) => {
          if (this.broken.selfTest) throw this.broken.selfTest;
          return selfTest(world.invocation(), secretArn);
        },
        mayBeInvoked: async () => !this.broken.mayNotBeInvoked,
      },
      alerts: {
        publish: async (page) => {
          if (this.broken.publish) throw this.broken.publish;
          this.pages.push({ at: world.clock.now(), page });
        },
        brokenRoute: async () => this.broken.route,
      },
    };
  }

  /** One run of the auditor, at the present time. */
  async audit(changes: Partial<AuditSettings> = {}, deps = this.deps()): Promise<AuditReport> {
    const at = this.world.clock.now();
    const report = await audit(deps, {
      environment: "dev",
      nameStart: "valmi/dev/",
      nameEnd: "/agent-key",
      thresholds: {
        gracePeriodMs: 24 * HOUR,
        rotation: { intervalMs: 90 * DAY, windowMs: DAY, functionArn: FUNCTION_ARN },
      },
      location: { accountId: "123456789012", region: "eu-west-1" },
      heals: true,
      runbookUrl: "docs/operations.md",
      ...this.settings,
      ...changes,
    });
    this.reports.push({ at, report });
    return report;
  }

  /** What the auditor has left to the history. */
  async journal(): Promise<JournalEntries> {
    const { table, secretArn } = this.world;
    return dynamoDbAuditJournal(this.client, table.name).ofSecret(secretArn);
  }

  /** Runs what Secrets Manager has due, the auditor, and again what it asked for; every 5 minutes, or less often, for so long. */
  async pass(milliseconds: number, every = AUDIT_INTERVAL_MS): Promise<void> {
    const { clock, secretsManager } = this.world;
    const until = clock.now() + milliseconds;
    while (clock.now() < until) {
      const next = (Math.floor(clock.now() / every) + 1) * every;
      clock.advanceBy(Math.min(until, next) - clock.now());
      if (next > until) return;
      secretsManager.tick();
      await this.rotate();
      await this.audit();
      await this.rotate();
    }
  }

  /** The findings of the last run, in words. */
  get found(): string[] {
    return (this.reports.at(-1)?.report.findings ?? []).map(inWords);
  }

  /** Subjects of the pages, oldest first. */
  get subjects(): string[] {
    return this.pages.map(({ page }) => page.subject);
  }

  /** Ids of the instances whose rotation was asked for, run by run. */
  get asked(): string[] {
    return this.reports.flatMap(({ report }) => report.asked);
  }

  private async rotate(): Promise<void> {
    const { broken, world } = this;
    if (!broken.rotationFunction) {
      await world.runDueSteps();
      return;
    }
    for (let due = world.secretsManager.nextInvocation(); due; due = world.secretsManager.nextInvocation()) {
      world.secretsManager.invocationFailed(due.id);
    }
  }
}
