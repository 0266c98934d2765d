import type { Clock } from "../../core/clock";
import type { IdSource } from "./ids";

/*
 * The data of the local Secrets Manager. Everything is plain and read-only: a change makes new objects along its path,
 * so that a snapshot can share what it holds with the living state. Times are milliseconds since the epoch.
 */

export interface Tag {
  readonly Key: string;
  readonly Value: string;
}

/** `data` is the text of a string value, and base64 of a binary one. */
export interface SecretValue {
  readonly kind: "string" | "binary";
  readonly data: string;
}

export interface Version {
  readonly id: string;
  readonly createdAt: number;
  /** Sorted, as AWS gives them back. */
  readonly labels: readonly string[];
  /** `null`: registered by a rotation, no value yet. */
  readonly value: SecretValue | null;
  /** `null`: the AWS managed key `aws/secretsmanager`. */
  readonly kmsKeyId: string | null;
  /** Start of the UTC day of the last read. */
  readonly lastAccessedDay: number | null;
}

/** In the words of the API. */
export interface RotationRules {
  readonly AutomaticallyAfterDays?: number;
  readonly Duration?: string;
  readonly ScheduleExpression?: string;
}

export interface RotationWindow {
  readonly opensAt: number;
  readonly closesAt: number;
  /** Whether the scheduler has started this window's rotation. */
  readonly used: boolean;
}

export interface RotationSettings {
  readonly enabled: boolean;
  readonly functionArn: string;
  readonly rules: RotationRules;
  /** Days count from here: the last rotation, manual change of the value, or else first configuration. */
  readonly countedFrom: number;
  /** The window in which the scheduler acts next; `null` without a schedule. */
  readonly window: RotationWindow | null;
  /** Given out as `NextRotationDate`; lies in the past after a window without success. */
  readonly nextRotationAt: number | null;
}

export interface Secret {
  readonly arn: string;
  readonly name: string;
  readonly description: string;
  /** `null`: the AWS managed key `aws/secretsmanager`. */
  readonly kmsKeyId: string | null;
  /** `null`: never tagged, which AWS tells apart from an empty list. */
  readonly tags: readonly Tag[] | null;
  readonly policy: string | null;
  readonly createdAt: number;
  readonly lastChangedAt: number;
  readonly lastAccessedDay: number | null;
  readonly lastRotatedAt: number | null;
  /** End of the recovery window; `null` while the secret isn't scheduled for deletion. */
  readonly deletionAt: number | null;
  readonly rotation: RotationSettings | null;
  /** Oldest first. */
  readonly versions: readonly Version[];
}

export const STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"] as const;
export type Step = (typeof STEPS)[number];

/** A rotation under way, or the test run that `RotateImmediately: false` asks for. At most one per secret. */
export interface PendingRotation {
  readonly secretArn: string;
  readonly functionArn: string;
  readonly kind: "rotation" | "test";
  /** The id of the version labelled AWSPENDING. */
  readonly token: string;
  readonly rotationToken: string;
  readonly step: Step;
  /** Counts whole runs of the steps, from 1. */
  readonly attempt: number;
  /** The step isn't invoked earlier. */
  readonly notBefore: number;
  /** A failed attempt is repeated only before this instant. */
  readonly retryUntil: number;
  /** Whether the step has been handed out and not been answered. */
  readonly running: boolean;
}

export interface ServiceEvent {
  readonly version: "0";
  readonly id: string;
  readonly "detail-type": string;
  readonly source: "aws.secretsmanager";
  readonly account: string;
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Everything the state machine knows, as JSON can hold it. */
export interface Snapshot {
  readonly secrets: readonly Secret[];
  readonly pendingRotations: readonly PendingRotation[];
  readonly events: readonly ServiceEvent[];
  readonly idsDrawn: number;
}

/** What AWS doesn't document, or documents as open. The defaults are AWS's recorded behaviour where there is one. */
export interface Undocumented {
  /** Runs of a rotation in one window, the first included. @default 5 */
  readonly attempts: number;
  /** From a failed attempt to the next, in milliseconds. @default 600000 */
  readonly retryAfterMs: number;
  /** Token of the next attempt. `new` registers a new empty version; the old one keeps its value, without a label. @default "same" */
  readonly retryToken: "same" | "new";
  /**
   * For how long after `RotateSecret` a failed rotation is repeated although no window is open, in milliseconds.
   * @default 0, since AWS documents retries for open windows only
   */
  readonly retryOnDemandForMs: number;
  /** AWSPENDING after a completed rotation: left beside AWSCURRENT, or taken off. @default "kept" */
  readonly pendingAfterRotation: "kept" | "removed";
  /**
   * A rotation whose function has taken AWSPENDING off the version that it promoted: counted as done, or as failed, which
   * AWS's documentation warns of. @default "completes"
   */
  readonly currentWithoutPending: "completes" | "fails";
  /**
   * Whether ListSecretVersionIds lists the version that a rotation registers, before it has a value: DescribeSecret shows
   * it. @default "listed"
   */
  readonly emptyVersions: "listed" | "unlisted";
  /** AWSPENDING after a failed test run. @default "removed" */
  readonly pendingAfterFailedTest: "kept" | "removed";
  /** Where in its window a scheduled rotation starts, from 0 (as it opens) to below 1. @default 0 */
  readonly windowFraction: number;
  /** Versions of a secret beyond which a new one is refused, if none can be pruned. @default 150 */
  readonly versionQuota: number;
}

export const UNDOCUMENTED_DEFAULTS: Undocumented = {
  attempts: 5,
  retryAfterMs: 10 * 60 * 1_000,
  retryToken: "same",
  retryOnDemandForMs: 0,
  pendingAfterRotation: "kept",
  currentWithoutPending: "completes",
  emptyVersions: "listed",
  pendingAfterFailedTest: "removed",
  windowFraction: 0,
  versionQuota: 150,
};

export interface StateOptions {
  readonly clock: Clock;
  /** @default "000000000000" */
  readonly accountId?: string;
  /** Region of a secret whose caller names none. @default "eu-west-1" */
  readonly region?: string;
  /** @default randomIds */
  readonly ids?: IdSource;
  /** How many of the latest events are kept; 0 makes none. @default 10000 */
  readonly eventLimit?: number;
  /** Told of each event at once. @default - nobody is */
  readonly onEvent?: (event: ServiceEvent) => void;
  readonly undocumented?: Partial<Undocumented>;
}
