import { ensureInstance } from "../../core/provisioning/convergence";
import type { RotationDeps } from "../../core/rotation/rotation";
import { runStep } from "../../core/rotation/steps";
import { DAY, HOUR, MINUTE, SECOND } from "../../local/clock";
import type { SecondRefresh } from "../../local/control-plane/model";
import { SAMPLE_WORKSPACE_ID } from "../../local/control-plane/seed";
import type { Invocation } from "../../local/secrets-manager/rotation";
import { Auditor } from "../explorer/auditor";
import {
  attemptTo,
  type CallKind,
  carryOut,
  failureOf,
  portsOf,
  provisioningInput,
  readBeforeLastWrite,
  storeCurrentAgain,
} from "../explorer/ports";
import { ATTEMPT_LIFE, AUDIT_INTERVAL, CALL_TIMEOUT } from "../explorer/promise";
import { type Configuration, FUNCTION_ARN, READ_LAG_BOUND, World } from "../explorer/world";
import { Random } from "../harness/random";
import { Agenda } from "./agenda";
import { FAULT_NAMES, Faults, type Strike } from "./faults";
import { Chronicle, type History } from "./history";
import { type Service, type ServiceOutage, serviceOf, Weather } from "./weather";

export interface AgentOptions {
  readonly seed: number;
  /** Which of the fleet's agents; with the seed, this is its whole fate. */
  readonly index: number;
  readonly years: number;
  readonly secondRefresh: SecondRefresh;
  readonly graceHours: number;
  /** Multiplies how often anything goes wrong, and how often people act. */
  readonly faultRate: number;
  /** Makes every audit, and skips none: the same results, a hundred times as slowly. @default false */
  readonly everyAudit?: boolean;
  /** @default the shipped steps */
  readonly step?: typeof runStep;
}

export const YEAR = 365.25 * DAY;
export const SIMULATION_START = Date.UTC(2026, 0, 1);

/** The rotation schedule of an environment that sets none. */
export const SCHEDULE = { AutomaticallyAfterDays: 90, Duration: "4h" } as const;

/** How far apart on average what people do comes, at a fault rate of 1. */
const DEPLOY_EVERY = 45 * DAY;
const MANUAL_ROTATION_EVERY = 2 * YEAR;
const CLICK_EVERY = 20 * YEAR;
const STORE_EVERY = 20 * YEAR;

const DEPLOY_AGAIN_AFTER = 10 * MINUTE;

/** From a call's start to its answer: [usual least, usual most]; one in 500 takes twenty times as long. */
const LATENCY: Readonly<Record<CallKind, readonly [number, number]>> = {
  "secret-read": [10, 80],
  "secret-write": [20, 150],
  "intent-read": [3, 20],
  "intent-write": [4, 30],
  "control-read": [50, 300],
  "control-write": [80, 600],
  time: [0, 0],
};

interface Attempt {
  readonly serial: number;
  readonly endsAt: number;
  isAlive: boolean;
  /** Tells the caller how it ended, at the first end that it sees. */
  readonly answer: (succeeded: boolean) => void;
}

/** A call that never returns, for an attempt that is no more. */
const forever = () => new Promise<never>(() => {});

/**
 * One agent's years: the shipped code over the state machines, in a virtual time that jumps from one happening to the
 * next. Attempts run beside each other as they would: each waits on the agenda for the answer of its calls.
 */
export class AgentLife {
  private readonly world: World;
  private readonly agenda = new Agenda();
  private readonly chronicle: Chronicle;
  private readonly auditor: Auditor;
  private readonly weather: Weather;
  private readonly faults: Faults;
  /** What becomes of calls. */
  private readonly chances: Random;
  /** What people do, and when. */
  private readonly life: Random;
  private readonly from: number;
  private readonly until: number;
  private readonly alive = new Set<Attempt>();
  private readonly crashes: string[] = [];
  private readonly spentIntents = { mints: 0, promoted: 0 };
  private readonly deploys = { done: 0, failed: 0 };
  private serial = 0;
  private late = 0;
  private readonly standstills: { readonly from: number; readonly until: number }[] = [];
  private lastIntents: World["intents"]["items"] | undefined;
  private handBack: (() => void) | undefined;
  private isProvisioned = false;

  constructor(
    private readonly options: AgentOptions,
    private readonly tell?: (line: string) => void,
  ) {
    const { seed, index, years, secondRefresh, graceHours, faultRate } = options;
    const stream = (name: string) => new Random(`${seed}/${index}/${name}`);
    this.chances = stream("calls");
    this.life = stream("life");
    this.faults = new Faults(this.chances, faultRate);
    const configuration: Configuration = {
      secondRefresh,
      graceHours,
      configuredGraceHours: graceHours,
      honoursIdempotencyKey: false,
      activationSeconds: 0,
      // Not documented; half of the agents live with either.
      retryToken: this.life.chance(0.5) ? "same" : "new",
      retryAfterMs: 10 * MINUTE,
    };
    this.world = new World(configuration, {
      provisioned: false,
      undocumented: { attempts: 5, retryOnDemandForMs: 0, windowFraction: this.life.next() },
    });
    this.chronicle = new Chronicle(this.world);
    this.from = SIMULATION_START + Math.round(this.life.next() * 90 * DAY);
    this.until = this.from + Math.round(years * YEAR);
    const offset = Math.floor(this.life.next() * AUDIT_INTERVAL);
    this.weather = new Weather(seed, SIMULATION_START, SIMULATION_START + (years + 1) * YEAR, faultRate);
    this.world.clock.time = this.from;
    this.auditor = new Auditor(this.world, {
      everyAudit: options.everyAudit ?? false,
      offset,
      isBlindAt: (time) => this.isBlindAt(time),
    });
  }

  /** To be called once. */
  async live(): Promise<History> {
    const { clock, secretsManager } = this.world;
    this.deploy();
    // A key that somebody else has put on its fuse shows when it dies, and only then.
    const patience = this.until + 3 * this.options.graceHours * HOUR + 7 * DAY;
    for (;;) {
      this.driveSecretsManager();
      const auditAt = this.auditor.nextAt();
      const dueAt = this.secretsManagerDueAt();
      const at = Math.min(this.agenda.nextAt(), dueAt, auditAt);
      const isAtPeace = this.chronicle.isTidy && this.isQuiet;
      if (at > this.until && isAtPeace) break;
      if (at > patience) break;
      clock.time = Math.max(clock.time, at);
      // An audit is the last among all that happens at one moment, whoever is to make it.
      if (this.agenda.nextAt() <= clock.time) await this.agenda.take()?.();
      else if (auditAt <= clock.time && dueAt > clock.time) await this.audit();
      this.look();
    }
    const hasConverged = this.chronicle.isTidy && this.isQuiet;
    clock.time = Math.max(clock.time, this.until);
    secretsManager.tick();
    this.spendIntents(Number.POSITIVE_INFINITY);
    const { from, until, deploys, crashes } = this;
    return this.chronicle.close({
      from,
      until,
      hasConverged,
      deploys,
      intents: this.spentIntents,
      crashes,
    });
  }

  private get now(): number {
    return this.world.clock.now();
  }

  private get isQuiet(): boolean {
    return this.late === 0 && this.alive.size === 0;
  }

  /** The years are over: from now on nothing goes wrong any more. */
  private get isCalm(): boolean {
    return this.now >= this.until;
  }

  private outageOf(service: Service): ServiceOutage | undefined {
    return this.isCalm ? undefined : this.weather.over(service, this.now);
  }

  private look(): void {
    this.chronicle.look(this.isQuiet);
    // At changes only, so that it matters not how often anybody looks.
    const { items } = this.world.intents;
    if (items !== this.lastIntents && items.size > 8) this.spendIntents(this.now);
    this.lastIntents = this.world.intents.items;
  }

  /** The table forgets what is past its time to live; what it has accounted for is kept here. */
  private spendIntents(now: number): void {
    const standing = [...this.world.intents.items].filter(([, item]) => {
      if (Number(item.expiresAt?.N) * SECOND > now) return true;
      this.spentIntents.mints += Number(item.mint?.N);
      if (item.outcome?.S === "promoted") this.spentIntents.promoted++;
      return false;
    });
    if (standing.length < this.world.intents.items.size) this.world.intents.items = new Map(standing);
  }

  // Secrets Manager, as the service itself

  private secretsManagerDueAt(): number {
    const due = this.world.secretsManager.nextDueAt();
    const outage = this.outageOf("Secrets Manager");
    // What is due and not started waits for something else: a test run that is under way, or the end of an outage.
    return Math.max(due, outage?.until ?? 0, due <= this.now ? this.now + SECOND : 0);
  }

  private driveSecretsManager(): void {
    if (this.outageOf("Secrets Manager")) return;
    const { secretsManager } = this.world;
    secretsManager.tick();
    for (let due = secretsManager.nextInvocation(); due; due = secretsManager.nextInvocation()) {
      const invocation = due;
      this.agenda.enter(this.now + this.chances.magnitude(100, 2_000), () => this.invoke(invocation));
    }
  }

  private invoke(invocation: Invocation): Promise<void> | void {
    const { secretsManager } = this.world;
    if (this.isFunctionDown()) {
      this.note(`${invocation.event.Step}: the function cannot be invoked`);
      return secretsManager.invocationFailed(invocation.id);
    }
    const { Step, SecretId, ClientRequestToken, RotationToken } = invocation.event;
    const request = {
      step: Step,
      secretArn: SecretId,
      token: ClientRequestToken,
      rotationToken: RotationToken,
    };
    return this.start(
      `${Step} ${ClientRequestToken.slice(-4)}`,
      (deps) => (this.options.step ?? runStep)(deps, request),
      (succeeded) => {
        if (succeeded) secretsManager.invocationSucceeded(invocation.id);
        else secretsManager.invocationFailed(invocation.id);
      },
    );
  }

  private isFunctionDown(): boolean {
    const outage = this.outageOf("Lambda");
    return (
      (this.standstills.at(-1)?.until ?? 0) > this.now ||
      (outage !== undefined && this.chances.chance(outage.severity))
    );
  }

  // The auditor, as it is shipped, at its own times

  private async audit(): Promise<void> {
    const report = await this.auditor.audit();
    if (report && report.asked.length > 0) this.note("the auditor asks for the rotation");
  }

  /** It looks at nothing while a service is down, or the function stands still. */
  private isBlindAt(time: number): boolean {
    return (
      this.standstills.some(({ from, until }) => from <= time && time < until) ||
      (time < this.until && this.weather.within(time, time + 1).length > 0)
    );
  }

  // People

  private plan(every: number, act: () => Promise<void> | void): void {
    if (!Number.isFinite(every)) return;
    const at = this.now + this.life.wait(every);
    if (at >= this.until) return;
    this.agenda.enter(at, () => {
      this.plan(every, act);
      return act();
    });
  }

  private planPeople(): void {
    const { faultRate } = this.options;
    const byHand = (strike: Strike, act: () => void) => () => {
      this.strike(strike, "");
      act();
    };
    this.plan(DEPLOY_EVERY, () => this.deploy());
    this.plan(MANUAL_ROTATION_EVERY / faultRate, () => {
      this.note("somebody asks for a rotation");
      this.world.requestRotation();
    });
    this.plan(
      CLICK_EVERY / faultRate,
      byHand("click", () => this.click()),
    );
    this.plan(
      STORE_EVERY / faultRate,
      byHand("outside-put", () => this.storeByHand()),
    );
  }

  private click(): void {
    const instance = this.world.controlPlane.allInstances()[0];
    if (!instance) return;
    attemptTo(() => {
      this.world.controlPlane.refresh(SAMPLE_WORKSPACE_ID, instance.id);
      this.chronicle.mintedByHand();
    });
  }

  /** The current value again, or the one before it: somebody believes that this undoes what they see. */
  private storeByHand(): void {
    const { world } = this;
    const previous = world.secret().versions.find(({ labels }) => labels.includes("AWSPREVIOUS"))?.value;
    if (!previous || this.life.chance(0.5)) storeCurrentAgain(world);
    else world.call("PutSecretValue", { SecretId: world.secretArn, SecretString: previous.data });
  }

  /** Terraform, by somebody who tries again until it is through. */
  private deploy(): void {
    const description = `release ${this.deploys.done}`;
    const input = provisioningInput(this.world, description);
    const deps = { apiKeySecretArn: this.world.operatorKeyArn, controlPlaneAuth: "api-key" } as const;
    const isDown = this.isFunctionDown() || this.outageOf("Secrets Manager") !== undefined;
    const answer = (succeeded: boolean) => {
      if (succeeded) {
        this.deploys.done++;
        if (!this.isProvisioned) this.switchRotationOn();
      } else {
        this.deploys.failed++;
        this.agenda.enter(this.now + DEPLOY_AGAIN_AFTER, () => this.deploy());
      }
    };
    const begin = () =>
      this.start(
        "deploy",
        async (ports) => {
          await ensureInstance({ ...ports, ...deps }, input);
        },
        answer,
      );
    if (isDown) answer(false);
    else this.agenda.enter(this.now, begin);
  }

  private switchRotationOn(): void {
    this.isProvisioned = true;
    this.world.call("RotateSecret", {
      SecretId: this.world.secretArn,
      RotationLambdaARN: FUNCTION_ARN,
      RotationRules: SCHEDULE,
      RotateImmediately: false,
    });
    this.planPeople();
  }

  // Attempts

  /** Runs an attempt to its first call; the agenda has it from there. */
  private start(
    what: string,
    work: (deps: RotationDeps) => Promise<void>,
    answer: (succeeded: boolean) => void,
  ): Promise<void> {
    let isAnswered = false;
    const attempt: Attempt = {
      serial: ++this.serial,
      endsAt: this.now + ATTEMPT_LIFE,
      isAlive: true,
      answer: (succeeded) => {
        if (!isAnswered) answer(succeeded);
        isAnswered = true;
      },
    };
    this.alive.add(attempt);
    this.note(`attempt ${attempt.serial} begins: ${what}`);
    const ports = portsOf(this.world, {
      serial: attempt.serial,
      call: (kind, label, apply) => this.call(attempt, kind, label, apply),
      remainingMs: () => Math.max(0, attempt.endsAt - this.now),
      sleep: (milliseconds) => this.wait(attempt, milliseconds),
    });
    return this.turn(() => {
      work(ports).then(
        () => this.end(attempt, true),
        (error: unknown) => {
          const text = error instanceof Error ? error.message : String(error);
          this.note(`attempt ${attempt.serial} stops: ${text.slice(0, 140)}`);
          const isOwnCrash = error instanceof TypeError || error instanceof ReferenceError;
          if (isOwnCrash) this.crashes.push(String(error.stack));
          this.end(attempt, false);
        },
      );
    });
  }

  /** Lets an attempt go on, until it waits again or is over. */
  private turn(goOn: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.handBack = resolve;
      goOn();
    });
  }

  private end(attempt: Attempt, succeeded: boolean): void {
    attempt.isAlive = false;
    this.alive.delete(attempt);
    attempt.answer(succeeded);
    this.handBack?.();
  }

  /** Lambda ends it, or it crashes: it never goes on. */
  private die(attempt: Attempt): Promise<never> {
    this.note(`attempt ${attempt.serial} dies`);
    this.end(attempt, false);
    return forever();
  }

  private wait(attempt: Attempt, milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const at = this.now + milliseconds;
      if (at >= attempt.endsAt) this.agenda.enter(attempt.endsAt, () => void this.die(attempt));
      else this.agenda.enter(at, () => this.turn(resolve));
      this.handBack?.();
    });
  }

  // Calls

  private async call<T>(attempt: Attempt, kind: CallKind, label: string, apply: () => T): Promise<T> {
    const outage = this.outageOf(serviceOf(kind));
    if (outage && this.chances.chance(outage.severity)) {
      return this.callDuringOutage(attempt, kind, label, apply, outage.service);
    }
    const strike = this.isCalm ? undefined : this.faults.strike(kind);
    const isStruck = strike !== undefined && (strike !== "stale" || this.mayReadLag());
    if (isStruck) this.strike(strike, label, attempt);
    else this.note(`attempt ${attempt.serial}: ${label}`);
    return isStruck ? this.struckCall(attempt, kind, strike, apply) : this.plainCall(attempt, kind, apply);
  }

  private async plainCall<T>(attempt: Attempt, kind: CallKind, apply: () => T): Promise<T> {
    await this.wait(attempt, this.latency(kind));
    return carryOut(this.world, kind, apply);
  }

  /** A service that is out of order refuses, or does not answer; what it did not answer it may have done. */
  private async callDuringOutage<T>(
    attempt: Attempt,
    kind: CallKind,
    label: string,
    apply: () => T,
    outageOf: Service,
  ): Promise<T> {
    const drawn = this.chances.next();
    const isWrite = kind === "secret-write" || kind === "intent-write" || kind === "control-write";
    const strike: Strike =
      isWrite && drawn < 0.15 ? "lost" : kind === "control-write" && drawn < 0.4 ? "failed" : "refused";
    this.strike(strike, label, attempt, outageOf);
    return this.struckCall(attempt, kind, strike, apply);
  }

  private async struckCall<T>(attempt: Attempt, kind: CallKind, strike: Strike, apply: () => T): Promise<T> {
    const take = (): T => carryOut(this.world, kind, apply);
    switch (strike) {
      case "refused":
        await this.wait(attempt, this.latency(kind));
        throw failureOf(kind, "no");
      case "failed":
        await this.wait(attempt, CALL_TIMEOUT);
        throw failureOf(kind, "unknown");
      case "lost":
        await this.wait(attempt, this.latency(kind));
        attemptTo(take);
        await this.wait(attempt, CALL_TIMEOUT);
        throw failureOf(kind, "unknown");
      case "repeated":
        await this.wait(attempt, this.latency(kind));
        attemptTo(take);
        return take();
      case "late-5":
      case "late-59": {
        const delay = strike === "late-5" ? this.chances.between(1, 10) : this.chances.between(10, 59);
        this.late++;
        this.agenda.enter(this.now + delay * SECOND, () => {
          this.late--;
          this.note("a late call is applied");
          attemptTo(take);
        });
        await this.wait(attempt, Math.min(delay * SECOND, CALL_TIMEOUT));
        throw failureOf(kind, "unknown");
      }
      case "crash-before":
        return this.die(attempt);
      case "crash-after":
        await this.wait(attempt, this.latency(kind));
        attemptTo(take);
        return this.die(attempt);
      case "stale":
        await this.wait(attempt, this.latency(kind));
        return readBeforeLastWrite(this.world, apply);
      case "pause":
        // Its caller gives it up; it goes on just the same, at some moment before its end.
        attempt.answer(false);
        await this.wait(attempt, this.chances.next() * (attempt.endsAt - this.now - SECOND));
        return take();
      case "click":
        this.click();
        break;
      case "outside-put":
        this.storeByHand();
        break;
      case "rotate-again":
        this.world.requestRotation();
        break;
      case "deploy":
        this.deploy();
        break;
      case "grace-ends":
        this.standstills.push({ from: this.now, until: this.now + this.options.graceHours * HOUR + MINUTE });
        return this.die(attempt);
    }
    return this.plainCall(attempt, kind, apply);
  }

  private latency(kind: CallKind): number {
    const [least, most] = LATENCY[kind];
    return this.chances.magnitude(least, most) * (this.chances.chance(1 / 500) ? 20 : 1);
  }

  private mayReadLag(): boolean {
    const { beforeLastWrite } = this.world;
    return beforeLastWrite !== undefined && this.now - beforeLastWrite.at <= READ_LAG_BOUND;
  }

  private strike(strike: Strike, label: string, attempt?: Attempt, outageOf?: Service): void {
    this.chronicle.strike({ strike, label, ...(outageOf === undefined ? {} : { outageOf }) });
    const who = attempt ? `attempt ${attempt.serial}: ${label}  <-- ` : "";
    this.note(`${who}${FAULT_NAMES[strike]}${outageOf === undefined ? "" : ` (outage of ${outageOf})`}`);
  }

  private note(line: string): void {
    // Formatting what nobody reads would be a tenth of the time.
    this.tell?.(`${new Date(this.now).toISOString().replace("T", " ").slice(0, 23)}  ${line}`);
  }
}
