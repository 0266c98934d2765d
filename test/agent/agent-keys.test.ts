import { inspect } from "node:util";
import { type AgentKeysOptions, agentKeys } from "../../agent/agent-keys";
import { AgentKeyUnreadableError } from "../../agent/secret-reader";
import { AgentKey } from "../../core/key/credential";
import type { AgentKeyRecord } from "../../core/key/stored-value";
import { FrozenClock, HOUR, MINUTE, SECOND } from "../../local/clock";
import { record, START } from "../../proofs/harness/builders";

/** A secret of numbered keys, its reader's calls, and a Control Plane that accepts some of the keys. */
class Stage {
  readonly clock = new FrozenClock();
  readonly reads: string[] = [];
  readonly accepted = new Set<string>();
  readonly attempts: string[] = [];
  isReadable = true;
  /** Reads of AWSPREVIOUS still show the version before. */
  previousLags = false;
  /** Holds reads up until it is called. */
  release: (() => void) | undefined;
  /** The counter that is never set, where it differs from the clock. */
  steady: number | undefined;
  readonly sleeps: number[] = [];
  private readonly records: AgentKeyRecord[] = [];
  readonly keys;

  constructor(options: Partial<AgentKeysOptions> = {}) {
    this.rotate();
    this.keys = agentKeys(
      { secretId: "valmi/dev/support/agent-key", ...options },
      {
        clock: this.clock,
        steady: () => this.steady ?? this.clock.now(),
        sleep: async (milliseconds) => {
          this.sleeps.push(milliseconds);
          this.pass(milliseconds);
        },
        read: async (label) => {
          this.reads.push(`${label === "AWSCURRENT" ? "current" : "previous"} ${this.seconds()}`);
          const found = this.records.at(label === "AWSCURRENT" ? -1 : this.previousLags ? -3 : -2);
          if (this.release === undefined && !this.isReadable)
            throw new AgentKeyUnreadableError("out of reach");
          if (this.release) {
            await new Promise<void>((resolve) => {
              this.release = resolve;
            });
          }
          if (!found) throw new AgentKeyUnreadableError("no such version");
          return found;
        },
      },
    );
  }

  /** Time goes by, upon the clock and upon the counter. */
  pass(milliseconds: number): void {
    this.clock.advanceBy(milliseconds);
    if (this.steady !== undefined) this.steady += milliseconds;
  }

  seconds = () => (this.clock.now() - START) / SECOND;

  /** A new key, accepted; the one before it goes on being accepted until it is revoked. */
  rotate(graceMs = 24 * HOUR): void {
    const now = this.clock.now();
    this.records.push(
      record({
        agentKey: new AgentKey(`agent_key_${this.records.length}`),
        issuedAt: now,
        ...(this.records.length > 0 && { previousKeyExpiresAt: now + graceMs }),
      }),
    );
    this.accepted.add(this.records.at(-1)?.agentKey.reveal() ?? "");
  }

  revoke(key: number): void {
    this.accepted.delete(`agent_key_${key}`);
  }

  /** One call of the agent's; the status that it ended with. */
  async call(): Promise<number> {
    const { status } = await this.keys.call(async (key) => {
      this.attempts.push(key.reveal());
      return { status: this.accepted.has(key.reveal()) ? 200 : 401 };
    });
    return status;
  }
}

const current = async (stage: Stage) => (await stage.keys.current()).reveal();

describe("current", () => {
  test("is read once in five minutes", async () => {
    const stage = new Stage();
    expect(await current(stage)).toBe("agent_key_0");
    stage.rotate();
    stage.clock.advanceBy(5 * MINUTE - 1);
    expect(await current(stage)).toBe("agent_key_0");
    expect(stage.reads).toEqual(["current 0"]);
  });

  test("after that is the new key, and nobody waited for the read", async () => {
    const stage = new Stage();
    await current(stage);
    stage.rotate();
    stage.clock.advanceBy(5 * MINUTE);
    stage.release = () => {};
    expect(await current(stage)).toBe("agent_key_0");
    stage.release();
    stage.release = undefined;
    await new Promise(setImmediate);
    expect(await current(stage)).toBe("agent_key_1");
    expect(stage.reads).toEqual(["current 0", "current 300", "previous 300"]);
  });

  test("is waited for where the last one has not been used for long", async () => {
    const stage = new Stage();
    await current(stage);
    stage.rotate();
    stage.clock.advanceBy(10 * MINUTE);
    expect(await current(stage)).toBe("agent_key_1");
  });

  test("is read once for all who ask at the same time", async () => {
    const stage = new Stage();
    const keys = await Promise.all(Array.from({ length: 50 }, () => current(stage)));
    expect(new Set(keys)).toEqual(new Set(["agent_key_0"]));
    expect(stage.reads).toEqual(["current 0"]);
  });

  test("is kept while Secrets Manager is out of reach, which is asked less and less often", async () => {
    const stage = new Stage();
    await current(stage);
    stage.isReadable = false;
    for (let second = 0; second < HOUR / SECOND; second++) {
      stage.clock.advanceBy(SECOND);
      expect(await current(stage)).toBe("agent_key_0");
    }
    const times = stage.reads.map((read) => Number(read.split(" ")[1]));
    expect(times.slice(0, 7)).toEqual([0, 300, 310, 330, 370, 450, 530]);
    expect(times).toHaveLength(2 + Math.floor((3600 - 300 - 70) / 80) + 3);
    expect(stage.keys.status()).toMatchObject({
      seenAt: START,
      worksUntil: START + 24 * HOUR,
      failure: { message: "out of reach" },
    });

    stage.isReadable = true;
    stage.rotate();
    stage.clock.advanceBy(80 * SECOND);
    await current(stage);
    await new Promise(setImmediate);
    expect(await current(stage)).toBe("agent_key_1");
    expect(stage.keys.status()?.failure).toBeUndefined();
  });

  test("rejects only where there never was one, and asks no more than once in 5 seconds for it", async () => {
    const stage = new Stage();
    stage.isReadable = false;
    expect(stage.keys.status()).toBeUndefined();
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(stage.keys.current()).rejects.toThrow(AgentKeyUnreadableError);
    }
    expect(stage.reads).toEqual(["current 0", "current 5", "current 10"]);
    stage.isReadable = true;
    expect(await current(stage)).toBe("agent_key_0");
  });
});

describe("a call whose key is refused", () => {
  test("is repeated once with the key that was read anew", async () => {
    const stage = new Stage();
    await stage.call();
    stage.rotate(0);
    stage.revoke(0);
    stage.clock.advanceBy(MINUTE);
    expect(await stage.call()).toBe(200);
    expect(stage.attempts).toEqual(["agent_key_0", "agent_key_0", "agent_key_1"]);
    expect(stage.reads).toEqual(["current 0", "current 60"]);
  });

  test("reads once for all that are refused together", async () => {
    const stage = new Stage();
    await stage.call();
    stage.rotate(0);
    stage.revoke(0);
    stage.clock.advanceBy(MINUTE);
    const statuses = await Promise.all(Array.from({ length: 50 }, () => stage.call()));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(stage.reads).toEqual(["current 0", "current 60"]);
  });

  test("waits for its read until five seconds after the last one", async () => {
    const stage = new Stage();
    await stage.call();
    stage.rotate(0);
    stage.revoke(0);
    stage.clock.advanceBy(2 * SECOND);
    expect(await stage.call()).toBe(200);
    expect(stage.reads).toEqual(["current 0", "current 5"]);
  });

  test("takes no read for its own that began before the refusal", async () => {
    const stage = new Stage();
    await stage.call();
    stage.clock.advanceBy(5 * MINUTE);
    stage.release = () => {};
    await stage.keys.current();
    await new Promise(setImmediate);
    stage.revoke(0);
    const call = stage.call();
    await new Promise(setImmediate);
    stage.release();
    stage.release = undefined;
    stage.rotate(0);
    expect(await call).toBe(200);
    expect(stage.attempts.slice(-2)).toEqual(["agent_key_0", "agent_key_1"]);
  });

  test("falls back on the previous key inside its recorded grace period, and goes on with it", async () => {
    const stage = new Stage();
    stage.rotate();
    stage.revoke(1);
    expect(await stage.call()).toBe(200);
    expect(await stage.call()).toBe(200);
    expect(stage.attempts).toEqual(["agent_key_1", "agent_key_0", "agent_key_0"]);
    expect(await current(stage)).toBe("agent_key_0");
  });

  test("comes back to the current key with the next read", async () => {
    const stage = new Stage();
    stage.rotate();
    stage.revoke(1);
    await stage.call();
    stage.accepted.add("agent_key_1");
    stage.clock.advanceBy(10 * MINUTE);
    await stage.call();
    expect(stage.attempts.at(-1)).toBe("agent_key_1");
  });

  test("does not try the previous key after its grace period, even if it would be accepted", async () => {
    const stage = new Stage();
    stage.rotate();
    stage.revoke(1);
    await stage.call();
    stage.clock.advanceBy(24 * HOUR);
    stage.attempts.length = 0;
    expect(await stage.call()).toBe(401);
    expect(stage.attempts).toEqual(["agent_key_1"]);
  });

  test("reads the previous key again that a lagging read showed", async () => {
    const stage = new Stage();
    stage.rotate(0);
    stage.rotate();
    stage.previousLags = true;
    await stage.call();
    stage.previousLags = false;
    stage.revoke(0);
    stage.revoke(2);
    expect(await stage.call()).toBe(200);
    expect(stage.attempts.at(-1)).toBe("agent_key_1");
  });

  test("has the previous key at hand while Secrets Manager is out of reach", async () => {
    const stage = new Stage();
    stage.rotate();
    await stage.call();
    stage.isReadable = false;
    stage.revoke(1);
    expect(await stage.call()).toBe(200);
    expect(stage.attempts.at(-1)).toBe("agent_key_0");
  });

  test("gives back the refusal where no stored key is accepted, after one read in five seconds at the most", async () => {
    const stage = new Stage();
    await stage.call();
    stage.revoke(0);
    for (let call = 0; call < 10; call++) expect(await stage.call()).toBe(401);
    expect(stage.attempts).toHaveLength(11);
    expect(stage.reads.map((read) => Number(read.split(" ")[1]))).toEqual(
      Array.from({ length: 11 }, (_, read) => 5 * read),
    );
  });

  test.each<[string, unknown]>([
    ["status", { status: 401 }],
    ["statusCode", { statusCode: 401 }],
    ["response.status", { response: { status: 401 } }],
  ])("is known by what it rejects with, too: %s", async (_, thrown) => {
    const stage = new Stage();
    await stage.call();
    stage.rotate();
    const use = async (key: AgentKey) => {
      if (key.reveal() === "agent_key_0") throw thrown;
      return "done";
    };
    expect(await stage.keys.call(use)).toBe("done");
  });

  test("is known as the caller says", async () => {
    const stage = new Stage();
    await stage.call();
    stage.rotate();
    const use = async (key: AgentKey) => key.reveal();
    expect(await stage.keys.call(use, (outcome) => outcome === "agent_key_0")).toBe("agent_key_1");
  });
});

describe("a clock that is set back by hours", () => {
  async function setBack(): Promise<Stage> {
    const stage = new Stage();
    stage.steady = 0;
    await stage.call();
    stage.clock.advanceBy(-5 * HOUR);
    stage.rotate(0);
    stage.revoke(0);
    return stage;
  }

  test("makes no call wait for longer than five seconds", async () => {
    const stage = await setBack();
    expect(await stage.call()).toBe(200);
    expect(stage.sleeps).toEqual([5 * SECOND]);
    await stage.keys.refresh();
    expect(stage.sleeps).toEqual([5 * SECOND, 5 * SECOND]);
  });

  test("keeps no key for longer than five minutes", async () => {
    const stage = await setBack();
    stage.pass(10 * MINUTE);
    expect(await current(stage)).toBe("agent_key_1");
  });
});

test("the time in which a function is frozen counts, though no counter has counted it", async () => {
  const stage = new Stage();
  stage.steady = 0;
  await current(stage);
  stage.rotate();
  stage.clock.advanceBy(10 * MINUTE);
  expect(await current(stage)).toBe("agent_key_1");
});

test("any other failure is passed on and not repeated", async () => {
  const stage = new Stage();
  const use = jest.fn(() => Promise.reject(new Error("503")));
  await expect(stage.keys.call(use)).rejects.toThrow("503");
  expect(use).toHaveBeenCalledTimes(1);
});

test("refresh reads at once, and not twice in five seconds", async () => {
  const stage = new Stage();
  await stage.keys.refresh();
  stage.clock.advanceBy(MINUTE);
  stage.rotate();
  expect((await stage.keys.refresh()).reveal()).toBe("agent_key_1");
  await stage.keys.refresh();
  expect(stage.reads).toEqual(["current 0", "current 60", "previous 60", "current 65"]);
  stage.isReadable = false;
  await expect(stage.keys.refresh()).rejects.toThrow("out of reach");
});

test("prints no key, however it is printed", async () => {
  const stage = new Stage();
  const key = await stage.keys.current();
  const prints = [`${key}`, JSON.stringify({ key }), inspect(key), inspect(stage.keys, { depth: 9 })];
  const status = stage.keys.status();
  expect([...prints, JSON.stringify(status), inspect(status)].join("\n")).not.toContain("agent_key_0");
});

test.each([
  [{ cacheMs: -1 }, "`cacheMs`: must be 0 or more, got: -1"],
  [{ gracePeriodHours: Number.NaN }, "`gracePeriodHours`: must be 0 or more, got: NaN"],
])("refuses %j", (options, message) => {
  expect(() => agentKeys({ secretId: "x", ...options })).toThrow(message);
});
