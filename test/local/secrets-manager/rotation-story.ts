import { FrozenClock } from "../../../local/clock";
import { countedIds } from "../../../local/secrets-manager/ids";
import type { StateOptions } from "../../../local/secrets-manager/model";
import type { Invocation } from "../../../local/secrets-manager/rotation";
import { SecretsManagerState } from "../../../local/secrets-manager/state";

export const FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:rotate";

/** A token that reads well: 32 characters that begin with `name`. */
export const token = (name: string) => name.padEnd(32, "-");

/** What a rotation function does at a step; it fails where this throws. */
export type Behaviour = (event: Invocation["event"]) => void;

/** A state machine with one secret and a scripted rotation function, told step by step. */
export class RotationStory {
  readonly clock = new FrozenClock();
  readonly state: SecretsManagerState;
  /** Every step that was invoked, as `token step`. */
  readonly invoked: string[] = [];

  constructor(options: Omit<StateOptions, "clock"> = {}) {
    this.state = new SecretsManagerState({ clock: this.clock, ids: countedIds, ...options });
  }

  call(operation: string, input: object = {}): Record<string, unknown> {
    return this.state.call(operation, { SecretId: "key", ...input }) as Record<string, unknown>;
  }

  /** The code and text of the refusal. */
  refusal(operation: string, input: object = {}): string {
    try {
      this.call(operation, input);
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      return `${code}: ${message}`;
    }
    throw new Error(`${operation} was not refused`);
  }

  create(value: string | null = "one"): this {
    const SecretString = value === null ? {} : { SecretString: value };
    this.call("CreateSecret", { Name: "key", ClientRequestToken: token("first"), ...SecretString });
    return this;
  }

  put(value: string, name: string, labels?: readonly string[]): void {
    const VersionStages = labels && { VersionStages: labels };
    this.call("PutSecretValue", { ClientRequestToken: token(name), SecretString: value, ...VersionStages });
  }

  rotate(name: string, input: object = {}): void {
    this.call("RotateSecret", { ClientRequestToken: token(name), RotationLambdaARN: FUNCTION, ...input });
  }

  /** Labels by version, in the short names that `token` was given. */
  labels(): Record<string, string[]> {
    const versions = (this.call("DescribeSecret").VersionIdsToStages ?? {}) as Record<string, string[]>;
    return Object.fromEntries(
      Object.entries(versions).map(([id, labels]) => [id.replace(/-+$/, ""), labels]),
    );
  }

  read(which: object = {}): string {
    return this.call("GetSecretValue", which).SecretString as string;
  }

  eventNames(): string[] {
    return this.state.events.flatMap(({ detail }) => (detail.eventName as string | undefined) ?? []);
  }

  /** Stores the token as the new value, and promotes it at the end. */
  readonly works: Behaviour = ({ Step, ClientRequestToken }) => {
    if (Step === "createSecret") {
      this.call("PutSecretValue", {
        ClientRequestToken,
        SecretString: ClientRequestToken,
        VersionStages: ["AWSPENDING"],
      });
    }
    if (Step === "finishSecret") {
      const versions = this.call("DescribeSecret").VersionIdsToStages as Record<string, string[]>;
      const current = Object.keys(versions).find((id) => versions[id]?.includes("AWSCURRENT"));
      this.call("UpdateSecretVersionStage", {
        VersionStage: "AWSCURRENT",
        MoveToVersionId: ClientRequestToken,
        ...(current && { RemoveFromVersionId: current }),
      });
    }
  };

  readonly fails: Behaviour = () => {
    throw new Error("broken");
  };

  /** Runs what is due now, to its end. */
  run(behaviour: Behaviour = this.works): this {
    this.state.tick();
    for (let due = this.state.nextInvocation(); due !== null; due = this.state.nextInvocation()) {
      this.invoked.push(`${due.event.ClientRequestToken.replace(/-+$/, "")} ${due.event.Step}`);
      try {
        behaviour(due.event);
      } catch {
        this.state.invocationFailed(due.id);
        continue;
      }
      this.state.invocationSucceeded(due.id);
    }
    return this;
  }

  /** Lets time pass, stopping wherever something is due. */
  pass(milliseconds: number, behaviour: Behaviour = this.works): this {
    const end = this.clock.now() + milliseconds;
    this.run(behaviour);
    while (this.clock.now() < end) {
      this.clock.advanceBy(Math.max(0, Math.min(end, this.state.nextDueAt()) - this.clock.now()));
      this.run(behaviour);
    }
    return this;
  }
}
