import { AUDIT_INTERVAL_MS, dueIn, slotOf } from "../../../core/audit/intervals";
import { serialiseRecord } from "../../../core/key/stored-value";
import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { SECRET_NAME } from "../../../proofs/harness/builders";
import { FUNCTION_ARN, type LocalWorld } from "../../../proofs/harness/local-world";
import { AuditWorld, inWords } from "../../helpers/audit-world";

const ACCESS_DENIED = Object.assign(new Error("not authorized"), { name: "AccessDeniedException" });

/** Registers a rotation of which the function died before it did anything. */
function leavePending(world: LocalWorld): void {
  world.requestRotation();
  const due = world.secretsManager.nextInvocation();
  if (due) world.secretsManager.invocationFailed(due.id);
}

/** Writes an operator's pause upon the current version. */
async function pause(world: LocalWorld, milliseconds: number): Promise<void> {
  const now = world.clock.now();
  const current = world.versionWith("AWSCURRENT") ?? "";
  await world.invocation().intents.take({
    secretArn: world.secretArn,
    baseVersionId: current,
    versionId: current,
    owner: "operator",
    agentInstanceId: world.instance.id,
    takenAt: now,
    graceFrom: now,
    attemptEndsAt: now + milliseconds,
    mint: 0,
    idempotencyKey: "none",
    outcome: "paused",
    earlierMints: [],
    mintedAt: [],
    inVain: 0,
    ordered: false,
  });
}

test("a fleet at rest is listed every 5 minutes, checked once a day, and nobody is paged", async () => {
  const auditor = await AuditWorld.ready();
  await auditor.pass(DAY);

  expect(auditor.found).toEqual([]);
  expect(auditor.pages).toEqual([]);
  expect(auditor.asked).toEqual([]);
  expect(auditor.reports).toHaveLength(288);
  expect(auditor.reports.filter(({ report }) => report.checked > 0)).toHaveLength(1);
  expect(auditor.reports.at(-1)?.report).toMatchObject({ audited: 1, canPage: true });
  expect(auditor.world.minted).toHaveLength(1);
});

test("after a rotation the key is looked at every hour of its grace period", async () => {
  const auditor = await AuditWorld.ready();
  auditor.world.requestRotation();
  await auditor.world.runDueSteps();
  await auditor.pass(DAY, HOUR);

  expect(auditor.reports.filter(({ report }) => report.checked > 0).length).toBeGreaterThanOrEqual(23);
  expect(auditor.reports[0]?.report.leastGraceLeftMs).toBeGreaterThan(23 * HOUR);
  expect(auditor.pages).toEqual([]);
});

test("a label that was left behind is healed by the next run, and nothing is minted twice", async () => {
  const auditor = await AuditWorld.ready({ undocumented: { attempts: 1 } });
  leavePending(auditor.world);
  await auditor.pass(10 * MINUTE);

  expect(auditor.asked).toEqual(["support"]);
  expect(auditor.world.minted).toHaveLength(2);
  expect(auditor.world.currentIsAccepted).toBe(true);
  expect(auditor.pages).toEqual([]);
});

test("a key that is refused is paged at once, healed, and the page is resolved", async () => {
  const auditor = await AuditWorld.ready();
  auditor.world.clickRotate();
  await auditor.pass(2 * DAY, HOUR);

  expect(auditor.subjects).toEqual([
    "key-refused: dev/support, 0 h left",
    "Resolved: key-refused: dev/support",
  ]);
  expect(auditor.asked).toEqual(["support"]);
  expect(auditor.world.currentIsAccepted).toBe(true);
  // The first one, the one that was clicked, and the healing one.
  expect(auditor.world.minted).toHaveLength(3);
});

test("an old value that is stored again by hand is found within the hour", async () => {
  const auditor = await AuditWorld.ready();
  const { world } = auditor;
  const old = serialiseRecord(world.current);
  world.requestRotation();
  await world.runDueSteps();
  await auditor.pass(2 * DAY + 12 * HOUR, HOUR);
  expect(auditor.reports.at(-1)?.report.checked).toBe(0);

  world.put(world.newToken(), old);
  await auditor.pass(HOUR);
  expect(auditor.subjects).toEqual([
    "key-refused: dev/support, 0 h left",
    "Resolved: key-refused: dev/support",
  ]);
  expect(world.currentIsAccepted).toBe(true);
});

test("a page is sent again every day while its cause lasts, and a resolution once", async () => {
  const auditor = await AuditWorld.ready();
  auditor.world.updateInstance({ isActive: false });
  await auditor.pass(2 * DAY + 12 * HOUR, HOUR);
  expect(auditor.subjects).toEqual(Array(3).fill("instance-inactive: dev/support, 0 h left"));
  const [first = 0, second = 0, third = 0] = auditor.pages.map(({ at }) => at);
  expect([second - first, third - second].map((time) => Math.round(time / HOUR))).toEqual([24, 24]);

  auditor.world.updateInstance({ isActive: true });
  await auditor.pass(2 * HOUR);
  expect(auditor.subjects.slice(3)).toEqual(["Resolved: instance-inactive: dev/support"]);
  await auditor.pass(12 * HOUR, HOUR);
  expect(auditor.subjects).toHaveLength(4);
});

test("a page that could not be sent is sent when it can, and until then no heartbeat goes out", async () => {
  const auditor = await AuditWorld.ready();
  auditor.broken.publish = ACCESS_DENIED;
  auditor.world.setOperatorKey("token_wrong");
  await auditor.pass(2 * HOUR);
  expect(auditor.found).toEqual([
    "page operator-key-refused dev",
    "page self-test-failed dev",
    "page alert-route-broken dev",
  ]);
  expect(auditor.reports.at(-1)?.report.canPage).toBe(false);

  delete auditor.broken.publish;
  await auditor.pass(5 * MINUTE);
  expect(auditor.subjects.slice(0, 2)).toEqual([
    "operator-key-refused: dev/dev",
    "self-test-failed: dev/dev",
  ]);
});

test("that a cause is over is told when it can be", async () => {
  const auditor = await AuditWorld.ready();
  auditor.broken.mayNotBeInvoked = true;
  await auditor.audit();
  delete auditor.broken.mayNotBeInvoked;
  auditor.broken.publish = ACCESS_DENIED;
  await auditor.pass(70 * MINUTE);
  expect(auditor.subjects).toEqual(["invoke-permission-missing: dev/dev"]);

  delete auditor.broken.publish;
  await auditor.pass(10 * MINUTE);
  expect(auditor.subjects.slice(1)).toEqual(["Resolved: invoke-permission-missing: dev/dev"]);
  expect(auditor.found).toEqual([]);
});

test("a topic that nobody has confirmed is found, and no heartbeat goes out", async () => {
  const auditor = await AuditWorld.ready();
  auditor.broken.route = "nobody has confirmed a subscription";
  await auditor.pass(5 * MINUTE);

  expect(auditor.found).toEqual(["page alert-route-broken dev"]);
  expect(auditor.reports.at(-1)?.report.canPage).toBe(false);
});

test("a dry run says what it would ask for, and asks for nothing", async () => {
  const auditor = await AuditWorld.ready({ undocumented: { attempts: 1 } }, { heals: false });
  leavePending(auditor.world);
  await auditor.pass(3 * HOUR);

  expect(auditor.asked).toEqual([]);
  expect(auditor.world.minted).toHaveLength(1);
  expect(auditor.world.logged.map(({ message }) => message)).toContain("would ask for a rotation");
  expect(auditor.subjects).toEqual(["pending-left-behind: dev/support"]);
});

test("what only the date in a value shows is told once, and not anew at every look at the value", async () => {
  const rotation = { intervalMs: 2 * DAY, windowMs: DAY, functionArn: FUNCTION_ARN };
  const auditor = await AuditWorld.ready({}, { thresholds: { gracePeriodMs: DAY, rotation } });
  const { world } = auditor;
  const old = serialiseRecord(world.current);
  world.clock.advanceBy(2 * DAY);
  world.requestRotation();
  await world.runDueSteps();
  world.clock.advanceBy(2 * DAY);
  // By its rotations the key is 2 days old, by its value 4.
  world.put(world.newToken(), old);
  await pause(world, DAY);
  await auditor.pass(3 * HOUR);

  expect(auditor.subjects.sort()).toEqual([
    "key-refused: dev/support, 0 h left",
    "rotation-overdue: dev/support",
  ]);
});

test("an instance whose rotation is paused is left alone, and no longer than that", async () => {
  const auditor = await AuditWorld.ready();
  const { world } = auditor;
  await pause(world, 3 * DAY);
  world.clickRotate();
  await auditor.pass(3 * DAY - HOUR, HOUR);

  expect(auditor.asked).toEqual([]);
  expect(auditor.found).toEqual(["page key-refused support", "note paused support"]);
  await auditor.pass(HOUR - 5 * MINUTE);
  expect(auditor.asked).toEqual([]);
  await auditor.pass(10 * MINUTE);
  expect(auditor.asked).toEqual(["support"]);
  await auditor.pass(5 * MINUTE);
  expect(auditor.found).toEqual([]);
});

test("runs that did not take place are made up for", async () => {
  const auditor = await AuditWorld.ready();
  await auditor.pass(DAY, HOUR);
  auditor.world.updateInstance({ isActive: false });
  auditor.world.clock.advanceBy(23 * HOUR);
  await auditor.audit();

  expect(auditor.found).toEqual(["page instance-inactive support"]);
});

test("what runs out of time is gone on with by the next run", async () => {
  const auditor = await AuditWorld.ready();
  await auditor.audit();
  auditor.world.updateInstance({ isActive: false });
  auditor.world.clock.advanceBy(25 * HOUR);

  // Too little for any check.
  await auditor.audit({}, auditor.deps(40_000));
  expect(auditor.reports.at(-1)?.report.checked).toBe(0);
  await auditor.audit();
  expect(auditor.found).toContain("page instance-inactive support");
});

test("where nobody can remember, pages go out by the hour and what is asked for is asked for", async () => {
  const auditor = await AuditWorld.ready();
  auditor.broken.memory = Object.assign(ACCESS_DENIED, { code: "AccessDeniedException", statusCode: 400 });
  await auditor.pass(3 * HOUR);

  expect(auditor.found).toContain("page intents-unreadable dev");
  expect(auditor.subjects).toEqual(Array(3).fill("intents-unreadable: dev/dev"));
});

test("an instance that carries the environment's marker and has no secret is found within a day", async () => {
  const auditor = await AuditWorld.ready();
  await auditor.audit();
  const marker = "[valmi-agent-keys 123456789012/eu-west-1/valmi/dev/gone/agent-key]";
  const { id } = auditor.world.foreignInstance("gone", marker);
  auditor.world.foreignInstance("other", "[valmi-agent-keys 123456789012/eu-west-1/valmi/prod/x/agent-key]");
  auditor.world.foreignInstance("nobody's", "made by hand");
  await auditor.pass(25 * HOUR, HOUR);

  expect(auditor.found).toEqual([`page orphan-instance ${id}`]);
  auditor.world.controlPlane.deleteInstance("ws_local", id);
  await auditor.pass(HOUR);
  expect(auditor.found).toEqual([]);
});

test("a self-test that fails is paged by what failed, and repeated by the hour until it passes", async () => {
  const auditor = await AuditWorld.ready();
  auditor.world.aws.refuse("PutSecretValue", "AccessDeniedException");
  await auditor.pass(10 * MINUTE);
  expect(auditor.reports.at(-1)?.report.findings).toMatchObject([
    { name: "self-test-failed", text: expect.stringContaining("write-secret") },
  ]);

  await auditor.pass(HOUR);
  expect(auditor.subjects).toEqual(["self-test-failed: dev/dev", "Resolved: self-test-failed: dev/dev"]);
});

test("a rotation that Secrets Manager refuses is told beside what it would heal", async () => {
  const auditor = await AuditWorld.ready({ undocumented: { attempts: 1 } });
  leavePending(auditor.world);
  auditor.world.aws.refuse("RotateSecret", "AccessDeniedException", 50);
  await auditor.pass(10 * MINUTE);

  expect(auditor.found).toEqual(["page heal-refused support", "heal pending-left-behind support"]);
});

describe("the use of a key", () => {
  /** One run a day, at the key's own time in the evening, or so much later. */
  const evenings = async (auditor: AuditWorld, days: number, late = 0) => {
    const { clock } = auditor.world;
    const found: string[][] = [];
    for (let day = 0; day < days; day++) {
      const now = slotOf(clock.now()) + 1;
      clock.advanceBy((now + dueIn(SECRET_NAME, "evening", now)) * AUDIT_INTERVAL_MS - clock.now() + late);
      await auditor.audit();
      clock.advanceBy(AUDIT_INTERVAL_MS);
      await auditor.audit();
      found.push(auditor.found);
    }
    return found;
  };
  const readNextMorning = ({ world }: AuditWorld) => {
    world.clock.advanceBy(12 * HOUR);
    world.secretsManager.call("GetSecretValue", { SecretId: world.secretArn });
  };

  test("that nobody reads is noted after 30 days; when it is read again that is noted, for a week", async () => {
    const auditor = await AuditWorld.ready();
    await evenings(auditor, 2);
    for (let day = 0; day < 3; day++) {
      readNextMorning(auditor);
      await evenings(auditor, 1);
    }
    const quiet = await evenings(auditor, 31);
    expect(quiet.slice(0, 30).flat()).toEqual([]);
    expect(quiet[30]).toEqual(["note key-unused support"]);

    readNextMorning(auditor);
    const week = await evenings(auditor, 8);
    expect(week.slice(0, 7)).toEqual(Array(7).fill(["note key-used-again support"]));
    expect(week[7]).toEqual([]);
    expect(auditor.pages).toEqual([]);
    expect(auditor.world.minted).toHaveLength(1);
  });

  test("is not told where a run comes late, since the value may have been read in it before", async () => {
    const auditor = await AuditWorld.ready();
    expect((await evenings(auditor, 35, AUDIT_INTERVAL_MS)).flat()).toEqual([]);
  });

  test("is told also where there is one key only, with which the rotation function is tested every day", async () => {
    const thresholds = { gracePeriodMs: DAY, unusedNotedAfterMs: 3 * DAY };
    const auditor = await AuditWorld.ready({}, { thresholds });
    for (let day = 0; day < 5; day++) {
      await auditor.pass(20 * HOUR, HOUR);
      await auditor.pass(4 * HOUR);
    }
    expect(auditor.found).toEqual(["note key-unused support"]);
    const tests = auditor.world.logged.filter(({ message }) => message === "self-test");
    // The first run's, and one every night.
    expect(tests).toHaveLength(6);
  });
});

describe("the history", () => {
  test("has each rotation that was asked for, why, and what Secrets Manager answered", async () => {
    const auditor = await AuditWorld.ready({ undocumented: { attempts: 1 } });
    leavePending(auditor.world);
    auditor.world.aws.refuse("RotateSecret", "AccessDeniedException", 1);
    await auditor.pass(2 * HOUR);

    expect(auditor.asked).toEqual(["support", "support"]);
    const [first, second] = auditor.reports.filter(({ report }) => report.asked.length > 0);
    expect((await auditor.journal()).asked).toEqual([
      { because: ["pending-left-behind"], answer: "AccessDeniedException", askedAt: [first?.at] },
      { because: ["pending-left-behind"], answer: "reattempted", askedAt: [second?.at] },
    ]);
  });

  test("has how long an old key really lived, by the hour", async () => {
    const auditor = await AuditWorld.ready({ graceHours: 20, configuredGraceHours: 24 });
    const { world } = auditor;
    const { fingerprint } = world.current.agentKey;
    world.requestRotation();
    await world.runDueSteps();
    const refreshedAt = world.clock.now();
    await auditor.pass(26 * HOUR, 15 * MINUTE);

    const { previousKeys, asked } = await auditor.journal();
    expect(asked).toEqual([]);
    expect(previousKeys).toEqual([
      {
        versionId: world.versionWith("AWSCURRENT"),
        fingerprint,
        promisedUntil: world.current.previousKeyExpiresAt,
        lastAcceptedAt: expect.any(Number),
        firstRefusedAt: expect.any(Number),
      },
    ]);
    const [{ lastAcceptedAt = 0, firstRefusedAt = 0 } = {}] = previousKeys;
    expect(lastAcceptedAt).toBeGreaterThan(refreshedAt + 19 * HOUR);
    expect(firstRefusedAt).toBeGreaterThanOrEqual(refreshedAt + 20 * HOUR);
    expect(firstRefusedAt - lastAcceptedAt).toBeLessThanOrEqual(HOUR + 15 * MINUTE);
  });

  test("takes no refusal of an inactive instance for an old key's end", async () => {
    const auditor = await AuditWorld.ready();
    auditor.world.requestRotation();
    await auditor.world.runDueSteps();
    await auditor.pass(3 * HOUR);
    auditor.world.updateInstance({ isActive: false });
    await auditor.pass(3 * HOUR);

    expect((await auditor.journal()).previousKeys).toEqual([
      expect.not.objectContaining({ firstRefusedAt: expect.anything() }),
    ]);
  });

  test("that can't be written stops no audit", async () => {
    const auditor = await AuditWorld.ready({ undocumented: { attempts: 1 } });
    auditor.broken.journal = ACCESS_DENIED;
    leavePending(auditor.world);
    await auditor.pass(2 * HOUR);

    expect(auditor.asked).toEqual(["support"]);
    expect(auditor.pages).toEqual([]);
    expect(auditor.world.logged.map(({ message }) => message)).toContain("the journal could not be written");
    expect((await auditor.journal()).asked).toEqual([]);
  });
});

test("whatever is found, logged, remembered and paged holds no key", async () => {
  const auditor = await AuditWorld.ready({ undocumented: { attempts: 1 } });
  const { world } = auditor;
  leavePending(world);
  await auditor.pass(HOUR);
  world.clickRotate();
  await auditor.pass(2 * DAY, HOUR);
  world.updateInstance({ accountId: "acc_456", contactId: "con_456", isActive: false });
  await auditor.pass(DAY, HOUR);

  const said = JSON.stringify([auditor.pages, auditor.reports, ...world.table.items.values()]) + world.said();
  expect(said).toContain("key-refused");
  for (const credential of world.credentials) expect(said).not.toContain(credential);
});

test("an unreadable secret doesn't keep the others from being looked at", async () => {
  const auditor = await AuditWorld.ready();
  await auditor.audit();
  auditor.world.clock.advanceBy(25 * HOUR);
  auditor.world.aws.refuse("GetSecretValue", "AccessDeniedException", 1);

  const report = await auditor.audit();

  expect(report.findings.map(inWords)).toEqual(["page secrets-unreadable dev"]);
});

test("an AWSCURRENT that was moved to a version without a value is paged once a day, until it is back", async () => {
  const auditor = await AuditWorld.ready();
  const { world } = auditor;
  await auditor.audit();
  leavePending(world);
  const [good = "", empty = ""] = [world.versionWith("AWSCURRENT"), world.versionWith("AWSPENDING")];
  const move = (to: string, from: string) =>
    world.secretsManager.call("UpdateSecretVersionStage", {
      SecretId: world.secretArn,
      VersionStage: "AWSCURRENT",
      MoveToVersionId: to,
      RemoveFromVersionId: from,
    });

  move(empty, good);
  await auditor.pass(3 * HOUR);
  await auditor.pass(DAY, HOUR);
  expect(auditor.subjects).toEqual(Array(2).fill("current-missing: dev/support"));
  expect(auditor.asked).toEqual([]);

  move(good, empty);
  await auditor.pass(5 * MINUTE);
  expect(auditor.subjects).toContain("Resolved: current-missing: dev/support");
});

test("a secret that has no AWSCURRENT at first is told until its value is there", async () => {
  const auditor = AuditWorld.notYetProvisioned();
  await auditor.pass(2 * HOUR);
  expect(auditor.subjects).toEqual(["current-missing: dev/support"]);

  await auditor.world.provision();
  await auditor.pass(5 * MINUTE);
  expect(auditor.subjects).toContain("Resolved: current-missing: dev/support");
});
