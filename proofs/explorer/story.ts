import { Stop } from "../../core/protocol/stops";
import { LATE_APPLICATION_MS } from "../../core/protocol/timing";
import { ensureInstance } from "../../core/provisioning/convergence";
import type { RotationDeps } from "../../core/rotation/rotation";
import { runStep } from "../../core/rotation/steps";
import { DAY, HOUR, MINUTE, SECOND } from "../../local/clock";
import { SAMPLE_WORKSPACE_ID } from "../../local/control-plane/seed";
import type { Invocation } from "../../local/secrets-manager/rotation";
import { Auditor } from "./auditor";
import { FAULTS_OF, type Fault, OUTSIDE, OUTSIDE_WITH_PAUSES, type Schedule } from "./faults";
import {
  attemptTo,
  type CallKind,
  carryOut,
  failureOf,
  pauseRotation,
  portsOf,
  provisioningInput,
  readBeforeLastWrite,
  storeCurrentAgain,
} from "./ports";
import { ATTEMPT_LIFE, CALL_TIMEOUT, OPERATORS_PAUSE } from "./promise";
import { type Configuration, READ_LAG_BOUND, World } from "./world";

/** From one invocation's end to the next one's start. */
const INVOCATION = SECOND;

/** A story that is not at its end after so long never is. */
const PATIENCE = 10 * DAY;

class Attempt {
  readonly ended: Promise<Ending>;
  end!: (ending: Ending) => void;
  isAlive = true;
  resume: (() => void) | undefined;
  /** All that its code has seen: with the code, this is its state. */
  readonly memory: string[] = [];

  constructor(
    readonly serial: number,
    readonly endsAt: number,
  ) {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }
}

type Ending = "succeeded" | "failed" | "died" | "paused";

export interface Violation {
  readonly rule: string;
  readonly detail: string;
}

export interface Outage {
  readonly from: number;
  readonly until: number;
}

export interface CallPoint {
  readonly index: number;
  readonly kind: CallKind;
  readonly label: string;
  readonly fingerprint: string;
  readonly options: readonly Fault[];
}

export interface Telling {
  readonly points: readonly CallPoint[];
  readonly violations: readonly Violation[];
  readonly outages: readonly Outage[];
  /** For how long each key that had left AWSCURRENT was still accepted, in milliseconds; of those that died. */
  readonly previousLived: readonly number[];
  readonly lines: readonly string[];
  readonly pruned: boolean;
  readonly mints: number;
  readonly repeatsIdempotencyKey: boolean;
}

export interface StoryOptions {
  readonly configuration: Configuration;
  readonly schedule: Schedule;
  readonly scenario: "rotation" | "first-key";
  /** Asked at each call after the last fault: whether this state was seen, so that the rest is known. */
  readonly isKnown?: (fingerprint: string) => boolean;
  /** @default the shipped steps */
  readonly step?: typeof runStep;
  /** @default the shipped life cycle */
  readonly ensure?: typeof ensureInstance;
}

/** A call that never returns, for an attempt that is no more. A new one each time: a shared one would hold on to all. */
const forever = () => new Promise<never>(() => {});

/** Tells one story: the shipped code over the state machines, with the schedule's faults, until all is well or it isn't. */
export class Story {
  private readonly world: World;
  private readonly lastFault: number;
  private count = 0;
  private serial = 0;
  private readonly attempts: Attempt[] = [];
  private late: { readonly at: number; readonly apply: () => unknown }[] = [];
  private readonly points: CallPoint[] = [];
  private readonly violations: Violation[] = [];
  private readonly outages: Outage[] = [];
  private readonly lines: string[] = [];
  private outageFrom: number | undefined;
  private prune: (() => void) | undefined;
  private readonly leftCurrent = new Map<string, number>();
  private readonly previousLived: number[] = [];
  private lastCurrent: string | undefined;
  private stopNames: string[] = [];
  private readonly auditor: Auditor;
  private readonly outside: readonly Fault[];

  constructor(private readonly options: StoryOptions) {
    this.world = new World(options.configuration, { provisioned: options.scenario === "rotation" });
    this.auditor = new Auditor(this.world);
    this.outside = options.configuration.pauses ? OUTSIDE_WITH_PAUSES : OUTSIDE;
    this.lastFault = Math.max(-1, ...options.schedule.keys());
  }

  async tell(): Promise<Telling> {
    const pruned = new Promise<true>((resolve) => {
      this.prune = () => resolve(true);
    });
    const through = (this.options.scenario === "rotation" ? this.rotation() : this.firstKey()).then(
      () => false as const,
    );
    const wasPruned = await Promise.race([through, pruned]);
    if (!wasPruned) this.checkEnd();
    return {
      points: this.points,
      violations: this.violations,
      outages: this.outages,
      previousLived: this.previousLived,
      lines: this.lines,
      pruned: wasPruned,
      mints: this.world.keys().length,
      repeatsIdempotencyKey: this.world.repeatsIdempotencyKey,
    };
  }

  // The drivers: Secrets Manager with its retries, the auditor, Terraform

  private async rotation(): Promise<void> {
    const { secretsManager, clock } = this.world;
    const patience = clock.now() + PATIENCE;
    this.world.requestRotation();
    while (clock.now() < patience) {
      const invocation = secretsManager.nextInvocation();
      if (invocation) {
        const ending = await this.run((deps) => this.invoke(deps, invocation));
        if (ending === "succeeded") secretsManager.invocationSucceeded(invocation.id);
        else secretsManager.invocationFailed(invocation.id);
        await this.advanceTo(clock.now() + INVOCATION);
        continue;
      }
      if (this.isSettled()) return;
      const auditAt = this.auditor.nextAt();
      const otherwiseAt = this.nextHappening();
      if (otherwiseAt <= auditAt) await this.advanceTo(Math.min(otherwiseAt, patience));
      else {
        await this.advanceTo(auditAt);
        await this.audit();
      }
    }
  }

  private async audit(): Promise<void> {
    const report = await this.auditor.audit();
    this.note(`audited: ${report?.findings.map(({ name }) => name).join(", ") || "nothing found"}`);
    // What ended without a new key, and left nothing behind, is due again by its schedule.
    if (report?.asked.length === 0 && !this.world.isPendingApart && this.isStillAtBase())
      this.world.requestRotation();
  }

  /** When something is going to happen by itself: Secrets Manager tries again, a late call is applied, an attempt ends. */
  private nextHappening(): number {
    const retries = this.world.secretsManager.snapshot().pendingRotations.map(({ notBefore }) => notBefore);
    const late = this.late.map(({ at }) => at);
    const ends = this.attempts.filter(({ isAlive }) => isAlive).map(({ endsAt }) => endsAt);
    return Math.min(...retries, ...late, ...ends);
  }

  private isStillAtBase(): boolean {
    return this.world.versionWith("AWSCURRENT") === this.world.baseVersionId;
  }

  private async firstKey(): Promise<void> {
    for (let deploys = 0; deploys < 40; deploys++) {
      const ending = await this.run((deps) => this.deploy(deps));
      this.look();
      if (ending === "succeeded" && this.isSettled()) return;
      await this.advanceTo(this.world.clock.now() + 30 * SECOND);
    }
  }

  private invoke(deps: RotationDeps, { event }: Invocation): Promise<void> {
    return (this.options.step ?? runStep)(deps, {
      step: event.Step,
      secretArn: event.SecretId,
      token: event.ClientRequestToken,
      rotationToken: event.RotationToken,
    });
  }

  private async deploy(deps: RotationDeps): Promise<void> {
    await (this.options.ensure ?? ensureInstance)(
      { ...deps, apiKeySecretArn: this.world.operatorKeyArn, controlPlaneAuth: "api-key" },
      provisioningInput(this.world),
    );
  }

  /** Runs an attempt until it ends, dies, or is paused: in the last two cases its caller sees a failure. */
  private async run(work: (deps: RotationDeps) => Promise<void>): Promise<Ending> {
    const attempt = new Attempt(++this.serial, this.world.clock.now() + ATTEMPT_LIFE);
    this.attempts.push(attempt);
    work(this.depsFor(attempt)).then(
      () => this.finish(attempt, "succeeded"),
      (error: unknown) => {
        if (!(error instanceof Error)) throw error;
        this.note(`attempt ${attempt.serial} stops: ${error.message.slice(0, 110)}`);
        this.stopNames.push(error instanceof Stop ? error.state : error.name);
        if (error instanceof TypeError || error instanceof ReferenceError)
          this.violate("no crash of its own", String(error.stack));
        this.finish(attempt, "failed");
      },
    );
    return attempt.ended;
  }

  private finish(attempt: Attempt, ending: Ending): void {
    attempt.isAlive = false;
    attempt.end(ending);
    attempt.resume?.();
  }

  // Calls

  private depsFor(attempt: Attempt): RotationDeps {
    const { clock } = this.world;
    return portsOf(this.world, {
      serial: attempt.serial,
      call: (kind, label, apply) => this.call(attempt, kind, label, apply),
      remainingMs: () => Math.max(0, attempt.endsAt - clock.now()),
      sleep: async (milliseconds) => {
        await this.advanceTo(clock.now() + milliseconds, attempt);
        if (clock.now() >= attempt.endsAt) return this.die(attempt);
      },
    });
  }

  /** One call of a running attempt: the point at which anything may happen. */
  private async call<T>(attempt: Attempt, kind: CallKind, label: string, apply: () => T): Promise<T> {
    if (!attempt.isAlive || this.world.clock.now() >= attempt.endsAt) return this.die(attempt);
    const index = await this.point(kind, label, attempt);
    const fault = this.options.schedule.get(index);
    try {
      const result = await this.perform(attempt, kind, fault, apply);
      attempt.memory.push(`${label}=${JSON.stringify(result)}`);
      return result;
    } catch (error) {
      attempt.memory.push(`${label}!${error instanceof Error ? error.message : ""}`);
      throw error;
    } finally {
      this.look();
    }
  }

  private async perform<T>(
    attempt: Attempt,
    kind: CallKind,
    fault: Fault | undefined,
    apply: () => T,
  ): Promise<T> {
    const { world } = this;
    const take = (): T => carryOut(world, kind, apply);
    switch (fault) {
      case "refused":
        throw failureOf(kind, "no");
      case "failed":
        await this.advanceTo(world.clock.now() + CALL_TIMEOUT, attempt);
        throw failureOf(kind, "unknown");
      case "lost":
        attemptTo(take);
        await this.advanceTo(world.clock.now() + CALL_TIMEOUT, attempt);
        throw failureOf(kind, "unknown");
      case "repeated":
        attemptTo(take);
        return take();
      case "late-5":
      case "late-59": {
        const delay = fault === "late-5" ? 5 * SECOND : LATE_APPLICATION_MS - SECOND;
        this.late.push({ at: world.clock.now() + delay, apply: take });
        await this.advanceTo(world.clock.now() + (fault === "late-5" ? SECOND : CALL_TIMEOUT), attempt);
        throw failureOf(kind, "unknown");
      }
      case "crash-before":
        return this.die(attempt);
      case "crash-after":
        attemptTo(take);
        this.look();
        return this.die(attempt);
      case "stale":
        return readBeforeLastWrite(world, apply);
      case "pause": {
        const waking = new Promise<void>((resolve) => {
          attempt.resume = resolve;
        });
        attempt.end("paused");
        await waking;
        if (!attempt.isAlive || world.clock.now() >= attempt.endsAt) return this.die(attempt);
        return take();
      }
      case "click":
        attemptTo(() =>
          world.controlPlane.refresh(SAMPLE_WORKSPACE_ID, world.controlPlane.allInstances()[0]?.id ?? ""),
        );
        break;
      case "outside-put":
        storeCurrentAgain(world);
        break;
      case "deploy":
        await this.run((deps) => this.deploy(deps));
        break;
      case "rotate-again":
        world.requestRotation();
        break;
      case "operator-pauses":
        await pauseRotation(world, OPERATORS_PAUSE);
        break;
      case "grace-ends":
        await this.advanceTo(world.clock.now() + world.configuration.graceHours * HOUR + MINUTE, attempt);
        break;
    }
    if (fault !== undefined && world.clock.now() >= attempt.endsAt) return this.die(attempt);
    return take();
  }

  private die<T>(attempt: Attempt): Promise<T> {
    attempt.isAlive = false;
    attempt.end("died");
    return forever();
  }

  // Time

  /** Moves the clock, with what falls due on the way; a paused attempt may wake just before its end. */
  private async advanceTo(time: number, mover?: Attempt): Promise<void> {
    for (;;) {
      const sleeper = this.attempts.find(
        (attempt) => attempt !== mover && attempt.isAlive && attempt.resume && attempt.endsAt <= time,
      );
      const due = this.late
        .filter(({ at }) => at <= (sleeper ? sleeper.endsAt - SECOND : time))
        .sort((a, b) => a.at - b.at)[0];
      if (due) {
        this.late = this.late.filter((item) => item !== due);
        this.setTime(due.at);
        attemptTo(due.apply);
        this.note("a late call is applied");
        this.look();
        continue;
      }
      if (!sleeper) break;
      this.setTime(sleeper.endsAt - SECOND);
      const index = await this.point("time", "a paused attempt is about to end", mover);
      if (this.options.schedule.get(index) !== "wake") this.finish(sleeper, "died");
    }
    this.setTime(time);
    this.look();
  }

  private setTime(time: number): void {
    if (time > this.world.clock.time) this.world.clock.time = time;
  }

  // Points and what is looked at

  private async point(kind: CallKind, label: string, attempt: Attempt | undefined): Promise<number> {
    const index = this.count++;
    const sleeper = this.attempts.find((other) => other !== attempt && other.isAlive && other.resume);
    const fault = this.options.schedule.get(index);
    if (index > this.lastFault) {
      const fingerprint = this.world.fingerprint(this.memory(attempt, label));
      const stale = this.world.beforeLastWrite;
      const canLag = stale !== undefined && this.world.clock.now() - stale.at <= READ_LAG_BOUND;
      const own = FAULTS_OF[kind].filter((option) => option !== "stale" || canLag);
      const outside = kind === "time" || this.options.scenario === "first-key" ? [] : this.outside;
      const options = [...(sleeper ? (["wake"] as const) : []), ...own, ...outside];
      this.points.push({ index, kind, label, fingerprint, options });
      if (this.options.isKnown?.(fingerprint)) {
        this.prune?.();
        return forever();
      }
    }
    this.note(`${label}${fault ? `  <-- ${fault}` : ""}`, attempt);
    if (fault === "wake" && sleeper?.resume) {
      const woken = sleeper.resume;
      sleeper.resume = undefined;
      const ended = new Promise<void>((resolve) => {
        sleeper.end = () => resolve();
      });
      woken();
      await ended;
      this.look();
    }
    return index;
  }

  private memory(attempt: Attempt | undefined, label: string): string {
    const alive = this.attempts.filter((one) => one.isAlive);
    const late = this.late.map(({ at }) => at).join(",");
    const audited = JSON.stringify(this.auditor.record.item);
    return `${attempt?.serial}|${label}|${late}|${audited}|${alive.map((one) => `${one.serial}:${one.endsAt}:${one.resume ? "p" : ""}${one.memory.join(";")}`).join("|")}`;
  }

  private note(line: string, attempt?: Attempt): void {
    const seconds = ((this.world.clock.now() - Date.UTC(2026, 0, 2)) / SECOND).toFixed(0);
    this.lines.push(`${seconds.padStart(7)} s  ${attempt ? `attempt ${attempt.serial}: ` : ""}${line}`);
  }

  /** After every change: is the key under AWSCURRENT accepted, and what of the one that left it. */
  private look(): void {
    const { world } = this;
    const now = world.clock.now();
    const current = world.keyUnder(world.versionWith("AWSCURRENT"));
    if (current !== this.lastCurrent) {
      if (this.lastCurrent !== undefined && this.outageFrom === undefined)
        this.leftCurrent.set(this.lastCurrent, now);
      this.lastCurrent = current;
    }
    this.checkPrevious(now);
    const refused = current !== undefined && !world.controlPlane.isAccepted(current);
    if (refused && this.outageFrom === undefined) {
      const diesAt = world.keys().find(({ value }) => value === current)?.diesAt ?? now;
      this.outageFrom = Math.min(diesAt, now);
    } else if (!refused && this.outageFrom !== undefined) {
      this.outages.push({ from: this.outageFrom, until: now });
      this.outageFrom = undefined;
    }
  }

  /** A key that left AWSCURRENT is what consumers live on that have not read the new one yet. */
  private checkPrevious(now: number): void {
    const { controlPlane } = this.world;
    for (const [key, leftAt] of this.leftCurrent) {
      if (controlPlane.isAccepted(key)) continue;
      this.leftCurrent.delete(key);
      this.previousLived.push(Math.max(0, now - leftAt));
    }
  }

  private isSettled(): boolean {
    const { world } = this;
    if (this.late.length > 0 || this.attempts.some(({ isAlive }) => isAlive)) return false;
    const current = world.versionWith("AWSCURRENT");
    const key = world.keyUnder(current);
    const newest = world.keys().at(-1)?.value;
    return (
      current !== undefined &&
      current !== world.baseVersionId &&
      !world.isPendingApart &&
      key !== undefined &&
      key === newest &&
      world.controlPlane.isAccepted(key)
    );
  }

  private checkEnd(): void {
    if (this.outageFrom !== undefined) {
      this.outages.push({ from: this.outageFrom, until: Number.POSITIVE_INFINITY });
    }
    if (!this.isSettled()) this.violate("converges once faults stop", this.stopNames.slice(-3).join(", "));
    this.checkMints();
    const isCounted = this.options.scenario === "first-key" || this.world.secret().lastRotatedAt !== null;
    if (!isCounted && this.options.schedule.size === 0)
      this.violate("Secrets Manager counts the rotation as done", "");
  }

  /** Every mint was decided, and every minted key is stored or accounted for. */
  private checkMints(): void {
    const { world } = this;
    const foreign = [...this.options.schedule.values()].filter((fault) => fault === "click").length;
    const provisioned = this.options.scenario === "rotation" ? 1 : 0;
    const minted = world.keys().length - provisioned - foreign;
    const decided = world.intentRecords().reduce((sum, item) => sum + Number(item.mint?.N), 0);
    if (minted > decided) this.violate("no mint that nobody decided", `${minted} minted, ${decided} decided`);
    const stored = new Set(world.secret().versions.map(({ id }) => world.keyUnder(id)));
    const lost = world.keys().filter(({ value }) => !stored.has(value)).length - foreign;
    const accounted = decided - world.intentRecords().filter((item) => item.outcome?.S === "promoted").length;
    if (lost > Math.max(accounted, 0))
      this.violate("every key stored or accounted for", `${lost} lost, ${accounted} accounted`);
  }

  private violate(rule: string, detail: string): void {
    this.violations.push({ rule, detail });
  }
}
