import { type CountedRun, countCalls, perInstance, total } from "../../../local/demo/figures";

/** A run whose servers have counted what is put into it. */
function fakeRun() {
  const byCaller: Record<string, Record<string, number>> = {
    "aws-sdk-js": { GetSecretValue: 4 },
    terraform: { DescribeSecret: 9 },
  };
  const run = {
    secretsManager: { calls: { total: 0, byOperation: {}, byCaller } },
    dynamoDb: { calls: { PutItem: 2 } as Record<string, number> },
    controlPlane: { calls: { "GET /auth/me": 1 } as Record<string, number> },
  };
  return run as typeof run & CountedRun;
}

it("counts what the functions call meanwhile, and nobody else's calls of Secrets Manager", async () => {
  const run = fakeRun();

  const calls = await countCalls(run, async () => {
    run.secretsManager.calls.byCaller["aws-sdk-js"] = { GetSecretValue: 6, PutSecretValue: 1 };
    run.secretsManager.calls.byCaller["PT-NO-OP-2.36.0"] = { GetSecretValue: 1 };
    run.secretsManager.calls.byCaller.consumer = { GetSecretValue: 100 };
    run.secretsManager.calls.byCaller.demo = { RotateSecret: 1 };
    run.secretsManager.calls.byCaller.terraform = { DescribeSecret: 12 };
    run.dynamoDb.calls.PutItem = 3;
    run.controlPlane.calls["POST /agent_instance/create"] = 1;
  });

  expect(calls).toEqual({
    secretsManager: { GetSecretValue: 3, PutSecretValue: 1 },
    dynamoDb: { PutItem: 1 },
    controlPlane: { "POST /agent_instance/create": 1 },
  });
});

it("says that nobody counts DynamoDB in an emulator of the user's own", async () => {
  const calls = await countCalls({ ...fakeRun(), dynamoDb: undefined }, async () => {});

  expect(calls.dynamoDb).toBeUndefined();
});

it("takes off what else ran for each instance, and divides the rest", () => {
  const deploy = {
    secretsManager: { GetSecretValue: 6, PutSecretValue: 2 },
    dynamoDb: { PutItem: 2 },
    controlPlane: { "GET /agent_type/all": 1, "GET /agent_instance/info": 2 },
  };
  const dryRun = {
    secretsManager: { GetSecretValue: 2 },
    dynamoDb: {},
    controlPlane: { "GET /agent_instance/info": 1 },
  };

  expect(perInstance(deploy, dryRun, 2)).toEqual({
    secretsManager: { GetSecretValue: 1, PutSecretValue: 1 },
    dynamoDb: { PutItem: 1 },
    controlPlane: { "GET /agent_type/all": 0.5 },
  });
});

it("adds up", () => {
  expect(total({ a: 1, b: 2.5 })).toBe(3.5);
});
