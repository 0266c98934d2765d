import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { isValid, type Verified } from "../../../cli/commands/verify";
import { dynamoDbAuditJournal } from "../../../core/audit/journal";
import { dynamoDbAuditMemory, NOTHING } from "../../../core/audit/memory";
import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";
import { OperatorWorld } from "../operator-world";

describe("status", () => {
  test("one line for each instance, with key, age, next rotation and whether the key is accepted", async () => {
    const desk = await OperatorWorld.ready();
    desk.world.clock.advanceBy(3 * DAY);
    const { code, out } = await desk.run("status");
    expect(out).toMatch(
      new RegExp(`│ dev/support │ ${desk.fingerprint} │ 3 d +│ 2026-04-01 +│ +│ +│ yes +│ +│`),
    );
    expect(code).toBe(0);
  });

  test("shows the grace left after a rotation", async () => {
    const desk = await OperatorWorld.ready();
    await desk.run("rotate dev/support");
    desk.world.clock.advanceBy(HOUR);
    expect((await desk.run("status")).out).toMatch(/│ 22 h 59 min │ yes/);
  });

  test("a finding is named and explained, and makes the exit code 4", async () => {
    const desk = await OperatorWorld.ready();
    desk.world.clickRotate();
    desk.world.clock.advanceBy(DAY);
    const { code, out } = await desk.run("status");
    expect(code).toBe(4);
    expect(out).toMatch(/│ no +│ key-refused/);
    expect(out).toContain(`dev/support: key-refused: key ${desk.fingerprint}`);
    expect(out).toContain("docs/operations.md#key-refused");
  });

  test("a rotation that is left behind shows for how long", async () => {
    const desk = await OperatorWorld.ready();
    desk.world.requestRotation();
    desk.world.clock.advanceBy(3 * HOUR);
    const { code, out } = await desk.run("status");
    expect(out).toMatch(/│ 3 h +│ +│ yes +│ pending-left-behind/);
    expect(code).toBe(4);
  });

  test("who reads a key is noted from what the auditor remembers, and is no reason to stop", async () => {
    const desk = await OperatorWorld.ready();
    const { world } = desk;
    world.clock.advanceBy(31 * DAY);
    const memory = dynamoDbAuditMemory(desk.ports.aws.dynamoDb, world.table.name);
    const remember = (unused: object) =>
      memory.write({ ...NOTHING, use: { ...NOTHING.use, unused: { support: { since: START, ...unused } } } });
    await remember({});
    expect(await desk.run("status")).toMatchObject({
      code: 0,
      out: expect.stringContaining("key-unused: nobody was seen to read it since 2026-01-01"),
    });
    expect((await desk.run("show dev/support")).out).toContain("by nobody but the auditor since 2026-01-01");
    expect(await desk.json("status")).toMatchObject([{ unusedSince: "2026-01-01T00:00:00.000Z" }]);

    await remember({ readAgainAt: START + 31 * DAY });
    expect((await desk.run("show dev/support")).out).toContain(
      "on 2026-02-01, for the first time since 2026-01-01",
    );
    expect((await desk.run("status")).out).toContain("key-used-again");
  });

  test("one environment of several, and as JSON", async () => {
    const desk = await OperatorWorld.ready();
    desk.addSecret("development", "other");
    const rows = await desk.json<Record<string, unknown>[]>("status --environment dev");
    expect(rows).toEqual([
      expect.objectContaining({
        name: "dev/support",
        environment: "dev",
        id: "support",
        agentInstanceId: desk.world.instance.id,
        fingerprint: desk.fingerprint,
        rotation: "on",
        accepted: true,
        isActive: true,
        findings: [],
        issuedAt: "2026-01-01T00:00:00.000Z",
      }),
    ]);
  });

  test("what should rotate and does not is found; without an auditor nobody knows that it should", async () => {
    const desk = await OperatorWorld.ready();
    desk.world.secretsManager.call("CancelRotateSecret", { SecretId: desk.world.secretArn });
    expect(await desk.run("status")).toMatchObject({ code: 4, out: expect.stringContaining("rotation-off") });
    desk.hasAuditor = false;
    expect((await desk.run("status")).code).toBe(0);
  });

  test("an instance without a key is listed, and found", async () => {
    const desk = await OperatorWorld.ready();
    desk.addSecret("dev", "other");
    desk.world.clock.advanceBy(DAY);
    const { out } = await desk.run("status");
    expect(out).toMatch(/│ dev\/other +│ none +│ +│ off +│ +│ +│ +│ current-missing/);
  });

  test("where there is nothing, or the Control Plane refuses the API key, it says what to do", async () => {
    const desk = await OperatorWorld.ready();
    expect(await desk.run("status --environment prod")).toMatchObject({
      code: 2,
      err: expect.stringContaining("no secret of an agent key of the environment 'prod'"),
    });
    desk.world.setOperatorKey("token_unknown123");
    expect(await desk.run("status")).toMatchObject({ code: 1, out: "", err: expect.stringContaining("401") });
  });
});

describe("an environment that can't be opened hides nothing of the others", () => {
  const broken: [string, (desk: OperatorWorld) => unknown, RegExp][] = [
    [
      "half destroyed",
      (desk) => desk.addSecret("old", "support"),
      /the environment 'old' has no rotation function valmi-old-agent-key-rotation/,
    ],
    [
      "somebody else's",
      (desk) => {
        desk.addSecret("theirs", "support");
        desk.deniedFunction = "valmi-theirs-agent-key-rotation";
      },
      /AccessDeniedException: .*not authorized/,
    ],
    [
      "named by nobody's rules",
      (desk) =>
        desk.world.secretsManager.call("CreateSecret", {
          Name: "a-name-of-their-own",
          ClientRequestToken: desk.world.newToken(),
          Tags: [
            { Key: "valmi:environment", Value: "own" },
            { Key: "valmi:id", Value: "support" },
          ],
        }),
      /the name of its secret, a-name-of-their-own, is not one that this project makes/,
    ],
  ];
  test.each(broken)("%s", async (_, breakIt, reason) => {
    const desk = await OperatorWorld.ready();
    breakIt(desk);
    for (const command of ["status", "verify", "history", "doctor"]) {
      const { code, out } = await desk.run(command);
      expect({ command, code }).toEqual({ command, code: 4 });
      expect(out).toContain(command === "doctor" ? "invoke-permission" : "dev/support");
      expect(out.replace(/[│\s]+/g, " ")).toMatch(reason);
    }
    const rows = await desk.json<{ name: string; unseen?: string }[]>("status");
    expect(rows).toEqual([
      expect.objectContaining({ name: "dev/support", accepted: true }),
      expect.objectContaining({ unseen: expect.stringMatching(reason) }),
    ]);
  });

  test("nor does an instance whose value may not be read", async () => {
    const desk = await OperatorWorld.ready();
    desk.addSecret("dev", "other");
    const { code, out } = await desk.run("verify");
    expect(code).toBe(4);
    expect(out).toMatch(/│ dev\/support │/);
    expect(out).toContain("dev/other: unseen: dev/other has no key under AWSCURRENT");
  });

  test("alone it is the command's own failure", async () => {
    const desk = await OperatorWorld.ready();
    desk.hasFunction = false;
    for (const command of ["status", "show dev/support", "verify", "history"]) {
      expect(await desk.run(command)).toMatchObject({
        code: 1,
        out: "",
        err: expect.stringContaining("the environment 'dev' has no rotation function"),
      });
    }
  });
});

describe("show", () => {
  test("everything of one instance", async () => {
    const desk = await OperatorWorld.ready();
    const before = desk.fingerprint;
    await desk.run("rotate dev/support");
    const { code, out } = await desk.run("show dev/support");
    expect(code).toBe(0);
    for (const text of [
      "valmi/dev/support/agent-key",
      `${desk.world.versionWith("AWSCURRENT")}  AWSCURRENT`,
      `${desk.world.versionWith("AWSPREVIOUS")}  AWSPREVIOUS`,
      desk.fingerprint,
      `${before}, accepted, promised until 2026-01-02 00:02 UTC`,
      `${desk.world.instance.id}, dev-support, active`,
    ]) {
      expect(out).toContain(text);
    }
  });

  test("as JSON with the facts", async () => {
    const desk = await OperatorWorld.ready();
    expect(await desk.json("show dev/support")).toMatchObject({
      name: "dev/support",
      facts: { deep: { value: "readable", key: { fingerprint: desk.fingerprint } } },
    });
  });
});

describe("history", () => {
  test("first key, rotations and what became of the old keys", async () => {
    const desk = await OperatorWorld.ready();
    const first = desk.fingerprint;
    await desk.run("rotate dev/support");
    const { code, out } = await desk.run("history dev/support");
    expect(code).toBe(0);
    const lines = out.split("\n");
    expect(lines.find((line) => line.includes("first key"))).toContain(first);
    expect(lines.find((line) => line.includes("promoted"))).toMatch(
      new RegExp(`${desk.fingerprint} │ ${first} │ .*│ (23 h 59 min|1 d) +│ accepted`),
    );
  });

  test("an order, and as JSON", async () => {
    const desk = await OperatorWorld.ready();
    await desk.run("pause dev/support --for 5d");
    expect((await desk.run("history")).out).toContain("paused until 2026-01-06 00:02 UTC");
    const [{ instance, records }] = await desk.json<[{ instance: string; records: object[] }]>("history");
    expect(instance).toBe("dev/support");
    expect(records).toEqual([
      expect.objectContaining({ outcome: "promoted", takenAt: "2026-01-01T00:00:00.000Z" }),
      expect.objectContaining({ outcome: "paused", attemptEndsAt: "2026-01-06T00:02:00.000Z" }),
    ]);
  });

  test("what the auditor asked for, and how long the old key really lived, in time order", async () => {
    const desk = await OperatorWorld.ready();
    const { world } = desk;
    const first = desk.fingerprint;
    const journal = dynamoDbAuditJournal(desk.ports.aws.dynamoDb, world.table.name);
    const ask = (answer: string) =>
      journal.asked(world.secretArn, { at: world.clock.now(), because: ["rotation-overdue"], answer });
    await ask("AccessDeniedException");
    world.clock.advanceBy(5 * MINUTE);
    await ask("asked");
    world.clock.advanceBy(MINUTE);
    await desk.run("rotate dev/support");
    const [minted] = (await desk.json<[{ records: { takenAt: string }[] }]>("history"))[0].records.slice(-1);
    const key = {
      versionId: world.versionWith("AWSCURRENT") ?? "",
      fingerprint: first,
      promisedUntil: Date.parse(minted?.takenAt ?? "") + DAY,
    };
    const probe = (hours: number, accepted: boolean) =>
      journal.probed(world.secretArn, { ...key, at: key.promisedUntil - DAY + hours * HOUR, accepted });
    await probe(23, true);
    expect((await desk.run("history dev/support")).out).toMatch(/│ accepted until 23.0 h of 24 h promised/);
    await probe(24, false);
    world.clock.advanceBy(26 * HOUR);
    await ask("asked");
    world.clock.advanceBy(HOUR);
    await ask("asked");

    const { out } = await desk.run("history dev/support");
    const rows = out.split("\n").filter((line) => /dev\/support|rotation-overdue|refused/.test(line));
    expect(rows).toEqual([
      expect.stringContaining("first key"),
      expect.stringMatching(/00:02 UTC │ auditor asked, refused: AccessDeniedException │/),
      expect.stringContaining("rotation-overdue"),
      expect.stringMatching(/00:07 UTC │ auditor asked {2}/),
      expect.stringContaining("rotation-overdue"),
      expect.stringMatching(new RegExp(`promoted .* ${first} .*│ accepted until 23.0 h +│`)),
      expect.stringMatching(/│ refused from 24.0 h of 24 h promised │/),
      expect.stringMatching(/│ auditor asked, 2 times .*│ 1 h /),
      expect.stringContaining("rotation-overdue"),
    ]);
    expect(await desk.json("history")).toMatchObject([
      {
        asked: [
          { answer: "AccessDeniedException", because: ["rotation-overdue"] },
          { answer: "asked", askedAt: ["2026-01-01T00:07:00.000Z"] },
          { answer: "asked", askedAt: [expect.any(String), expect.any(String)] },
        ],
        previousKeys: [{ fingerprint: first, lastAcceptedAt: expect.any(String) }],
      },
    ]);
  });

  test("none on record", async () => {
    expect((await OperatorWorld.empty().run("history")).out).toBe("No rotation is on record.");
  });
});

describe("verify", () => {
  test.each<[string, (desk: OperatorWorld) => unknown, number, RegExp]>([
    ["a good key", () => {}, 0, /as documented │ this instance's │ active +│ yes/],
    [
      "a refused key",
      (desk) => {
        desk.world.clickRotate();
        desk.world.clock.advanceBy(DAY);
      },
      4,
      /│ refused +│ active +│ NO/,
    ],
    ["an inactive instance", (desk) => desk.world.updateInstance({ isActive: false }), 4, /│ inactive +│ NO/],
    ["no instance", (desk) => desk.world.deleteInstance(), 4, /│ no such instance +│ NO/],
  ])("%s", async (_, arrange, code, row) => {
    const desk = await OperatorWorld.ready();
    arrange(desk);
    const ran = await desk.run("verify");
    expect(ran.out).toMatch(row);
    expect(ran.code).toBe(code);
  });

  test.each<[Partial<Verified>, boolean]>([
    [{}, true],
    [{ hasKnownFormat: false }, true],
    [{ existence: "refused" }, false],
    [{ existence: "another instance's" }, false],
    [{ status: "inactive" }, false],
    [{ status: "no such instance" }, false],
  ])("with %j: valid is %s", (overrides, valid) => {
    const sound = { name: "dev/support", fingerprint: "0123456789ab", hasKnownFormat: true } as const;
    expect(isValid({ ...sound, existence: "this instance's", status: "active", ...overrides })).toBe(valid);
  });

  test("a key of another shape is valid all the same", async () => {
    const desk = await OperatorWorld.ready({ keyPrefix: "other-" });
    const [verified] = await desk.json<object[]>("verify dev/support");
    expect(verified).toMatchObject({ hasKnownFormat: false, isValid: true });
  });
});

test("report to standard output", async () => {
  const desk = await OperatorWorld.ready();
  const { code, out, err } = await desk.run("report --out -");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toMatch(/^<!doctype html>[\s\S]*<\/html>$/);
  expect(await desk.run("report --out - --json")).toMatchObject({ code: 2 });
});

test("report writes a page with every instance, and no key", async () => {
  const desk = await OperatorWorld.ready();
  await desk.run("rotate dev/support");
  const folder = mkdtempSync(path.join(tmpdir(), "valmi-report-"));
  try {
    const file = path.join(folder, "report.html");
    const { code, out } = await desk.run(`report --out ${file}`);
    expect({ code, out }).toEqual({ code: 0, out: `${file}: 1 instances` });
    const page = readFileSync(file, "utf8");
    expect(page).toContain("dev/support");
    expect(page).toContain(desk.fingerprint);
    for (const key of desk.world.credentials) expect(page).not.toContain(key);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
