import { notSupported } from "./errors";
import type { Input } from "./input";
import type { Secret, ServiceEvent, Snapshot, StateOptions } from "./model";
import { batchGetSecretValue, listSecrets, listSecretVersionIds } from "./operations/listing";
import { getRandomPassword } from "./operations/password";
import {
  deleteResourcePolicy,
  getResourcePolicy,
  putResourcePolicy,
  validateResourcePolicy,
} from "./operations/policy";
import { cancelRotateSecret, functionToRotateWith, rotateSecret } from "./operations/rotation";
import {
  createSecret,
  deleteSecret,
  describeSecret,
  restoreSecret,
  updateSecret,
} from "./operations/secrets";
import { tagResource, untagResource } from "./operations/tags";
import { getSecretValue, putSecretValue, updateSecretVersionStage } from "./operations/values";
import { type Invocation, invocationFailed, invocationSucceeded, nextInvocation, tick } from "./rotation";
import { Store } from "./store";

type Operation = (store: Store, input: Input, region: string) => object;

const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ["BatchGetSecretValue", batchGetSecretValue],
  ["CancelRotateSecret", cancelRotateSecret],
  ["CreateSecret", createSecret],
  ["DeleteResourcePolicy", deleteResourcePolicy],
  ["DeleteSecret", deleteSecret],
  ["DescribeSecret", describeSecret],
  ["GetRandomPassword", getRandomPassword],
  ["GetResourcePolicy", getResourcePolicy],
  ["GetSecretValue", getSecretValue],
  ["ListSecretVersionIds", listSecretVersionIds],
  ["ListSecrets", listSecrets],
  ["PutResourcePolicy", putResourcePolicy],
  ["PutSecretValue", putSecretValue],
  ["RestoreSecret", restoreSecret],
  ["RotateSecret", rotateSecret],
  ["TagResource", tagResource],
  ["UntagResource", untagResource],
  ["UpdateSecret", updateSecret],
  ["UpdateSecretVersionStage", updateSecretVersionStage],
  ["ValidateResourcePolicy", validateResourcePolicy],
]);

/** The names of the operations that are imitated. */
export const SUPPORTED_OPERATIONS: readonly string[] = [...OPERATIONS.keys()];

const REPLICATION = [
  "AssociateCrossAccountReplica",
  "DisassociateCrossAccountReplica",
  "RemoveRegionsFromReplication",
  "ReplicateSecretToRegions",
  "StopReplicationToReplica",
];

/**
 * Secrets Manager as a pure state machine: no timer, no promise and no I/O, and the clock and the ids come from
 * outside. Requests and answers are those of the wire protocol: times are seconds since the epoch, binary values are
 * base64. Answers share nothing with the state.
 *
 * Rotation is driven from outside: `tick` starts what the schedule has due, `nextInvocation` hands out a step, and
 * one of `invocationSucceeded` and `invocationFailed` answers it.
 */
export class SecretsManagerState {
  private readonly store: Store;

  constructor(options: StateOptions) {
    this.store = new Store(options);
  }

  /**
   * Performs one operation of the API. Throws a `SecretsManagerError`, and has changed nothing then, except that a
   * refused RotateSecret may have queued the unfinished rotation again, as its text says.
   *
   * @param region of the caller, for the ARN of a new secret; the state's own by default
   */
  call(operation: string, input: object, region: string = this.store.region): object {
    const perform = OPERATIONS.get(operation);
    if (REPLICATION.includes(operation)) throw notSupported("Replication");
    if (perform === undefined) throw notSupported(`The operation ${operation}`);
    return perform(this.store, input as Input, region);
  }

  /** Starts the rotations whose window has opened. To be called whenever time has passed. */
  tick(): void {
    tick(this.store);
  }

  /**
   * Until when time may pass without a need for `tick` and `nextInvocation`, in milliseconds since the epoch; infinite
   * where nothing is scheduled.
   */
  nextDueAt(): number {
    return this.store.nextDueAt();
  }

  /** The next step to invoke, from then on running; `null` if none is due. At most one step of a secret runs. */
  nextInvocation(): Invocation | null {
    return nextInvocation(this.store);
  }

  /** The function returned. Ignored if the rotation has been cancelled or abandoned since. */
  invocationSucceeded(id: string): void {
    invocationSucceeded(this.store, id);
  }

  /** The function failed, or timed out, or couldn't be invoked. Ignored as above. */
  invocationFailed(id: string): void {
    invocationFailed(this.store, id);
  }

  /** The function which a RotateSecret request would invoke; `null` where the request is going to be refused. */
  functionToRotateWith(input: object): string | null {
    return functionToRotateWith(this.store, input as Input);
  }

  /** The latest events, oldest first. */
  get events(): readonly ServiceEvent[] {
    return this.store.recorded();
  }

  /** A secret as the state holds it, labels and values included; `null` if there is none of that name or ARN. */
  secret(id: string): Secret | null {
    return this.store.find(id);
  }

  /** All data, to be taken as read-only: it shares its parts with the state. Costs one shallow copy of each list. */
  snapshot(): Snapshot {
    return this.store.snapshot();
  }

  restore(snapshot: Snapshot): void {
    this.store.restore(snapshot);
  }
}
