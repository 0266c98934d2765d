import { realSleep, type Sleep } from "../core/budget";
import { type Clock, type Mark, stopwatch, systemClock } from "../core/clock";
import { DEFAULT_GRACE_PERIOD_HOURS } from "../core/contract";
import type { AgentKey } from "../core/key/credential";
import { HOUR_MS, SECOND_MS } from "../core/time";
import { isUnauthorised } from "./refusal";
import {
  type AgentKeyUnreadableError,
  type ReadSecret,
  type SecretSource,
  secretReader,
  secretsManagerFor,
} from "./secret-reader";
import type { StoredKey } from "./stored-key";

/** No read begins sooner than this after the last one has ended, whatever is asked of it. */
export const READ_SPACING_MS = 5 * SECOND_MS;
/** While the secret can't be read, the time between two reads doubles, as far as this; a refused key asks at once. */
export const LONGEST_SPACING_MS = 80 * SECOND_MS;

export interface AgentKeysOptions {
  /** Name or ARN of the agent key's secret. */
  readonly secretId: string;
  /** For how long a key that was read is given out without another read, in milliseconds. @default 300000 (5 minutes) */
  readonly cacheMs?: number;
  /** How long the Control Plane goes on accepting a replaced key. Only told, by `status()`. @default 24 */
  readonly gracePeriodHours?: number;
  /**
   * @default - a new client. Its region is the one of the secret's ARN, else of AWS_REGION, AWS_DEFAULT_REGION or the AWS profile.
   * HTTPS_PROXY, NO_PROXY and AWS_CA_BUNDLE have an effect on it.
   */
  readonly secretsManager?: SecretSource;
}

/** The key of one agent, as it rotates. */
export interface RotatingAgentKey {
  /**
   * The key to use now. A key that was read once is given out while Secrets Manager is out of reach, too.
   *
   * @throws AgentKeyUnreadableError only where no key could be read yet
   */
  current(): Promise<AgentKey>;
  /**
   * Does something with the key to use now. Where the Control Plane refuses that key, the secret is read again, once, and
   * the call repeated with the key found there; and where that one is refused too (not live yet, or revoked), with the key
   * under AWSPREVIOUS, as long as its recorded grace period lasts. No key is tried twice.
   *
   * @param use makes the call; repeated only after a refusal
   * @param isRefused whether the Control Plane refused the key, by what `use` resolved to or rejected with
   * (default: status 401)
   * @returns what the last call resolved to, a refusal included; rejects with what the last call rejected with
   * @throws AgentKeyUnreadableError only where no key could be read yet
   */
  call<T>(use: (key: AgentKey) => Promise<T>, isRefused?: (outcome: unknown) => boolean): Promise<T>;
  /**
   * Reads the secret now (not sooner than 5 seconds after the last read) and gives the key under AWSCURRENT.
   *
   * @throws AgentKeyUnreadableError
   */
  refresh(): Promise<AgentKey>;
  /** How things stand; `undefined` before the first key. Reads nothing. */
  status(): AgentKeysStatus | undefined;
}

export interface AgentKeysStatus {
  /** Names the key under AWSCURRENT without giving it away. */
  readonly fingerprint: string;
  /** When that was last seen there, in milliseconds since the epoch. */
  readonly seenAt: number;
  /**
   * Until when it works at the least, even if it was replaced right after it was seen. Sooner only where it is revoked, or
   * a rotation was unfinished then.
   */
  readonly worksUntil: number;
  /** Why the last read failed; absent where it didn't. */
  readonly failure?: AgentKeyUnreadableError;
}

/** What the library does not make itself. Another way to read, and virtual time, for tests. */
export interface AgentKeysPorts {
  readonly read: ReadSecret;
  readonly clock: Clock;
  /** Milliseconds since some moment; never goes back. Lengths are measured by it, so that a clock may be set. */
  readonly steady: () => number;
  readonly sleep: Sleep;
}

/**
 * The key of one agent, read from Secrets Manager and kept up to date. One for each secret and process is enough.
 *
 * How often it reads is bounded: in use and undisturbed once in 5 minutes; one more read for each key that is replaced
 * (the one under AWSPREVIOUS, during its grace period); and whatever is refused or fails, no sooner than 5 seconds after
 * the last read, for all callers together. A call whose key is refused waits for the read that it needs.
 *
 * @example
 * const keys = agentKeys({ secretId: "valmi/production/support/agent-key" });
 * const response = await keys.call((key) => fetch(url, { headers: { "X-Agent-Secret": key.reveal() } }));
 */
export function agentKeys(options: AgentKeysOptions, ports: Partial<AgentKeysPorts> = {}): RotatingAgentKey {
  const { secretId, cacheMs = 300 * SECOND_MS, gracePeriodHours = DEFAULT_GRACE_PERIOD_HOURS } = options;
  for (const [name, value] of Object.entries({ cacheMs, gracePeriodHours })) {
    if (!(value >= 0)) throw new RangeError(`\`${name}\`: must be 0 or more, got: ${value}`);
  }
  const { clock = systemClock, sleep = realSleep } = ports;
  const watch = stopwatch(clock, ports.steady);
  const read = ports.read ?? secretReader(options.secretsManager ?? secretsManagerFor(secretId), secretId);

  /** What was last read under AWSCURRENT. */
  let held: { readonly stored: StoredKey; readonly seen: Mark } | undefined;
  /** What was read under AWSPREVIOUS beside `of`. */
  let previous: { readonly key: AgentKey; readonly of: AgentKey } | undefined;
  /** The current key is refused and the previous one isn't; forgotten with each read. */
  let prefersPrevious = false;
  /** A key was refused since the last read, so what was read under AWSPREVIOUS is read again. */
  let isDoubted = false;
  let failure: AgentKeyUnreadableError | undefined;
  let failures = 0;
  let lastReadEnd: Mark | undefined;
  let reading: { begun: boolean; readonly done: Promise<void> } | undefined;

  const sinceLastRead = () => (lastReadEnd ? watch.since(lastReadEnd) : Number.POSITIVE_INFINITY);

  /** The one read at a time. It waits until it may begin; whoever wants a read meanwhile gets this one. */
  function readOnce(): Promise<void> {
    if (reading) return reading.done;
    const run = async () => {
      const waitMs = READ_SPACING_MS - sinceLastRead();
      if (waitMs > 0) await sleep(waitMs);
      if (reading) reading.begun = true;
      try {
        await readBoth();
        failure = undefined;
        failures = 0;
      } catch (error) {
        failure = error as AgentKeyUnreadableError;
        failures += 1;
        throw error;
      } finally {
        lastReadEnd = watch.mark();
        reading = undefined;
      }
    };
    reading = { begun: false, done: Promise.resolve().then(run) };
    return reading.done;
  }

  async function readBoth(): Promise<void> {
    const seen = watch.mark();
    const stored = await read("AWSCURRENT");
    held = { stored, seen };
    prefersPrevious = false;
    const isKnown = previous?.of.equals(stored.agentKey) && !isDoubted;
    isDoubted = false;
    if (isKnown || !isInGrace(stored)) return;
    // Read before it is needed, so that it is there when Secrets Manager isn't. Without it, all goes on.
    const before = await read("AWSPREVIOUS").catch(() => undefined);
    if (before) previous = { key: before.agentKey, of: stored.agentKey };
  }

  const isInGrace = ({ previousKeyExpiresAt }: StoredKey) => clock.now() < (previousKeyExpiresAt ?? 0);

  /** The key under AWSPREVIOUS, where it is known and in its grace period. */
  function fallback(): AgentKey | undefined {
    return held && isInGrace(held.stored) && previous?.of.equals(held.stored.agentKey)
      ? previous.key
      : undefined;
  }

  function keyToUse(): AgentKey | undefined {
    return (prefersPrevious ? fallback() : undefined) ?? held?.stored.agentKey;
  }

  async function current(): Promise<AgentKey> {
    const ageMs = held ? watch.since(held.seen) : Number.POSITIVE_INFINITY;
    if (ageMs >= cacheMs) await readWhenStale(ageMs);
    return keyToUse() as AgentKey;
  }

  /** Nobody waits for a read who has a key that was in use until now, or when reads fail. */
  async function readWhenStale(ageMs: number): Promise<void> {
    if (!held) return readOnce();
    const spacingMs = Math.min(READ_SPACING_MS * 2 ** failures, LONGEST_SPACING_MS);
    if (sinceLastRead() < spacingMs) return;
    const done = readOnce().catch(() => {});
    const failsNow = failures > 0 && sinceLastRead() < cacheMs;
    if (ageMs >= 2 * cacheMs && !failsNow) await done;
  }

  /** A read that began before a refusal may show what was there before it. */
  async function readAfterRefusal(refused: AgentKey): Promise<void> {
    if (reading?.begun) await reading.done.catch(() => {});
    isDoubted = true;
    if (held?.stored.agentKey.equals(refused)) await readOnce().catch(() => {});
  }

  return {
    current,
    async call(use, isRefused = isUnauthorised) {
      const tried: AgentKey[] = [];
      const untried = (key: AgentKey | undefined) =>
        key && !tried.some((one) => one.equals(key)) ? key : undefined;
      let hasRead = false;
      for (let key = await current(); ; ) {
        const outcome = await outcomeOf(use, key);
        if (!isRefused(outcome.value)) {
          if (tried.length > 0) prefersPrevious = fallback()?.equals(key) ?? false;
          return outcome.give();
        }
        tried.push(key);
        let next = untried(held?.stored.agentKey);
        if (!next && !hasRead) {
          hasRead = true;
          await readAfterRefusal(key);
          next = untried(held?.stored.agentKey);
        }
        next ??= untried(fallback());
        if (!next) return outcome.give();
        key = next;
      }
    },
    async refresh() {
      await readOnce();
      return (held as NonNullable<typeof held>).stored.agentKey;
    },
    status() {
      if (!held) return undefined;
      const { stored, seen } = held;
      return {
        fingerprint: stored.agentKey.fingerprint,
        seenAt: seen.time,
        worksUntil: seen.time + gracePeriodHours * HOUR_MS,
        ...(failure && { failure }),
      };
    },
  };
}

async function outcomeOf<T>(use: (key: AgentKey) => Promise<T>, key: AgentKey) {
  try {
    const value = await use(key);
    return { value, give: () => value };
  } catch (error) {
    const give = (): T => {
      throw error;
    };
    return { value: error, give };
  }
}
