import { listFleet, lookAtFleet, readIntents } from "../../../core/audit/look-at-fleet";
import { NOTHING } from "../../../core/audit/memory";
import { Use } from "../../../core/audit/use";
import type { ListedSecret } from "../../../core/secrets/fleet";
import { DAY, HOUR } from "../../../local/clock";
import { SECRET_ARN, START } from "../../../proofs/harness/builders";
import { intentRecord, listed, runAt } from "./facts-builder";

const secret = (overrides: Partial<ListedSecret> = {}): ListedSecret => ({ ...listed(), ...overrides });
const use = () => new Use(NOTHING.use, 30 * DAY);

/** Secrets Manager, which lists one thing and knows another. */
function fleetOf(now: ListedSecret) {
  const described: string[] = [];
  return {
    described,
    describe: async (arn: string) => {
      described.push(arn);
      return now;
    },
    versionTimes: async () => new Map([["version-2", START + HOUR]]),
  };
}

test("all pages of the list are taken, ten a second", async () => {
  const asked: string[][] = [];
  const waits: number[] = [];
  const fleet = {
    list: async function* (...names: [string, string]) {
      asked.push(names);
      yield [secret(), secret()];
      yield [secret()];
    },
  };
  const all = await listFleet({ fleet, sleep: async (ms) => void waits.push(ms) }, runAt(START));

  expect([all.length, asked, waits]).toEqual([3, [["valmi/dev/", "/agent-key"]], [100, 100]]);
});

test("intents that can't be read are none, and it is said why", async () => {
  const all = async function* () {
    yield intentRecord();
    throw Object.assign(new Error(), { name: "AccessDeniedException" });
  };
  expect(await readIntents({ all })).toEqual({ bySecret: new Map(), unreadable: "AccessDeniedException" });
});

test("a key at rest is taken from the list, with what is remembered of it", async () => {
  const fleet = fleetOf(secret());
  const before = {
    ...NOTHING,
    askedAt: { [SECRET_ARN]: START },
    issued: { [SECRET_ARN]: { versionId: "version-1", at: START - DAY } },
  };
  const [look] = await lookAtFleet({ fleet, use: use() }, { before }, [secret()], new Map());

  expect(look).toMatchObject({ currentVersionId: "version-1", askedAt: START, issuedAt: START - DAY });
  expect(fleet.described).toEqual([]);
});

test("a date that is remembered of another version is not this one's", async () => {
  const before = { ...NOTHING, issued: { [SECRET_ARN]: { versionId: "version-0", at: START } } };
  const [look] = await lookAtFleet(
    { fleet: fleetOf(secret()), use: use() },
    { before },
    [secret()],
    new Map(),
  );

  expect(look).not.toHaveProperty("issuedAt");
});

test.each([
  [
    "AWSPENDING stands apart",
    secret({ versionStages: { "version-1": ["AWSCURRENT"], "version-2": ["AWSPENDING"] } }),
    [],
  ],
  ["a mint is unfinished", secret(), [intentRecord()]],
])("whatever may be acted upon is looked at as it is now: %s", async (_, inList, intents) => {
  const now = secret({ versionStages: { "version-1": ["AWSCURRENT"], "version-2": ["AWSPENDING"] } });
  const fleet = fleetOf(now);
  const [look] = await lookAtFleet(
    { fleet, use: use() },
    { before: NOTHING },
    [inList],
    new Map([[SECRET_ARN, intents]]),
  );

  expect(fleet.described).toEqual([SECRET_ARN]);
  expect(look).toMatchObject({ pendingVersionId: "version-2", pendingSince: START + HOUR });
});
