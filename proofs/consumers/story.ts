import { inspect } from "node:util";
import { agentKeys, READ_SPACING_MS, type RotatingAgentKey } from "../../agent/agent-keys";
import { AgentKeyUnreadableError, type ReadSecret } from "../../agent/secret-reader";
import { AgentKey } from "../../core/key/credential";
import type { AgentKeyRecord } from "../../core/key/stored-value";
import { DAY, HOUR, MINUTE, SECOND } from "../../local/clock";
import { record, START } from "../harness/builders";
import { Random } from "../harness/random";
import { VirtualTime } from "./virtual-time";

/** Some days in the life of one secret and the agent that uses its key; everything random follows from the seed. */
const LENGTH = 5 * DAY;
const CACHE_MS = 5 * MINUTE;
/** How long a read may show what was there before: what the rotation protocol reckons with, too. */
const LONGEST_LAG = 10 * SECOND;
const READ_LIMIT = 10 * SECOND;

export interface StoryOptions {
  /** `calm`: rotations only. `stormy`: with lag, throttling, AWS out of reach, revocations, slow activation. */
  readonly weather: "calm" | "stormy";
  /** What calls the Control Plane. @default - the library */
  readonly agent?: (keys: RotatingAgentKey) => RotatingAgentKey["call"];
}

/** What was seen. `broken` tells each promise that was not kept. */
export interface Figures {
  readonly rotations: number;
  readonly revocations: number;
  readonly calls: number;
  readonly failedCalls: number;
  readonly reads: number;
  readonly failedReads: number;
  readonly mostAttempts: number;
  readonly broken: readonly string[];
}

interface Key {
  readonly record: AgentKeyRecord;
  acceptedFrom: number;
  acceptedUntil: number;
}

interface Stored {
  readonly from: number;
  readonly current: Key;
  readonly previous: Key | undefined;
}

interface Span {
  readonly from: number;
  readonly until: number;
}

const overlaps = (spans: readonly Span[], from: number, until: number) =>
  spans.some((span) => span.from <= until && from < span.until);

export async function playStory(seed: number, options: StoryOptions): Promise<Figures> {
  const random = new Random(`consumers/${options.weather}/${seed}`);
  const stormy = options.weather === "stormy";
  const time = new VirtualTime(START);
  const between = (least: number, most: number) => Math.round(random.between(least, most));
  const graceMs = stormy && random.chance(0.3) ? between(0, 10) * SECOND : 24 * HOUR;

  // The Control Plane and the secret
  const minted: Key[] = [];
  const stored: Stored[] = [];
  let rotations = 0;
  let revocations = 0;
  const latest = () => stored.at(-1) as Stored;
  const isAccepted = (key: Key, from: number, until = from) =>
    key.acceptedFrom <= from && until < key.acceptedUntil;

  async function rotate(): Promise<void> {
    const before = stored.at(-1)?.current;
    const refreshedAt = time.now();
    if (before) before.acceptedUntil = Math.min(before.acceptedUntil, refreshedAt + graceMs);
    const key: Key = {
      record: record({
        agentKey: new AgentKey(`agent_${seed}_${minted.length}_key`),
        issuedAt: refreshedAt,
        ...(before && { previousKeyExpiresAt: refreshedAt + graceMs }),
      }),
      acceptedFrom: refreshedAt,
      acceptedUntil: Number.POSITIVE_INFINITY,
    };
    minted.push(key);
    await time.sleep(before ? between(1, 5) * SECOND : 0);
    // Tested and accepted; in a storm, a part of the Control Plane doesn't know it yet.
    if (stormy && before && random.chance(0.3)) key.acceptedFrom = time.now() + between(1, 60) * SECOND;
    stored.push({ from: time.now(), current: key, previous: before });
    rotations += before ? 1 : 0;
  }

  async function life(): Promise<void> {
    for (;;) {
      await time.sleep(between(26 * HOUR, 40 * HOUR));
      if (time.now() >= START + LENGTH) return;
      await rotate();
      if (!stormy || random.chance(0.4)) continue;
      await time.sleep(between(0, random.chance(0.5) ? 10 * MINUTE : 20 * HOUR));
      const { current, previous } = latest();
      const revoked = previous && random.chance(0.3) ? previous : current;
      revoked.acceptedUntil = Math.min(revoked.acceptedUntil, time.now());
      revocations += 1;
      if (revoked === current) {
        await time.sleep(between(0, 2 * HOUR));
        await rotate();
      }
    }
  }

  const outages: Span[] = [];
  const throttled: Span[] = [];
  for (const [spans, longest] of [
    [outages, 20 * HOUR],
    [throttled, HOUR],
  ] as const) {
    for (let count = stormy ? between(0, 4) : 0; count > 0; count--) {
      const from = START + MINUTE + between(0, LENGTH);
      spans.push({ from, until: from + between(SECOND, random.chance(0.5) ? longest / 60 : longest) });
    }
  }

  // The library's reads
  const broken: string[] = [];
  const outputs: string[] = [];
  let reads = 0;
  const failedAt: number[] = [];
  let readNow = 0;
  let lastReadEnd = Number.NEGATIVE_INFINITY;
  let knownCurrent: Key | undefined;
  let knownPrevious: { readonly key: Key; readonly of: Key } | undefined;

  const read: ReadSecret = async (label) => {
    reads += 1;
    readNow += 1;
    if (readNow > 1) broken.push("two reads at a time");
    if (label === "AWSCURRENT" && time.now() < lastReadEnd + READ_SPACING_MS) broken.push("a read too soon");
    const asOf = time.now() - (stormy && random.chance(0.5) ? between(0, LONGEST_LAG) : 0);
    const begun = time.now();
    try {
      await time.sleep(random.chance(0.02) && stormy ? between(SECOND, READ_LIMIT) : between(10, 200));
      if (overlaps(outages, begun, time.now())) {
        await time.sleep(random.chance(0.5) ? 0 : READ_LIMIT);
        throw new AgentKeyUnreadableError("ECONNREFUSED");
      }
      if (overlaps(throttled, begun, time.now()) && random.chance(0.7)) {
        throw new AgentKeyUnreadableError("ThrottlingException");
      }
      const seen = stored.findLast(({ from }) => from <= asOf) ?? (stored[0] as Stored);
      const key = label === "AWSCURRENT" ? seen.current : seen.previous;
      if (!key) throw new AgentKeyUnreadableError("ResourceNotFoundException");
      if (label === "AWSCURRENT") knownCurrent = key;
      else knownPrevious = { key, of: knownCurrent as Key };
      return key.record;
    } catch (error) {
      failedAt.push(time.now());
      outputs.push(inspect(error));
      throw error;
    } finally {
      readNow -= 1;
      lastReadEnd = time.now();
    }
  };

  // The agent's calls
  let calls = 0;
  let failedCalls = 0;
  let mostAttempts = 0;
  const keys = agentKeys(
    { secretId: "valmi/dev/support/agent-key", cacheMs: CACHE_MS },
    { read, clock: time, steady: time.now, sleep: time.sleep },
  );
  const callWith = options.agent?.(keys) ?? keys.call;

  /** A key that the library knew or could have read all through the call, and that was accepted all through it. */
  function usable(from: number, until: number): string | undefined {
    const hasGrace = ({ record }: Key) => until < (record.previousKeyExpiresAt ?? 0);
    const known = [
      ...(knownCurrent ? [knownCurrent] : []),
      ...(knownPrevious && knownPrevious.of === knownCurrent && hasGrace(knownPrevious.of)
        ? [knownPrevious.key]
        : []),
    ];
    if (known.some((key) => isAccepted(key, from, until))) return "known";
    if (overlaps(outages, from, until) || failedAt.some((at) => from <= at && at <= until)) return undefined;
    const { from: since, current, previous } = latest();
    if (since > from - LONGEST_LAG) return undefined;
    const readable = [current, ...(previous && hasGrace(current) ? [previous] : [])];
    return readable.some((key) => isAccepted(key, from, until)) ? "readable" : undefined;
  }

  async function call(): Promise<void> {
    const from = time.now();
    const tried: AgentKey[] = [];
    const { status } = await callWith(async (key) => {
      if (tried.some((one) => one.equals(key))) broken.push("a key tried twice in one call");
      tried.push(key);
      await time.sleep(between(10, 300));
      const now = time.now();
      return {
        status: minted.some((one) => one.record.agentKey.equals(key) && isAccepted(one, now)) ? 200 : 401,
      };
    });
    calls += 1;
    mostAttempts = Math.max(mostAttempts, tried.length);
    outputs.push(inspect(keys.status()));
    if (status !== 401) return;
    failedCalls += 1;
    const found = usable(from, time.now());
    if (found) broken.push(`a call failed at ${(from - START) / SECOND} s, and a key was ${found}`);
  }

  async function agent(): Promise<void> {
    const pauses = [10 * SECOND, MINUTE, 20 * MINUTE];
    const pause = pauses[between(0, 2)] as number;
    while (time.now() < START + LENGTH) {
      await call();
      await time.sleep(between(pause, 2 * pause));
    }
  }

  /** Many calls at once, now and then. */
  async function bursts(): Promise<void> {
    while (time.now() < START + LENGTH) {
      await time.sleep(between(0, 6 * HOUR));
      await Promise.all(Array.from({ length: 10 }, call));
    }
  }

  const first = rotate();
  await time.run();
  await first;
  const all = Promise.all([life(), agent(), bursts()]);
  await time.run();
  await all;

  if (options.weather === "calm" && reads > LENGTH / CACHE_MS + 2 + 2 * rotations) {
    broken.push(`${reads} reads for ${rotations} rotations`);
  }
  const shown = outputs.join("\n");
  if (minted.some(({ record: { agentKey } }) => shown.includes(agentKey.reveal())))
    broken.push("a key was shown");
  return {
    rotations,
    revocations,
    calls,
    failedCalls,
    reads,
    failedReads: failedAt.length,
    mostAttempts,
    broken,
  };
}

/** What reads its key at its start and never again. */
export const readsOnce: NonNullable<StoryOptions["agent"]> = (keys) => {
  let key: Promise<AgentKey> | undefined;
  return async (use) => {
    key ??= keys.current();
    return use(await key);
  };
};
