import { type AuditDeps, type AuditReport, audit } from "../../core/audit/audit";
import { AUDIT_INTERVAL_MS } from "../../core/audit/intervals";
import type { PageText } from "../../core/audit/page";
import type { RotationDeps } from "../../core/rotation/rotation";
import { selfTest } from "../../core/rotation/self-test";
import { runStep } from "../../core/rotation/steps";
import { HOUR, SECOND } from "../../local/clock";
import type { Invocation } from "../../local/secrets-manager/rotation";
import { type AuditorsRecord, auditDepsOf, auditSettingsOf } from "../explorer/auditor";
import { type Caller, type CallKind, carryOut, portsOf } from "../explorer/ports";
import { ATTEMPT_LIFE } from "../explorer/promise";
import { type Configuration, World } from "../explorer/world";

/** Who calls; by which a fault may tell the rotation function from the auditor. */
export type CallerName = "rotation" | "auditor";

/** Whatever befalls a call instead of its being carried out: an error, or the caller's death. */
export type Befall = (call: {
  readonly by: CallerName;
  readonly kind: CallKind;
  readonly label: string;
}) => Error | "dies-before" | "dies-after" | undefined;

export const SEED: Configuration = {
  secondRefresh: "A",
  graceHours: 24,
  configuredGraceHours: 24,
  honoursIdempotencyKey: false,
  activationSeconds: 0,
  retryToken: "same",
  retryAfterMs: SECOND,
};

/** What is broken around the functions. */
export interface Broken {
  befall?: Befall;
  /** The rotation function is gone, or can't be run. */
  rotationFunction?: Error;
  mayNotBeInvoked?: true;
  publish?: Error;
  route?: string;
  auditor?: Error;
}

/**
 * The explorer's world with the shipped auditor in it, run every 5 minutes of virtual time. Secrets Manager makes one attempt at a
 * rotation and leaves the rest to the auditor.
 */
export class AuditedWorld {
  readonly world: World;
  readonly pages: { readonly at: number; readonly page: PageText }[] = [];
  readonly reports: { readonly at: number; readonly report: AuditReport }[] = [];
  /** When the rotation function, or the auditor, ended by an error. */
  readonly errors: { readonly at: number; readonly by: CallerName }[] = [];
  broken: Broken = {};
  private readonly record: AuditorsRecord = {};
  private serial = 0;

  constructor(configuration: Configuration = SEED) {
    this.world = new World(configuration, {
      provisioned: true,
      undocumented: { attempts: 1, retryOnDemandForMs: 0 },
    });
    // The world ends provisioning a day later, at midnight.
    this.world.clock.time += HOUR;
  }

  /** Runs Secrets Manager, the auditor, and what it asked for, every 5 minutes for so long. */
  async pass(milliseconds: number): Promise<void> {
    const { clock } = this.world;
    const until = clock.time + milliseconds;
    for (;;) {
      const next = (Math.floor(clock.time / AUDIT_INTERVAL_MS) + 1) * AUDIT_INTERVAL_MS;
      if (next > until) break;
      clock.time = next;
      this.world.secretsManager.tick();
      await this.rotate();
      await this.audit();
      await this.rotate();
    }
    clock.time = Math.max(clock.time, until);
  }

  async audit(): Promise<void> {
    const at = this.world.clock.time;
    try {
      if (this.broken.auditor) throw this.broken.auditor;
      this.reports.push({ at, report: await audit(this.deps(), auditSettingsOf(this.world)) });
    } catch (error) {
      if (!(error instanceof Error) || error instanceof TypeError) throw error;
      this.errors.push({ at, by: "auditor" });
    }
  }

  /** Runs what Secrets Manager has due, through the rotation function. */
  async rotate(): Promise<void> {
    const { secretsManager } = this.world;
    for (let due = secretsManager.nextInvocation(); due; due = secretsManager.nextInvocation()) {
      const succeeded = await this.invoke(due);
      if (succeeded) secretsManager.invocationSucceeded(due.id);
      else secretsManager.invocationFailed(due.id);
    }
  }

  get found(): string[] {
    return (this.reports.at(-1)?.report.findings ?? []).map(({ severity, name }) => `${severity} ${name}`);
  }

  /** Names of what was paged, oldest first, without what was resolved. */
  get paged(): string[] {
    return this.reports.flatMap(({ report }) =>
      report.pages.filter(({ state }) => state === "found").map(({ name }) => name),
    );
  }

  /** How often the auditor has asked for a rotation. */
  get asked(): number {
    return this.reports.reduce((sum, { report }) => sum + report.asked.length, 0);
  }

  get currentKey(): string | undefined {
    return this.world.keyUnder(this.world.versionWith("AWSCURRENT"));
  }

  get isAccepted(): boolean {
    return this.currentKey !== undefined && this.world.controlPlane.isAccepted(this.currentKey);
  }

  get isPendingApart(): boolean {
    return this.world.isPendingApart;
  }

  /** Keys that were minted since the first one, and how many mints the intents have decided. */
  get mints(): { readonly minted: number; readonly decided: number } {
    const decided = this.world.intentRecords().reduce((sum, { mint }) => sum + Number(mint?.N), 0);
    return { minted: this.world.keys().length - 1, decided };
  }

  private async invoke({ event }: Invocation): Promise<boolean> {
    const at = this.world.clock.time;
    if (this.broken.rotationFunction) {
      return false;
    }
    let die: () => void = () => {};
    const death = new Promise<"died">((resolve) => {
      die = () => resolve("died");
    });
    const work = runStep(this.portsFor("rotation", die), {
      step: event.Step,
      secretArn: event.SecretId,
      token: event.ClientRequestToken,
      rotationToken: event.RotationToken,
    }).then(
      () => "succeeded" as const,
      (error: unknown) => {
        if (!(error instanceof Error) || error instanceof TypeError) throw error;
        return "failed" as const;
      },
    );
    const ending = await Promise.race([work, death]);
    if (ending !== "succeeded") this.errors.push({ at, by: "rotation" });
    return ending === "succeeded";
  }

  /** The explorer's ports, with whatever is broken for this caller. */
  private portsFor(by: CallerName, die: () => void = () => {}): RotationDeps {
    const { world } = this;
    const endsAt = world.clock.time + ATTEMPT_LIFE;
    const caller: Caller = {
      serial: ++this.serial,
      call: async (kind, label, apply) => {
        const befallen = this.broken.befall?.({ by, kind, label });
        if (befallen instanceof Error) throw befallen;
        if (befallen === undefined) return carryOut(world, kind, apply);
        if (befallen === "dies-after") carryOut(world, kind, apply);
        die();
        return new Promise<never>(() => {});
      },
      remainingMs: () => Math.max(0, endsAt - world.clock.time),
      sleep: async (milliseconds) => {
        world.clock.time += milliseconds;
      },
    };
    return portsOf(world, caller);
  }

  private deps(): AuditDeps {
    const { world, broken, record } = this;
    const befall = (kind: CallKind, label: string) => {
      const befallen = broken.befall?.({ by: "auditor", kind, label });
      if (befallen instanceof Error) throw befallen;
      if (label === "RotateSecret" && (broken.mayNotBeInvoked || broken.rotationFunction)) {
        throw named("AccessDeniedException");
      }
    };
    return {
      ...auditDepsOf(world, this.portsFor("auditor"), { record, befall }),
      rotationFunction: {
        selfTest: async (secretArn) => {
          if (broken.rotationFunction) throw broken.rotationFunction;
          return selfTest(this.portsFor("rotation"), secretArn);
        },
        mayBeInvoked: async () => !broken.mayNotBeInvoked,
      },
      alerts: {
        publish: async (page) => {
          if (broken.publish) throw broken.publish;
          this.pages.push({ at: world.clock.time, page });
        },
        brokenRoute: async () => broken.route,
      },
    };
  }
}

export function named(name: string): Error {
  return Object.assign(new Error(name), { name });
}
