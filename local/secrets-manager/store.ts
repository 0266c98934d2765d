import type { Clock } from "../../core/clock";
import { markedForDeletion, notFound } from "./errors";
import { labelUpdated, type RotationEventName, rotationEvent } from "./events";
import { type IdSource, randomIds } from "./ids";
import {
  type PendingRotation,
  type RotationWindow,
  type Secret,
  type ServiceEvent,
  type Snapshot,
  type StateOptions,
  UNDOCUMENTED_DEFAULTS,
  type Undocumented,
} from "./model";
import { movedLabels, PENDING, PREVIOUS } from "./versions";

const SUFFIX_LENGTH = "-123456".length;

/** Holds the secrets, their rotations and the events, and finds secrets by name and ARN. Knows none of the rules. */
export class Store {
  readonly clock: Clock;
  readonly accountId: string;
  readonly region: string;
  readonly undocumented: Undocumented;
  /** At most one rotation per secret, by its name, in the order in which they were started. */
  readonly rotations = new Map<string, PendingRotation>();
  private readonly ids: IdSource;
  private readonly eventLimit: number;
  private readonly onEvent: (event: ServiceEvent) => void;
  private readonly secrets = new Map<string, Secret>();
  /** The scheduler has nothing to do before this instant. */
  private schedulerDueAt = 0;
  private events: ServiceEvent[] = [];
  private idsDrawn = 0;

  constructor(options: StateOptions) {
    this.clock = options.clock;
    this.accountId = options.accountId ?? "000000000000";
    this.region = options.region ?? "eu-west-1";
    this.ids = options.ids ?? randomIds;
    this.eventLimit = options.eventLimit ?? 10_000;
    this.onEvent = options.onEvent ?? (() => {});
    this.undocumented = { ...UNDOCUMENTED_DEFAULTS, ...options.undocumented };
  }

  uuid(): string {
    return this.ids.uuid(this.idsDrawn++);
  }

  newArn(name: string, region: string): string {
    return `arn:aws:secretsmanager:${region}:${this.accountId}:secret:${name}-${this.ids.arnSuffix(this.idsDrawn++)}`;
  }

  /** Finds a secret by name, ARN or an ARN without its suffix. One whose recovery window is over is gone. */
  find(id: string): Secret | null {
    const secret = id.startsWith("arn:") ? this.findByArn(id) : this.secrets.get(id);
    if (secret === undefined) return null;
    if (secret.deletionAt !== null && secret.deletionAt <= this.clock.now()) {
      this.remove(secret);
      return null;
    }
    return secret;
  }

  private findByArn(arn: string): Secret | undefined {
    const marker = ":secret:";
    const rest = arn.slice(arn.indexOf(marker) + marker.length);
    const complete = this.secrets.get(rest.slice(0, -SUFFIX_LENGTH));
    if (complete?.arn === arn) return complete;
    const partial = this.secrets.get(rest);
    return partial?.arn.slice(0, -SUFFIX_LENGTH) === arn ? partial : undefined;
  }

  /** Throws `ResourceNotFoundException`. */
  get(id: string): Secret {
    const secret = this.find(id);
    if (secret === null) throw notFound();
    return secret;
  }

  /** As `get`; throws `InvalidRequestException` too, where the secret is scheduled for deletion. */
  getUsable(id: string): Secret {
    const secret = this.get(id);
    if (secret.deletionAt !== null) throw markedForDeletion();
    return secret;
  }

  all(): Secret[] {
    return [...this.secrets.keys()].flatMap((name) => this.find(name) ?? []);
  }

  save(secret: Secret): Secret {
    this.secrets.set(secret.name, secret);
    this.schedulerDueAt = Math.min(this.schedulerDueAt, this.dueAt(secret));
    return secret;
  }

  /**
   * The secrets whose rotation window opens or closes about now. Each is handed out once, and again after it was saved.
   * Quick where there is none, since it is asked often.
   */
  takeDue(): Secret[] {
    const now = this.clock.now();
    if (now < this.schedulerDueAt) return [];
    const dueAts = this.all().map((secret) => ({ secret, at: this.dueAt(secret) }));
    const due = dueAts.filter(({ at }) => at <= now);
    const later = dueAts.filter(({ at }) => at > now);
    this.schedulerDueAt = Math.min(Number.POSITIVE_INFINITY, ...later.map(({ at }) => at));
    return due.map(({ secret }) => secret);
  }

  /** Nothing is due before this instant: neither a window nor a waiting step. Infinite where nothing ever is. */
  nextDueAt(): number {
    const waiting = [...this.rotations.values()].filter(({ running }) => !running);
    return Math.min(this.schedulerDueAt, ...waiting.map(({ notBefore }) => notBefore));
  }

  /** When the scheduler has to look at the secret: its window is to be used, or is over. */
  private dueAt({ rotation, deletionAt }: Secret): number {
    if (!rotation?.enabled || rotation.window === null || deletionAt !== null)
      return Number.POSITIVE_INFINITY;
    return rotation.window.used ? rotation.window.closesAt : this.startOf(rotation.window);
  }

  /** When a scheduled rotation starts. */
  startOf({ opensAt, closesAt }: RotationWindow): number {
    return opensAt + this.undocumented.windowFraction * (closesAt - opensAt);
  }

  /** Saves new labels and reports those that moved, except AWSPENDING and AWSPREVIOUS, as AWS does. */
  saveVersions(before: Secret, after: Secret): Secret {
    if (this.eventLimit > 0) {
      for (const { label, versionId } of movedLabels(before.versions, after.versions)) {
        if (label === PENDING || label === PREVIOUS) continue;
        const detail = { name: after.name, labelUpdated: label, versionId };
        this.record(labelUpdated(this.envelope(after.arn), detail));
      }
    }
    return this.save(after);
  }

  remove(secret: Secret): void {
    this.secrets.delete(secret.name);
    this.rotations.delete(secret.name);
  }

  reportRotation(
    eventName: RotationEventName,
    secretArn: string,
    token: string,
    errorMessage: string | null = null,
  ): void {
    if (this.eventLimit === 0) return;
    this.record(rotationEvent(this.envelope(secretArn), eventName, token, errorMessage));
  }

  private envelope(secretArn: string) {
    return { id: this.uuid(), now: this.clock.now(), secretArn };
  }

  private record(event: ServiceEvent): void {
    this.events.push(event);
    if (this.events.length > this.eventLimit) this.events.shift();
    this.onEvent(event);
  }

  recorded(): readonly ServiceEvent[] {
    return this.events;
  }

  snapshot(): Snapshot {
    return {
      secrets: [...this.secrets.values()],
      pendingRotations: [...this.rotations.values()],
      events: [...this.events],
      idsDrawn: this.idsDrawn,
    };
  }

  restore({ secrets, pendingRotations, events, idsDrawn }: Snapshot): void {
    this.secrets.clear();
    for (const secret of secrets) this.secrets.set(secret.name, secret);
    this.schedulerDueAt = 0;
    this.rotations.clear();
    const names = new Map(secrets.map(({ arn, name }) => [arn, name]));
    for (const rotation of pendingRotations) {
      const name = names.get(rotation.secretArn);
      if (name !== undefined) this.rotations.set(name, rotation);
    }
    this.events = [...events];
    this.idsDrawn = idsDrawn;
  }
}
