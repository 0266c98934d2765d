import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { FUNCTION, RotationStory, token } from "./rotation-story";

/** 1 January 2026, 00:00 UTC: where a story's clock starts. */
const START = Date.UTC(2026, 0, 1);
const DAYS_90 = { AutomaticallyAfterDays: 90 };

const iso = (seconds: unknown) => new Date((seconds as number) * 1_000).toISOString();

describe("a rotation on demand", () => {
  test("runs the four steps on an empty version and ends with the token current", () => {
    const story = new RotationStory().create();
    story.rotate("new");
    expect(story.labels()).toEqual({ first: ["AWSCURRENT"], new: ["AWSPENDING"] });
    expect(story.refusal("GetSecretValue", { VersionId: token("new"), VersionStage: "AWSPENDING" })).toBe(
      "ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: AWSPENDING",
    );
    story.run();
    expect(story.invoked).toEqual([
      "new createSecret",
      "new setSecret",
      "new testSecret",
      "new finishSecret",
    ]);
    expect(story.labels()).toEqual({ first: ["AWSPREVIOUS"], new: ["AWSCURRENT", "AWSPENDING"] });
    expect(story.eventNames()).toEqual(["RotationStarted", "RotationSucceeded"]);
  });

  test("hands the function the ARN, the token and a token of the rotation", () => {
    const story = new RotationStory().create();
    story.rotate("new");
    const arn = story.call("DescribeSecret").ARN;
    expect(story.state.nextInvocation()).toMatchObject({
      secretArn: arn,
      functionArn: FUNCTION,
      event: { Step: "createSecret", SecretId: arn, ClientRequestToken: token("new") },
    });
  });

  test("starts its next step only after the last was answered", () => {
    const story = new RotationStory().create();
    story.rotate("new");
    const first = story.state.nextInvocation();
    expect(story.state.nextInvocation()).toBeNull();
    story.state.invocationSucceeded(first?.id ?? "");
    expect(story.state.nextInvocation()?.event.Step).toBe("setSecret");
  });

  test("may be followed by another while AWSPENDING sits on the current version", () => {
    const story = new RotationStory().create();
    story.rotate("two");
    story.run().rotate("three");
    story.run();
    expect(story.labels()).toEqual({ two: ["AWSPREVIOUS"], three: ["AWSCURRENT", "AWSPENDING"] });
  });

  test("the same request again, its answer lost, starts nothing new", () => {
    const story = new RotationStory().create();
    story.rotate("new");
    story.rotate("new");
    story.run().rotate("new");
    story.run();
    expect(story.invoked).toHaveLength(4);
  });

  test("takes AWSPENDING off where that is chosen", () => {
    const story = new RotationStory({ undocumented: { pendingAfterRotation: "removed" } }).create();
    story.rotate("new");
    story.run();
    expect(story.labels()).toEqual({ first: ["AWSPREVIOUS"], new: ["AWSCURRENT"] });
  });

  test("a function that promotes nothing has failed", () => {
    const story = new RotationStory().create();
    story.rotate("new");
    story.run(() => {});
    expect(story.eventNames()).toEqual(["RotationStarted", "RotationFailed"]);
    expect(story.labels()).toEqual({ first: ["AWSCURRENT"], new: ["AWSPENDING"] });
  });

  test("a function that takes AWSPENDING off itself, without promoting, has failed too", () => {
    const story = new RotationStory().create();
    story.rotate("new");
    story.run(({ Step, ClientRequestToken }) => {
      if (Step !== "finishSecret") return;
      story.call("UpdateSecretVersionStage", {
        VersionStage: "AWSPENDING",
        RemoveFromVersionId: ClientRequestToken,
      });
    });
    expect(story.eventNames()).toContain("RotationFailed");
    story.rotate("next");
    expect(story.run().labels()).toMatchObject({ next: ["AWSCURRENT", "AWSPENDING"] });
  });

  test("promoting in the first step, as a key that is minted once asks for, is fine", () => {
    const story = new RotationStory().create();
    story.rotate("new");
    story.run((event) => {
      if (event.Step !== "createSecret") return;
      story.works(event);
      story.works({ ...event, Step: "finishSecret" });
    });
    expect(story.eventNames()).toEqual(["RotationStarted", "RotationSucceeded"]);
  });
});

describe("a test run (RotateImmediately: false)", () => {
  const dryRun = { RotateImmediately: false, RotationRules: DAYS_90 };

  test("invokes testSecret alone, on a copy of the current value, and clears its label", () => {
    const story = new RotationStory().create();
    story.rotate("dry", dryRun);
    let copy = "";
    story.run(() => {
      copy = story.read({ VersionId: token("dry"), VersionStage: "AWSPENDING" });
    });
    expect(story.invoked).toEqual(["dry testSecret"]);
    expect(copy).toBe("one");
    expect(story.labels()).toEqual({ first: ["AWSCURRENT"] });
    expect(story.eventNames()).toEqual(["TestRotationStarted", "TestRotationSucceeded"]);
  });

  test.each([
    ["removed", { first: ["AWSCURRENT"] }],
    ["kept", { first: ["AWSCURRENT"], dry: ["AWSPENDING"] }],
  ] as const)("that fails isn't repeated; its label is %s", (pendingAfterFailedTest, labels) => {
    const story = new RotationStory({ undocumented: { pendingAfterFailedTest } }).create();
    story.rotate("dry", dryRun);
    story.pass(DAY, story.fails);
    expect(story.invoked).toEqual(["dry testSecret"]);
    expect(story.labels()).toEqual(labels);
    expect(story.eventNames()).toEqual(["TestRotationStarted", "TestRotationFailed"]);
  });

  test("of a secret without a value has nothing to copy, so the function's read fails", () => {
    const story = new RotationStory().create(null);
    story.rotate("dry", dryRun);
    story.run(() => void story.read({ VersionStage: "AWSPENDING" }));
    expect(story.eventNames()).toEqual(["TestRotationStarted", "TestRotationFailed"]);
  });

  test("switches the schedule on all the same", () => {
    const story = new RotationStory().create();
    story.rotate("dry", dryRun);
    expect(story.call("DescribeSecret")).toMatchObject({
      RotationEnabled: true,
      RotationRules: DAYS_90,
      NextRotationDate: Date.UTC(2026, 3, 1, 23, 59, 59) / 1_000,
    });
  });
});

describe("the schedule", () => {
  function scheduled(RotationRules: object, undocumented = {}): RotationStory {
    const story = new RotationStory({ undocumented }).create();
    story.rotate("dry", { RotateImmediately: false, RotationRules });
    return story.run();
  }
  const rotations = (story: RotationStory) =>
    story.state.events
      .filter(({ detail }) => detail.eventName === "RotationSucceeded")
      .map(({ time }) => time);

  test("of 90 days rotates on the 90th day, and counts on from there", () => {
    const story = scheduled(DAYS_90);
    story.clock.advanceBy(13 * HOUR);
    story.pass(181 * DAY);
    expect(rotations(story)).toEqual(["2026-04-01T00:00:00Z", "2026-06-30T00:00:00Z"]);
    expect(iso(story.call("DescribeSecret").NextRotationDate)).toBe("2026-09-28T23:59:59.000Z");
  });

  test("counts a value put by hand as a rotation, where it counts days", () => {
    const story = scheduled(DAYS_90);
    story.pass(60 * DAY).put("by hand", "hand");
    story.pass(89 * DAY);
    expect(rotations(story)).toEqual([]);
    story.pass(DAY);
    expect(rotations(story)).toEqual(["2026-05-31T00:00:00Z"]);
  });

  test("by an expression doesn't care for a value put by hand", () => {
    const story = scheduled({ ScheduleExpression: "cron(0 3 1 * ? *)" });
    story.pass(20 * DAY).put("by hand", "hand");
    story.pass(20 * DAY);
    expect(rotations(story)).toEqual(["2026-01-01T03:00:00Z", "2026-02-01T03:00:00Z"]);
  });

  test("may start anywhere in its window", () => {
    const story = scheduled({ AutomaticallyAfterDays: 1, Duration: "6h" }, { windowFraction: 0.5 });
    story.pass(2 * DAY);
    expect(rotations(story)).toEqual(["2026-01-02T03:00:00Z"]);
  });

  test("gives the interval in days back beside an expression once a rotation succeeded", () => {
    const story = scheduled({ ScheduleExpression: "rate(10 days)" });
    expect(story.call("DescribeSecret").RotationRules).toEqual({ ScheduleExpression: "rate(10 days)" });
    story.pass(10 * DAY);
    expect(story.call("DescribeSecret").RotationRules).toEqual({
      ScheduleExpression: "rate(10 days)",
      AutomaticallyAfterDays: 10,
    });
    expect(
      story
        .pass(10 * DAY)
        .eventNames()
        .filter((name) => name === "RotationSucceeded"),
    ).toHaveLength(2);
  });

  test("rotates nothing outside a window: one that the clock jumped over is missed", () => {
    const story = scheduled(DAYS_90);
    story.clock.advanceBy(92 * DAY);
    story.run();
    expect(rotations(story)).toEqual([]);
    expect(iso(story.call("DescribeSecret").NextRotationDate)).toBe("2026-04-01T23:59:59.000Z");
    story.pass(90 * DAY);
    expect(rotations(story)).toEqual(["2026-06-30T00:00:00Z"]);
  });

  test("a shorter interval that is overdue rotates today", () => {
    const story = scheduled(DAYS_90);
    story.pass(60 * DAY + HOUR);
    story.rotate("dry2", { RotateImmediately: false, RotationRules: { AutomaticallyAfterDays: 30 } });
    story.pass(HOUR);
    expect(rotations(story)).toEqual(["2026-03-02T01:00:00Z"]);
  });

  test("counts on from the last rotation where the interval changes", () => {
    const story = scheduled(DAYS_90);
    story.pass(100 * DAY);
    story.rotate("dry2", { RotateImmediately: false, RotationRules: { AutomaticallyAfterDays: 30 } });
    story.pass(29 * DAY);
    expect(rotations(story)).toEqual(["2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"]);
  });

  test("is off after CancelRotateSecret, and says what it was", () => {
    const story = scheduled(DAYS_90);
    story.call("CancelRotateSecret");
    story.pass(200 * DAY);
    expect(rotations(story)).toEqual([]);
    const described = story.call("DescribeSecret");
    expect(described).toMatchObject({
      RotationEnabled: false,
      RotationRules: DAYS_90,
      RotationLambdaARN: FUNCTION,
    });
    expect(described).not.toHaveProperty("NextRotationDate");
  });

  test("leaves a secret alone that is marked for deletion", () => {
    const story = scheduled({ AutomaticallyAfterDays: 1 });
    story.call("DeleteSecret", { RecoveryWindowInDays: 7 });
    story.pass(3 * DAY);
    expect(rotations(story)).toEqual([]);
  });
});

describe("a failed rotation", () => {
  const daily = { RotateImmediately: false, RotationRules: { AutomaticallyAfterDays: 1 } };

  function failing(undocumented = {}): RotationStory {
    const story = new RotationStory({ undocumented }).create();
    story.rotate("dry", daily);
    return story.run();
  }
  const attempts = (story: RotationStory) =>
    story.invoked.filter((line) => line.endsWith("createSecret")).length;

  test("is repeated as a whole, ten minutes apart, five times in all, under its token", () => {
    const story = failing();
    story.pass(DAY + 40 * MINUTE - 1, story.fails);
    expect(attempts(story)).toBe(4);
    story.pass(10 * HOUR, story.fails);
    expect(attempts(story)).toBe(5);
    expect(new Set(story.invoked.slice(1)).size).toBe(1);
    expect(story.call("DescribeSecret").VersionIdsToStages).toMatchObject({
      [token("first")]: ["AWSCURRENT"],
    });
  });

  test.each([
    ["listed", ["first", "new"]],
    ["unlisted", ["first"]],
  ] as const)(
    "leaves its empty version under AWSPENDING where its first step failed; ListSecretVersionIds: %s",
    (emptyVersions, listed) => {
      const story = new RotationStory({ undocumented: { emptyVersions } }).create();
      story.rotate("new");
      story.run(story.fails);

      expect(story.labels()).toEqual({ first: ["AWSCURRENT"], new: ["AWSPENDING"] });
      expect(story.refusal("GetSecretValue", { VersionStage: "AWSPENDING" })).toMatch(
        /^ResourceNotFoundException: .* staging label: AWSPENDING$/,
      );
      const versions = () =>
        (story.call("ListSecretVersionIds", { IncludeDeprecated: true }).Versions as { VersionId: string }[])
          .map(({ VersionId }) => VersionId)
          .sort();
      expect(versions()).toEqual(listed.map(token));
      expect(story.refusal("RotateSecret", { ClientRequestToken: token("again") })).toBe(
        "InvalidRequestException: A previous rotation isn't complete. That rotation will be reattempted.",
      );
      story.run();
      expect(story.labels()).toEqual({ first: ["AWSPREVIOUS"], new: ["AWSCURRENT", "AWSPENDING"] });
      expect(versions()).toEqual([token("first"), token("new")]);
    },
  );

  test("starts again from createSecret with what it has stored", () => {
    const story = failing();
    story.pass(DAY, (event) => {
      story.works(event);
      if (event.Step === "testSecret") throw new Error("not live yet");
    });
    story.pass(10 * MINUTE);
    expect(story.invoked.slice(1).map((line) => line.split(" ")[1])).toEqual([
      "createSecret",
      "setSecret",
      "testSecret",
      "createSecret",
      "setSecret",
      "testSecret",
      "finishSecret",
    ]);
    expect(story.eventNames().slice(-1)).toEqual(["RotationSucceeded"]);
  });

  test("names function and step", () => {
    const story = failing();
    story.pass(DAY, story.fails);
    expect(story.state.events.at(-1)?.detail).toMatchObject({
      eventName: "RotationFailed",
      errorMessage: `Error when executing lambda ${FUNCTION} during createSecret step`,
      additionalEventData: { SecretId: story.call("DescribeSecret").ARN },
      requestParameters: null,
    });
  });

  test("isn't repeated outside its window", () => {
    const story = new RotationStory().create();
    story.rotate("dry", {
      RotateImmediately: false,
      RotationRules: { ScheduleExpression: "rate(12 hours)" },
    });
    story.pass(12 * HOUR, () => {}).pass(11 * HOUR, story.fails);
    // From 12:00 to 13:00: 12:00, 12:10, 12:20, 12:30, 12:40.
    expect(attempts(story)).toBe(5);
    const one = new RotationStory({ undocumented: { retryAfterMs: HOUR } }).create();
    one.rotate("dry", { RotateImmediately: false, RotationRules: { ScheduleExpression: "rate(12 hours)" } });
    one.pass(23 * HOUR, one.fails);
    expect(attempts(one)).toBe(1);
  });

  test("goes on in the next window under the same token", () => {
    const story = failing();
    story.pass(2 * DAY - HOUR, story.fails).pass(HOUR);
    expect(attempts(story)).toBe(6);
    expect(new Set(story.invoked.slice(1).map((line) => line.split(" ")[0])).size).toBe(1);
    expect(story.eventNames().slice(-1)).toEqual(["RotationSucceeded"]);
  });

  test("gets a new token for each attempt where that is chosen; the stored value stays without a label", () => {
    const story = failing({ retryToken: "new" });
    story.pass(DAY, (event) => {
      story.works(event);
      throw new Error("answer lost");
    });
    story.pass(10 * MINUTE);
    const tokens = [...new Set(story.invoked.slice(1).map((line) => line.split(" ")[0] ?? ""))];
    expect(tokens).toHaveLength(2);
    expect(story.read({ VersionId: tokens[0] })).toBe(tokens[0]);
    expect(story.labels()).toEqual({
      first: ["AWSPREVIOUS"],
      [tokens[1] ?? ""]: ["AWSCURRENT", "AWSPENDING"],
    });
  });

  test("on demand isn't repeated by itself, or only as long as is chosen", () => {
    const alone = new RotationStory().create();
    alone.rotate("new");
    expect(attempts(alone.pass(DAY, alone.fails))).toBe(1);
    const repeated = new RotationStory({ undocumented: { retryOnDemandForMs: 25 * MINUTE } }).create();
    repeated.rotate("new");
    expect(attempts(repeated.pass(DAY, repeated.fails))).toBe(3);
  });

  test("on demand becomes that of a window which opens meanwhile", () => {
    const story = failing({ retryOnDemandForMs: 25 * MINUTE });
    story.pass(DAY - 10 * MINUTE);
    story.rotate("new");
    story.pass(DAY, story.fails);
    expect(story.invoked.filter((line) => line === "new createSecret")).toHaveLength(5);
  });

  test("whose window the clock jumped out of isn't repeated", () => {
    const story = new RotationStory().create();
    story.rotate("dry", { RotateImmediately: false, RotationRules: DAYS_90 });
    story.pass(90 * DAY, ({ Step }) => {
      if (Step === "createSecret") throw new Error("broken");
    });
    story.clock.advanceBy(2 * DAY);
    expect(attempts(story.run())).toBe(1);
  });

  test("is refused to RotateSecret, which runs it again at once, with the settings it had", () => {
    const story = new RotationStory().create();
    story.rotate("new");
    story.run(story.fails);
    expect(
      story.refusal("RotateSecret", {
        ClientRequestToken: token("other"),
        RotationRules: { AutomaticallyAfterDays: 7 },
      }),
    ).toBe("InvalidRequestException: A previous rotation isn't complete. That rotation will be reattempted.");
    story.run();
    expect(story.labels()).toEqual({ first: ["AWSPREVIOUS"], new: ["AWSCURRENT", "AWSPENDING"] });
    expect(story.call("DescribeSecret")).not.toHaveProperty("RotationRules");
  });

  test("isn't run a second time beside itself", () => {
    const story = new RotationStory().create();
    story.rotate("new");
    story.state.nextInvocation();
    story.refusal("RotateSecret", { ClientRequestToken: token("other") });
    expect(story.state.nextInvocation()).toBeNull();
  });

  test("ends once its label is taken away", () => {
    const story = failing();
    story.pass(DAY, story.fails);
    const pending = story.invoked.at(-1)?.split(" ")[0];
    story.call("UpdateSecretVersionStage", { VersionStage: "AWSPENDING", RemoveFromVersionId: pending });
    story.pass(HOUR, story.fails);
    expect(attempts(story)).toBe(1);
  });
});

describe("a rotation that something comes between", () => {
  function begun(): { story: RotationStory; running: string } {
    const story = new RotationStory().create();
    story.rotate("new", { RotationRules: DAYS_90 });
    return { story, running: story.state.nextInvocation()?.id ?? "" };
  }

  test.each(["PutSecretValue", "UpdateSecret"])("is abandoned by a new version of %s", (operation) => {
    const { story, running } = begun();
    story.call(operation, { ClientRequestToken: token("hand"), SecretString: "by hand" });
    expect(story.labels()).toEqual({ first: ["AWSPREVIOUS"], hand: ["AWSCURRENT"] });
    expect(story.eventNames()).toEqual(["RotationStarted", "RotationAbandoned"]);
    story.state.invocationSucceeded(running);
    expect(story.state.nextInvocation()).toBeNull();
  });

  test("is abandoned by a new version under any label, but not by its own", () => {
    const { story } = begun();
    story.put("new", "new", ["AWSPENDING"]);
    expect(story.eventNames()).toEqual(["RotationStarted"]);
    story.put("x", "other", ["mine"]);
    expect(story.labels()).toEqual({ first: ["AWSCURRENT"], other: ["mine"] });
    expect(story.eventNames()).toEqual(["RotationStarted", "RotationAbandoned"]);
  });

  test("a finished one keeps AWSPENDING where the new version takes only a label of its own", () => {
    const { story, running } = begun();
    story.put("new", "new", ["AWSPENDING", "AWSCURRENT"]);
    story.state.invocationSucceeded(running);
    story.run().put("x", "other", ["mine"]);
    expect(story.labels()).toEqual({
      first: ["AWSPREVIOUS"],
      new: ["AWSCURRENT", "AWSPENDING"],
      other: ["mine"],
    });
  });

  test("a late put under the token of an abandoned rotation takes AWSPENDING from the next one", () => {
    const { story } = begun();
    story.put("by hand", "hand");
    story.rotate("next");
    story.put("late", "new", ["AWSPENDING"]);
    expect(story.labels()).toMatchObject({ hand: ["AWSCURRENT"], new: ["AWSPENDING"] });
    expect(story.eventNames().slice(-1)).toEqual(["RotationAbandoned"]);
  });

  test("is cancelled with its labels left, and blocks the next", () => {
    const { story, running } = begun();
    expect(story.call("CancelRotateSecret")).toMatchObject({ VersionId: token("new") });
    story.state.invocationSucceeded(running);
    expect(story.state.nextInvocation()).toBeNull();
    expect(story.labels()).toEqual({ first: ["AWSCURRENT"], new: ["AWSPENDING"] });
    expect(story.refusal("RotateSecret", { ClientRequestToken: token("other") })).toMatch(
      /^InvalidRequestException/,
    );
    expect(story.state.nextInvocation()).toBeNull();
  });

  test("is abandoned by a new current version also after it has promoted its own", () => {
    const { story, running } = begun();
    story.put("new", "new", ["AWSPENDING", "AWSCURRENT"]);
    story.put("by hand", "hand");
    story.state.invocationSucceeded(running);
    expect(story.state.nextInvocation()).toBeNull();
    expect(story.labels()).toEqual({ new: ["AWSPREVIOUS"], hand: ["AWSCURRENT"] });
    expect(story.eventNames()).toEqual(["RotationStarted", "RotationAbandoned"]);
  });

  test("a finished one is not", () => {
    const story = new RotationStory().create();
    story.rotate("new");
    story.run().put("by hand", "hand");
    expect(story.eventNames()).toEqual(["RotationStarted", "RotationSucceeded"]);
  });

  test("ends as its secret is marked for deletion, also where that is undone", () => {
    const { story, running } = begun();
    story.call("DeleteSecret");
    story.call("RestoreSecret");
    story.state.invocationSucceeded(running);
    expect(story.state.nextInvocation()).toBeNull();
  });

  test("ends with its secret", () => {
    const { story, running } = begun();
    story.call("DeleteSecret", { ForceDeleteWithoutRecovery: true });
    story.state.invocationFailed(running);
    expect(story.state.nextInvocation()).toBeNull();
  });

  test("an answer to an earlier attempt is ignored", () => {
    const { story, running } = begun();
    story.state.invocationFailed(running);
    story.refusal("RotateSecret", { ClientRequestToken: token("other") });
    const again = story.state.nextInvocation();
    story.state.invocationSucceeded(running);
    expect(again?.event.Step).toBe("createSecret");
    expect(story.state.nextInvocation()).toBeNull();
  });
});

test("secrets rotate side by side, each one step at a time", () => {
  const story = new RotationStory();
  for (const Name of ["a", "b"]) {
    story.call("CreateSecret", { Name, ClientRequestToken: token("first"), SecretString: "one" });
    story.rotate("new", { SecretId: Name });
  }
  expect(story.state.nextInvocation()?.secretArn).toMatch(/:secret:a-/);
  expect(story.state.nextInvocation()?.secretArn).toMatch(/:secret:b-/);
  expect(story.state.nextInvocation()).toBeNull();
});

test("a label that moves is reported, AWSPENDING and AWSPREVIOUS excepted", () => {
  const story = new RotationStory().create();
  story.put("two", "two", ["AWSPENDING", "mine"]);
  story.call("UpdateSecretVersionStage", {
    VersionStage: "AWSCURRENT",
    MoveToVersionId: token("two"),
    RemoveFromVersionId: token("first"),
  });
  const { ARN } = story.call("DescribeSecret");
  const [created, custom, promoted, ...more] = story.state.events;
  expect(created?.detail).toEqual({ name: "key", labelUpdated: "AWSCURRENT", versionId: token("first") });
  expect(custom?.detail).toEqual({ name: "key", labelUpdated: "mine", versionId: token("two") });
  expect(promoted).toEqual({
    version: "0",
    id: expect.any(String),
    "detail-type": "Secret Label Updated",
    source: "aws.secretsmanager",
    account: "000000000000",
    time: new Date(START).toISOString().replace(".000Z", "Z"),
    region: "eu-west-1",
    resources: [ARN],
    detail: { name: "key", labelUpdated: "AWSCURRENT", versionId: token("two") },
  });
  expect(more).toEqual([]);
});
