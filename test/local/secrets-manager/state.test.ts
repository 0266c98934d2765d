import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { SecretsManagerState } from "../../../local/secrets-manager/state";
import { RotationStory, token } from "./rotation-story";

test("an operation that isn't supported says so", () => {
  expect(new RotationStory().refusal("ListResourcePolicies")).toBe(
    "UnknownOperationException: The operation ListResourcePolicies is not supported by the local Secrets Manager; local/secrets-manager/README.md lists what is.",
  );
});

test.each([
  [
    "CreateSecret",
    { Name: "x", ClientRequestToken: token("t"), AddReplicaRegions: [{ Region: "eu-west-2" }] },
  ],
  ["CreateSecret", { Name: "x", ClientRequestToken: token("t"), Type: "Partner" }],
  ["RotateSecret", { ClientRequestToken: token("t"), ExternalSecretRotationMetadata: [] }],
])("%s with what isn't supported says so, and makes nothing", (operation, input) => {
  const story = new RotationStory();
  expect(story.refusal(operation, input)).toMatch(/^UnknownOperationException/);
  expect(story.call("ListSecrets")).toEqual({ SecretList: [] });
});

describe("deletion", () => {
  test.each([
    [undefined, 30],
    [7, 7],
  ])("with a recovery window of %s days ends after %d days", (RecoveryWindowInDays, days) => {
    const story = new RotationStory().create();
    story.call("DeleteSecret", RecoveryWindowInDays ? { RecoveryWindowInDays } : {});
    story.clock.advanceBy(days * DAY - 1);
    expect(story.call("DescribeSecret").DeletedDate).toBe((Date.UTC(2026, 0, 1) + days * DAY) / 1_000);
    story.clock.advanceBy(1);
    expect(story.refusal("DescribeSecret")).toMatch(/^ResourceNotFoundException/);
    expect(story.call("ListSecrets", { IncludePlannedDeletion: true })).toEqual({ SecretList: [] });
  });

  test("can be undone, and refused twice", () => {
    const story = new RotationStory().create();
    story.call("DeleteSecret");
    expect(story.refusal("DeleteSecret")).toMatch(/^InvalidRequestException/);
    story.call("RestoreSecret");
    story.clock.advanceBy(40 * DAY);
    expect(story.read()).toBe("one");
  });

  test("by force is at once, also inside a recovery window", () => {
    const story = new RotationStory().create();
    story.call("DeleteSecret");
    story.call("DeleteSecret", { ForceDeleteWithoutRecovery: true });
    expect(story.refusal("DescribeSecret")).toMatch(/^ResourceNotFoundException/);
  });

  test("hides the secret from lists unless asked for", () => {
    const story = new RotationStory().create();
    story.call("DeleteSecret");
    expect(story.call("ListSecrets")).toEqual({ SecretList: [] });
    expect(story.call("ListSecrets", { IncludePlannedDeletion: true }).SecretList).toHaveLength(1);
  });
});

describe("versions", () => {
  test("one new version in ten minutes can go on for ever", () => {
    const story = new RotationStory().create();
    for (let index = 0; index < 400; index += 1) {
      story.clock.advanceBy(10 * MINUTE);
      story.put("x", `v${index}`);
    }
    const list = (story.call("ListSecretVersionIds", { IncludeDeprecated: true }).Versions as unknown[])
      .length;
    expect(list).toBeLessThanOrEqual(150);
    expect(Object.keys(story.labels())).toEqual(["v398", "v399"]);
  });

  test("more are refused until a day has passed", () => {
    const story = new RotationStory().create();
    for (let index = 1; index < 150; index += 1) story.put("x", `v${index}`);
    const one = { ClientRequestToken: token("more"), SecretString: "x" };
    expect(story.refusal("PutSecretValue", one)).toMatch(/^LimitExceededException/);
    story.clock.advanceBy(DAY);
    story.call("PutSecretValue", one);
  });
});

test("refused calls change nothing", () => {
  const story = new RotationStory().create();
  story.put(
    "two",
    "two",
    Array.from({ length: 19 }, (_, index) => `label-${index}`),
  );
  const before = JSON.stringify(story.state.snapshot());
  story.refusal("PutSecretValue", {
    ClientRequestToken: token("x"),
    SecretString: "x",
    VersionStages: ["more"],
  });
  story.refusal("PutSecretValue", { ClientRequestToken: token("two"), SecretString: "other" });
  story.refusal("UpdateSecret", {
    ClientRequestToken: token("two"),
    SecretString: "other",
    Description: "other",
  });
  story.refusal("TagResource", {
    Tags: [
      { Key: "fine", Value: "" },
      { Key: "no*star", Value: "" },
    ],
  });
  story.refusal("DeleteSecret", { RecoveryWindowInDays: 1 });
  expect(JSON.stringify(story.state.snapshot())).toBe(before);
});

test("a read is remembered by the day, of secret and version", () => {
  const story = new RotationStory().create();
  story.clock.advanceBy(30 * HOUR);
  story.read();
  const day = Date.UTC(2026, 0, 2) / 1_000;
  expect(story.call("DescribeSecret").LastAccessedDate).toBe(day);
  expect(story.call("ListSecretVersionIds").Versions).toEqual([
    expect.objectContaining({ VersionId: token("first"), LastAccessedDate: day }),
  ]);
});

describe("a snapshot", () => {
  /** In the middle of a rotation, with one step handed out. */
  function busy() {
    const story = new RotationStory().create();
    story.call("TagResource", { Tags: [{ Key: "a", Value: "1" }] });
    story.rotate("new", { RotationRules: { AutomaticallyAfterDays: 1 } });
    return { story, running: story.state.nextInvocation()?.id ?? "" };
  }

  test("is plain data", () => {
    const { story } = busy();
    const snapshot = story.state.snapshot();
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
  });

  test("restores the state: what follows is the same, ids included", () => {
    const { story, running } = busy();
    const snapshot = JSON.parse(JSON.stringify(story.state.snapshot()));
    const goOn = () => {
      story.put("v", "new", ["AWSPENDING"]);
      story.state.invocationFailed(running);
      story.pass(3 * DAY);
      return JSON.stringify(story.state.snapshot());
    };
    const started = story.clock.now();
    const once = goOn();
    story.clock.advanceBy(started - story.clock.now());
    story.state.restore(snapshot);
    expect(goOn()).toBe(once);
  });

  test("isn't touched by what follows", () => {
    const { story, running } = busy();
    const snapshot = story.state.snapshot();
    const before = JSON.stringify(snapshot);
    story.state.invocationSucceeded(running);
    story.pass(2 * DAY);
    story.call("UntagResource", { TagKeys: ["a"] });
    story.call("DeleteSecret");
    expect(JSON.stringify(snapshot)).toBe(before);
  });
});

/** Overwrites everything reachable. */
function vandalise(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    vandalise(inner);
    (value as Record<string, unknown>)[key] = "vandalised";
  }
  if (Array.isArray(value)) value.length = 0;
}

test("neither requests nor answers share anything with the state", () => {
  const story = new RotationStory();
  const inputs: [string, Record<string, unknown>][] = [
    [
      "CreateSecret",
      { Name: "key", ClientRequestToken: token("a"), SecretString: "one", Tags: [{ Key: "k", Value: "v" }] },
    ],
    [
      "PutSecretValue",
      { ClientRequestToken: token("b"), SecretString: "two", VersionStages: ["AWSCURRENT", "mine"] },
    ],
    ["TagResource", { Tags: [{ Key: "l", Value: "w" }] }],
    [
      "RotateSecret",
      {
        ClientRequestToken: token("c"),
        RotationLambdaARN: "f",
        RotationRules: { AutomaticallyAfterDays: 9 },
      },
    ],
  ];
  for (const [operation, input] of inputs) {
    story.call(operation, input);
    vandalise(input);
  }
  story.read();
  const before = JSON.stringify(story.state.snapshot());
  expect(before).not.toContain("vandalised");
  for (const operation of ["DescribeSecret", "GetSecretValue", "ListSecrets", "ListSecretVersionIds"]) {
    vandalise(story.call(operation));
  }
  vandalise(story.state.call("BatchGetSecretValue", { SecretIdList: ["key"] }));
  expect(JSON.stringify(story.state.snapshot())).toBe(before);
});

test("keeps the latest events only, and none where none are wanted", () => {
  const story = new RotationStory({ eventLimit: 2 }).create();
  story.put("two", "two");
  story.put("three", "three");
  expect(story.state.events.map(({ detail }) => detail.versionId)).toEqual([token("two"), token("three")]);
  const silent = new RotationStory({ eventLimit: 0 }).create();
  silent.rotate("new");
  expect(silent.run().state.events).toEqual([]);
});

test("a caller's region goes into the ARN", () => {
  const { clock } = new RotationStory();
  const state = new SecretsManagerState({ clock, accountId: "111122223333" });
  const created = state.call("CreateSecret", { Name: "x", ClientRequestToken: token("t") }, "us-east-1");
  expect(created).toMatchObject({
    ARN: expect.stringMatching(/^arn:aws:secretsmanager:us-east-1:111122223333:secret:x-/),
  });
});
