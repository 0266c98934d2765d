import { randomUUID } from "node:crypto";
import {
  BatchGetSecretValueCommand,
  CancelRotateSecretCommand,
  CreateSecretCommand,
  type CreateSecretCommandInput,
  DeleteResourcePolicyCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetRandomPasswordCommand,
  type GetRandomPasswordCommandInput,
  GetResourcePolicyCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  ListSecretVersionIdsCommand,
  PutResourcePolicyCommand,
  PutSecretValueCommand,
  RemoveRegionsFromReplicationCommand,
  ReplicateSecretToRegionsCommand,
  RestoreSecretCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
  ValidateResourcePolicyCommand,
} from "@aws-sdk/client-secrets-manager";
import { DAY, SettableClock } from "../../../local/clock";
import type { Invocation } from "../../../local/secrets-manager/rotation";
import { type SecretsManager, startSecretsManager } from "../../../local/secrets-manager/server";

/*
 * What is held to be true of Secrets Manager, each rule with its source. Runs against the local server, and with
 * VALMI_CONTRACT_SECRETS_MANAGER=aws against the service itself, with the SDK's usual credentials and region. There it
 * makes secrets named valmi-contract-*, deletes them, and skips what needs a clock that moves or a rotation function.
 *
 * API    https://docs.aws.amazon.com/secretsmanager/latest/apireference/
 * UG     https://docs.aws.amazon.com/secretsmanager/latest/userguide/
 * MODEL  boto/botocore: botocore/data/secretsmanager/2017-10-17/service-2.json
 * LS     answers recorded from AWS: localstack/localstack, tests/aws/services/secretsmanager/*.snapshot.json
 * MOTO   tests verified on AWS: getmoto/moto, tests/test_secretsmanager/
 * TPA    hashicorp/terraform-provider-aws, internal/service/secretsmanager/
 */

const onAws = process.env.VALMI_CONTRACT_SECRETS_MANAGER === "aws";
const localOnly = onAws ? test.skip : test;
if (onAws) jest.setTimeout(60_000);

const FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:rotate";
const FORBIDDEN_FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:forbidden";

const created: string[] = [];
const clock = new SettableClock();
let server: SecretsManager | null = null;
let client: SecretsManagerClient;
let step: (event: Invocation["event"]) => Promise<void>;

beforeAll(async () => {
  if (onAws) {
    client = new SecretsManagerClient({});
    return;
  }
  server = await startSecretsManager({
    clock,
    intervalMs: 5,
    functions: {
      mayInvoke: async (functionArn) => functionArn !== FORBIDDEN_FUNCTION,
      invoke: (_functionArn, event) => step(event),
    },
  });
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  client = new SecretsManagerClient({
    endpoint: server.url,
    region: "eu-west-1",
    credentials,
    maxAttempts: 1,
  });
});

beforeEach(() => {
  step = rotate;
});

afterEach(async () => {
  for (const SecretId of created.splice(0)) {
    await client.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
  }
});

afterAll(async () => {
  client.destroy();
  await server?.close();
});

/** A rotation function without a remote: the new value is the token. */
async function rotate({ Step, SecretId, ClientRequestToken }: Invocation["event"]): Promise<void> {
  if (Step === "createSecret") {
    const VersionStages = ["AWSPENDING"];
    await client.send(
      new PutSecretValueCommand({
        SecretId,
        ClientRequestToken,
        SecretString: ClientRequestToken,
        VersionStages,
      }),
    );
  }
  if (Step === "finishSecret") {
    const RemoveFromVersionId = await holder(SecretId, "AWSCURRENT");
    await client.send(
      new UpdateSecretVersionStageCommand({
        SecretId,
        VersionStage: "AWSCURRENT",
        MoveToVersionId: ClientRequestToken,
        RemoveFromVersionId,
      }),
    );
  }
}

/** A local server that runs, for the rules that only it can be asked for. */
function local(): SecretsManager {
  if (server === null) throw new Error("there is no local server in a run against AWS");
  return server;
}

const uniqueName = () => `valmi-contract-${randomUUID()}`;

async function create(input: Partial<CreateSecretCommandInput> = {}) {
  const Name = uniqueName();
  const answer = await client.send(new CreateSecretCommand({ Name, SecretString: "one", ...input }));
  created.push(Name);
  return { Name, SecretId: Name, ARN: answer.ARN ?? "", VersionId: answer.VersionId ?? "" };
}

async function put(
  SecretId: string,
  SecretString: string,
  VersionStages?: string[],
  ClientRequestToken?: string,
) {
  const answer = await client.send(
    new PutSecretValueCommand({
      SecretId,
      SecretString,
      ...(VersionStages && { VersionStages }),
      ...(ClientRequestToken && { ClientRequestToken }),
    }),
  );
  return answer.VersionId ?? "";
}

const describeSecret = (SecretId: string) => client.send(new DescribeSecretCommand({ SecretId }));

async function labels(SecretId: string): Promise<Record<string, string[]>> {
  return (await describeSecret(SecretId)).VersionIdsToStages ?? {};
}

async function holder(SecretId: string, label: string): Promise<string | undefined> {
  return Object.entries(await labels(SecretId)).find(([, stages]) => stages.includes(label))?.[0];
}

async function read(SecretId: string, which: { VersionId?: string; VersionStage?: string } = {}) {
  return (await client.send(new GetSecretValueCommand({ SecretId, ...which }))).SecretString;
}

const move = (
  SecretId: string,
  VersionStage: string,
  MoveToVersionId?: string,
  RemoveFromVersionId?: string,
) =>
  client.send(
    new UpdateSecretVersionStageCommand({
      SecretId,
      VersionStage,
      ...(MoveToVersionId && { MoveToVersionId }),
      ...(RemoveFromVersionId && { RemoveFromVersionId }),
    }),
  );

const refusal = (name: string, message?: string | RegExp) =>
  expect.objectContaining({
    name,
    ...(message === undefined
      ? {}
      : { message: typeof message === "string" ? message : expect.stringMatching(message) }),
  });

const INVALID_NAME =
  "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";
const MARKED = "You can't perform this operation on the secret because it was marked for deletion.";
const NOT_FOUND = "Secrets Manager can't find the specified secret.";

describe("secrets", () => {
  test("an ARN is the name with a hyphen and six characters (API CreateSecret)", async () => {
    const { ARN, Name } = await create();
    expect(ARN).toMatch(
      new RegExp(`^arn:aws:secretsmanager:[a-z0-9-]+:\\d{12}:secret:${Name}-[A-Za-z0-9]{6}$`),
    );
  });

  test("a secret is found by name, by ARN and by an ARN without its suffix (UG troubleshoot, partial ARN)", async () => {
    const { ARN, Name } = await create();
    for (const id of [Name, ARN, ARN.slice(0, -7)]) expect((await describeSecret(id)).ARN).toBe(ARN);
  });

  test("a secret without a value has no version and no such field (LS test_secret_tags)", async () => {
    const { SecretId, VersionId } = await create({ SecretString: undefined });
    expect(VersionId).toBe("");
    expect(await describeSecret(SecretId)).not.toHaveProperty("VersionIdsToStages");
    await expect(read(SecretId)).rejects.toEqual(
      refusal(
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
      ),
    );
  });

  test("what was set is given back, what wasn't is left out (MODEL DescribeSecretResponse; TPA secret.go)", async () => {
    const tagged = await create({ Description: "of an agent", Tags: [{ Key: "valmi:id", Value: "one" }] });
    expect(await describeSecret(tagged.SecretId)).toMatchObject({
      Description: "of an agent",
      Tags: [{ Key: "valmi:id", Value: "one" }],
    });
    const plain = await describeSecret((await create()).SecretId);
    for (const field of [
      "Description",
      "KmsKeyId",
      "Tags",
      "RotationEnabled",
      "RotationLambdaARN",
      "RotationRules",
      "LastRotatedDate",
      "LastAccessedDate",
      "DeletedDate",
      "NextRotationDate",
      "OwningService",
      "ReplicationStatus",
    ]) {
      expect(plain).not.toHaveProperty(field);
    }
  });

  localOnly("a KMS key is given back as it was named (TPA secret.go; local only: needs a key)", async () => {
    const KmsKeyId = "arn:aws:kms:eu-west-1:000000000000:key/11111111-1111-4111-8111-111111111111";
    const { SecretId } = await create({ KmsKeyId });
    expect((await describeSecret(SecretId)).KmsKeyId).toBe(KmsKeyId);
    await client.send(new UpdateSecretCommand({ SecretId, KmsKeyId: "" }));
    expect(await describeSecret(SecretId)).not.toHaveProperty("KmsKeyId");
  });

  test.each(["Inv Name", " Inv Name", " Inv*Name? ", "ä"])(
    "the name %j is refused (LS test_invalid_secret_name)",
    async (Name) => {
      await expect(client.send(new CreateSecretCommand({ Name }))).rejects.toEqual(
        refusal("ValidationException", INVALID_NAME),
      );
      // LS, as recorded for each of these operations
      const SecretId = Name;
      for (const command of [
        new DescribeSecretCommand({ SecretId }),
        new GetSecretValueCommand({ SecretId }),
        new ListSecretVersionIdsCommand({ SecretId }),
        new PutSecretValueCommand({ SecretId, SecretString: "x" }),
        new TagResourceCommand({ SecretId, Tags: [{ Key: "a", Value: "b" }] }),
        new UntagResourceCommand({ SecretId, TagKeys: ["a"] }),
        new UpdateSecretCommand({ SecretId, Description: "x" }),
        new DeleteSecretCommand({ SecretId }),
        new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }),
        new RestoreSecretCommand({ SecretId }),
        new GetResourcePolicyCommand({ SecretId }),
      ]) {
        await expect(client.send(command as DescribeSecretCommand)).rejects.toEqual(
          refusal("ValidationException", INVALID_NAME),
        );
      }
    },
  );

  test("a name is in use (LS test_secret_exists_snapshots)", async () => {
    const { Name } = await create();
    await expect(client.send(new CreateSecretCommand({ Name, SecretString: "two" }))).rejects.toEqual(
      refusal("ResourceExistsException", `The operation failed because the secret ${Name} already exists.`),
    );
  });

  test("creating again with the same token and value is no change (API CreateSecret, ClientRequestToken)", async () => {
    const ClientRequestToken = randomUUID();
    const { Name, ARN } = await create({ ClientRequestToken });
    const again = await client.send(
      new CreateSecretCommand({ Name, SecretString: "one", ClientRequestToken }),
    );
    expect(again).toMatchObject({ ARN, VersionId: ClientRequestToken });
  });

  test("creating again with the same token and another value names the token (API CreateSecret, ClientRequestToken)", async () => {
    const ClientRequestToken = randomUUID();
    const { Name, ARN } = await create({ ClientRequestToken });
    for (const value of [{ SecretString: "two" }, { SecretBinary: Buffer.from("one") }]) {
      await expect(
        client.send(new CreateSecretCommand({ Name, ...value, ClientRequestToken })),
      ).rejects.toEqual(
        refusal(
          "ResourceExistsException",
          `You can't use ClientRequestToken ${ClientRequestToken} because that value is already in use for a version of secret ${ARN}.`,
        ),
      );
    }
    expect(await read(Name)).toBe("one");
  });

  test("an unknown secret isn't found (LS test_secret_not_found)", async () => {
    const SecretId = uniqueName();
    for (const command of [
      new GetSecretValueCommand({ SecretId }),
      new DescribeSecretCommand({ SecretId }),
      new ListSecretVersionIdsCommand({ SecretId }),
    ]) {
      await expect(client.send(command as DescribeSecretCommand)).rejects.toEqual(
        refusal("ResourceNotFoundException", NOT_FOUND),
      );
    }
  });

  test("an update without a value makes no version (LS test_update_secret_description)", async () => {
    const { SecretId, VersionId } = await create();
    const answer = await client.send(new UpdateSecretCommand({ SecretId, Description: "new" }));
    expect(answer).not.toHaveProperty("VersionId");
    expect((await describeSecret(SecretId)).Description).toBe("new");
    expect(await labels(SecretId)).toEqual({ [VersionId]: ["AWSCURRENT"] });
  });
});

describe("values and tokens", () => {
  test("a binary value comes back as it was (MODEL SecretBinaryType)", async () => {
    const { SecretId } = await create({
      SecretString: undefined,
      SecretBinary: Uint8Array.of(0, 1, 254, 255),
    });
    const answer = await client.send(new GetSecretValueCommand({ SecretId }));
    expect([...(answer.SecretBinary ?? [])]).toEqual([0, 1, 254, 255]);
    expect(answer).not.toHaveProperty("SecretString");
  });

  test("a value has 1 to 65536 bytes (MODEL SecretStringType; UG reference_limits)", async () => {
    const { SecretId } = await create();
    await put(SecretId, "x".repeat(65_536));
    for (const value of ["x".repeat(65_537), "ä".repeat(32_769)]) {
      await expect(put(SecretId, value)).rejects.toMatchObject({ $metadata: { httpStatusCode: 400 } });
    }
  });

  test("a put needs a value (MODEL PutSecretValueRequest.SecretString)", async () => {
    const { SecretId } = await create();
    await expect(client.send(new PutSecretValueCommand({ SecretId }))).rejects.toMatchObject({
      name: expect.stringMatching(/^Invalid(Request|Parameter)Exception$/),
    });
  });

  test("same token, same value: no change; other value: refused (MODEL PutSecretValueRequest.ClientRequestToken)", async () => {
    const { SecretId, ARN } = await create();
    const token = randomUUID();
    await put(SecretId, "two", undefined, token);
    const before = await labels(SecretId);
    await put(SecretId, "two", undefined, token);
    expect(await labels(SecretId)).toEqual(before);
    await expect(put(SecretId, "three", undefined, token)).rejects.toEqual(
      refusal(
        "ResourceExistsException",
        new RegExp(
          `^You can't use ClientRequestToken ${token} because that value is already in use .*${ARN}`,
        ),
      ),
    );
    expect(await read(SecretId)).toBe("two");
  });

  test("the same holds for UpdateSecret (MOTO test_update_secret_with_client_request_token)", async () => {
    const { SecretId } = await create();
    const ClientRequestToken = randomUUID();
    const update = (SecretString: string) =>
      client.send(new UpdateSecretCommand({ SecretId, SecretString, ClientRequestToken }));
    await update("two");
    expect((await update("two")).VersionId).toBe(ClientRequestToken);
    await expect(update("three")).rejects.toEqual(refusal("ResourceExistsException"));
  });

  test.each([31, 65])(
    "a token of %d characters is refused (MODEL ClientRequestTokenType)",
    async (length) => {
      const { SecretId } = await create();
      await expect(put(SecretId, "two", undefined, "t".repeat(length))).rejects.toMatchObject({
        name: expect.stringMatching(/^(InvalidParameter|Validation)Exception$/),
      });
    },
  );

  localOnly(
    "a raw call without a token is refused before the secret is looked up (LS test_http_*; local only: unsigned)",
    async () => {
      const call = async (operation: string) => {
        const response = await fetch(local().url, {
          method: "POST",
          headers: {
            "x-amz-target": `secretsmanager.${operation}`,
            "content-type": "application/x-amz-json-1.1",
          },
          body: JSON.stringify({ SecretId: "unknown", Name: "unknown", SecretString: "x" }),
        });
        return [response.status, ((await response.json()) as { __type: string }).__type];
      };
      for (const operation of ["CreateSecret", "PutSecretValue", "UpdateSecret"]) {
        expect(await call(operation)).toEqual([400, "InvalidRequestException"]);
      }
      expect(await call("RotateSecret")).toEqual([400, "InvalidParameterException"]);
    },
  );

  test("what can't be read says why (LS test_get_secret_value_errors, test_secret_version_not_found)", async () => {
    const { SecretId, VersionId } = await create();
    const missing = randomUUID();
    await expect(read(SecretId, { VersionStage: "AWSPREVIOUS" })).rejects.toEqual(
      refusal(
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret value for staging label: AWSPREVIOUS",
      ),
    );
    await expect(read(SecretId, { VersionId: missing })).rejects.toEqual(
      refusal(
        "ResourceNotFoundException",
        `Secrets Manager can't find the specified secret value for VersionId: ${missing}`,
      ),
    );
    await expect(read(SecretId, { VersionId, VersionStage: "AWSPREVIOUS" })).rejects.toEqual(
      refusal(
        "InvalidRequestException",
        "You provided a VersionStage that is not associated to the provided VersionId.",
      ),
    );
  });

  test("the date of the last read has no time (MODEL LastAccessedDate)", async () => {
    const { SecretId } = await create();
    await read(SecretId);
    expect((await describeSecret(SecretId)).LastAccessedDate?.toISOString()).toMatch(/T00:00:00\.000Z$/);
  });

  test("a batch reads what it can and reports the rest (MODEL BatchGetSecretValueResponse.Errors)", async () => {
    const { Name } = await create();
    const missing = uniqueName();
    const answer = await client.send(new BatchGetSecretValueCommand({ SecretIdList: [Name, missing] }));
    expect(answer.SecretValues).toEqual([expect.objectContaining({ Name, SecretString: "one" })]);
    expect(answer.Errors).toEqual([
      expect.objectContaining({ SecretId: missing, ErrorCode: "ResourceNotFoundException" }),
    ]);
  });

  test("a batch takes ids or filters, not both (MODEL BatchGetSecretValueRequest)", async () => {
    const Filters = [{ Key: "name" as const, Values: ["x"] }];
    for (const input of [{}, { SecretIdList: ["x"], Filters }]) {
      await expect(client.send(new BatchGetSecretValueCommand(input))).rejects.toEqual(
        refusal("InvalidParameterException"),
      );
    }
  });
});

describe("random passwords", () => {
  const CLASSES = [/[a-z]/, /[A-Z]/, /[0-9]/, /[!-/:-@[-`{-~]/];
  const password = async (input: GetRandomPasswordCommandInput = {}) =>
    (await client.send(new GetRandomPasswordCommand(input))).RandomPassword ?? "";

  test("32 characters of every class, and another one each time (MODEL GetRandomPasswordRequest)", async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => password()));
    expect(new Set(all).size).toBe(20);
    for (const each of all) {
      expect(each).toMatch(/^[!-~]{32}$/);
      expect(CLASSES.filter((kind) => !kind.test(each))).toEqual([]);
    }
  });

  test.each<[GetRandomPasswordCommandInput, RegExp]>([
    [{ PasswordLength: 4 }, /^[!-~]{4}$/],
    [{ PasswordLength: 4_096 }, /^[!-~]{4096}$/],
    [{ PasswordLength: 1, RequireEachIncludedType: false }, /^[!-~]$/],
    [{ ExcludePunctuation: true }, /^[a-zA-Z0-9]{32}$/],
    [{ ExcludePunctuation: true, ExcludeNumbers: true, ExcludeUppercase: true }, /^[a-z]{32}$/],
    [{ ExcludePunctuation: true, ExcludeNumbers: true, ExcludeLowercase: true }, /^[A-Z]{32}$/],
    [{ ExcludeCharacters: '^]-\\"0aA', PasswordLength: 2_000 }, /^[^^\]\-\\"0aA]{2000}$/],
    [{ IncludeSpace: true, PasswordLength: 4_000 }, /^(?=.* )[ -~]{4000}$/],
    [{ IncludeSpace: true, ExcludeCharacters: " ", PasswordLength: 4_000 }, /^[!-~]{4000}$/],
  ])("%j gives %p (MODEL GetRandomPasswordRequest)", async (input, shape) => {
    const each = await password(input);
    expect(each).toMatch(shape);
  });

  test("four characters hold one of each class (MODEL RequireEachIncludedType)", async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => password({ PasswordLength: 4 })));
    expect(all.filter((each) => CLASSES.some((kind) => !kind.test(each)))).toEqual([]);
    // No class has a place of its own.
    expect(new Set(all.map((each) => CLASSES.findIndex((kind) => kind.test(each.charAt(0))))).size).toBe(4);
  });

  test.each([
    ["a length of 0", { PasswordLength: 0 }, "ValidationException"],
    ["a length of 4097", { PasswordLength: 4_097 }, "ValidationException"],
    ["4097 excluded characters", { ExcludeCharacters: "x".repeat(4_097) }, "ValidationException"],
    ["fewer characters than classes", { PasswordLength: 3 }, "InvalidParameterException"],
    [
      "every class excluded",
      {
        ExcludeLowercase: true,
        ExcludeUppercase: true,
        ExcludeNumbers: true,
        ExcludePunctuation: true,
      },
      "InvalidParameterException",
    ],
  ])("%s is refused (MODEL PasswordLengthType; MOTO test_get_random_*)", async (_what, input, name) => {
    await expect(password(input)).rejects.toEqual(refusal(name));
  });
});

describe("replication", () => {
  localOnly("is refused by one clear line (local only: AWS replicates)", async () => {
    const { SecretId } = await create();
    const AddReplicaRegions = [{ Region: "eu-west-2" }];
    for (const command of [
      new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions }),
      new RemoveRegionsFromReplicationCommand({ SecretId, RemoveReplicaRegions: ["eu-west-2"] }),
      new StopReplicationToReplicaCommand({ SecretId }),
      new CreateSecretCommand({ Name: uniqueName(), AddReplicaRegions }),
    ]) {
      await expect(client.send(command as StopReplicationToReplicaCommand)).rejects.toEqual(
        refusal(
          "UnknownOperationException",
          "Replication is not supported by the local Secrets Manager; local/secrets-manager/README.md lists what is.",
        ),
      );
    }
  });
});

describe("labels", () => {
  test("a put moves AWSCURRENT, and AWSPREVIOUS to where it was (API PutSecretValue)", async () => {
    const { SecretId, VersionId: one } = await create();
    const two = await put(SecretId, "two");
    expect(await labels(SecretId)).toEqual({ [one]: ["AWSPREVIOUS"], [two]: ["AWSCURRENT"] });
    const three = await put(SecretId, "three");
    expect(await labels(SecretId)).toEqual({ [two]: ["AWSPREVIOUS"], [three]: ["AWSCURRENT"] });
  });

  test("a put with labels leaves AWSCURRENT where it is; lists are sorted (LS test_put_secret_value_with_version_stages)", async () => {
    const { SecretId, VersionId: one } = await create();
    const two = await put(SecretId, "two", ["two", "three", "one"]);
    expect(await labels(SecretId)).toEqual({ [one]: ["AWSCURRENT"], [two]: ["one", "three", "two"] });
    expect(await read(SecretId)).toBe("one");
  });

  test("a label sits on one version (LS test_non_versioning_version_stages_no_replacement)", async () => {
    const { SecretId, VersionId: one } = await create();
    const two = await put(SecretId, "two", ["one", "three", "two"]);
    const three = await put(SecretId, "three", ["four", "one", "two"]);
    expect(await labels(SecretId)).toEqual({
      [one]: ["AWSCURRENT"],
      [two]: ["three"],
      [three]: ["four", "one", "two"],
    });
  });

  test("the first version of a secret gets AWSCURRENT whatever it asks for (API PutSecretValue)", async () => {
    const { SecretId } = await create({ SecretString: undefined });
    const one = await put(SecretId, "one", ["mine"]);
    expect(await labels(SecretId)).toEqual({ [one]: ["AWSCURRENT", "mine"] });
  });

  test("promoting keeps AWSPENDING beside AWSCURRENT (LS test_update_secret_version_stages_current_pending)", async () => {
    const { SecretId, VersionId: one } = await create();
    const two = await put(SecretId, "two", ["AWSPENDING"]);
    await move(SecretId, "AWSCURRENT", two, one);
    expect(await labels(SecretId)).toEqual({ [one]: ["AWSPREVIOUS"], [two]: ["AWSCURRENT", "AWSPENDING"] });
    // The same test: the next put takes AWSPENDING off the version that was current.
    const three = await put(SecretId, "three");
    expect(await labels(SecretId)).toEqual({ [two]: ["AWSPREVIOUS"], [three]: ["AWSCURRENT"] });
  });

  test("rolling back swaps the two labels (API UpdateSecretVersionStage)", async () => {
    const { SecretId, VersionId: one } = await create();
    const two = await put(SecretId, "two");
    await move(SecretId, "AWSCURRENT", one, two);
    expect(await labels(SecretId)).toEqual({ [one]: ["AWSCURRENT"], [two]: ["AWSPREVIOUS"] });
  });

  test("a label that is attached moves only from where it is said to be (MODEL UpdateSecretVersionStageRequest)", async () => {
    const { SecretId, VersionId: one } = await create();
    const two = await put(SecretId, "two", ["AWSPENDING"]);
    await expect(move(SecretId, "AWSCURRENT", two)).rejects.toEqual(
      refusal(
        "InvalidParameterException",
        `The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version ${one}, so you must explicitly reference that version in RemoveFromVersionId.`,
      ),
    );
    await expect(move(SecretId, "AWSCURRENT", two, two)).rejects.toEqual(
      refusal("InvalidParameterException"),
    );
    expect(await holder(SecretId, "AWSCURRENT")).toBe(one);
  });

  test("AWSCURRENT can't just be taken away (TPA secret_version.go)", async () => {
    const { SecretId, VersionId } = await create();
    await expect(move(SecretId, "AWSCURRENT", undefined, VersionId)).rejects.toEqual(
      refusal(
        "InvalidParameterException",
        /^You can only move staging label AWSCURRENT to a different secret version/,
      ),
    );
    expect(await holder(SecretId, "AWSCURRENT")).toBe(VersionId);
  });

  test("any other label can (LS test_update_secret_version_stages_current_pending_cycle_custom_stages_3)", async () => {
    const { SecretId } = await create();
    const two = await put(SecretId, "two", ["mine"]);
    await move(SecretId, "mine", undefined, two);
    expect(await holder(SecretId, "mine")).toBeUndefined();
  });

  test("a label can't move to a version that doesn't exist (MODEL UpdateSecretVersionStage errors)", async () => {
    const { SecretId } = await create();
    await expect(move(SecretId, "mine", randomUUID())).rejects.toMatchObject({
      name: expect.stringMatching(/^(ResourceNotFound|InvalidParameter)Exception$/),
    });
  });

  test("a secret has at most 20 labels (UG reference_limits)", async () => {
    const { SecretId } = await create();
    const mine = Array.from({ length: 19 }, (_, index) => `label-${index}`);
    await put(SecretId, "two", mine);
    await expect(put(SecretId, "three", ["one-more"])).rejects.toEqual(refusal("LimitExceededException"));
  });

  test("versions without a label are listed on demand (LS test_deprecated_secret_version_stage)", async () => {
    const { SecretId, VersionId: one } = await create();
    const two = await put(SecretId, "two");
    const three = await put(SecretId, "three");
    const list = async (IncludeDeprecated: boolean) => {
      const answer = await client.send(new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated }));
      return answer.Versions?.map(({ VersionId }) => VersionId).sort();
    };
    expect(await list(false)).toEqual([two, three].sort());
    expect(await list(true)).toEqual([one, two, three].sort());
    const all = await client.send(new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated: true }));
    const deprecated = all.Versions?.find(({ VersionId }) => VersionId === one);
    expect(deprecated).toMatchObject({ KmsKeyIds: ["DefaultEncryptionKey"] });
    expect(deprecated).not.toHaveProperty("VersionStages");
  });
});

describe("lists", () => {
  // ListSecrets of AWS may lag by five minutes (API ListSecrets).
  localOnly(
    "filters, sorts and pages (MODEL ListSecretsRequest, Filter; local only: AWS's list lags)",
    async () => {
      const prefix = uniqueName();
      for (const letter of ["b", "a", "c"]) {
        await create({
          Name: `${prefix}-${letter}`,
          Description: `Agent ${letter}`,
          Tags: [{ Key: `${prefix}-tag`, Value: `${letter}zz` }],
        });
      }
      const names = async (input: object) =>
        (await client.send(new ListSecretsCommand(input))).SecretList?.map(({ Name }) =>
          Name?.slice(prefix.length + 1),
        );
      const byName = [{ Key: "name" as const, Values: [prefix] }];
      expect(await names({ Filters: byName, SortBy: "name" })).toEqual(["a", "b", "c"]);
      expect(await names({ Filters: byName, SortBy: "name", SortOrder: "desc" })).toEqual(["c", "b", "a"]);
      expect(await names({ Filters: byName })).toEqual(["b", "a", "c"]);
      expect(await names({ Filters: [...byName, { Key: "tag-value", Values: ["az"] }] })).toEqual(["a"]);
      expect(await names({ Filters: [...byName, { Key: "description", Values: ["agent C"] }] })).toEqual([
        "c",
      ]);
      expect(
        await names({ Filters: [...byName, { Key: "name", Values: [`!${prefix}-a`] }], SortBy: "name" }),
      ).toEqual(["b", "c"]);
      expect(await names({ Filters: [{ Key: "all", Values: [`${prefix}-tag BZZ`] }] })).toEqual(["b"]);

      const first = await client.send(new ListSecretsCommand({ Filters: byName, MaxResults: 2 }));
      expect(first.SecretList).toHaveLength(2);
      const second = await client.send(
        new ListSecretsCommand({ Filters: byName, MaxResults: 2, NextToken: first.NextToken }),
      );
      expect(second.SecretList).toHaveLength(1);
      expect(second).not.toHaveProperty("NextToken");
    },
  );

  type FilterInput = { readonly Key: "all" | "description" | "name" | "tag-key"; readonly Values: string[] };

  /** Names of the secrets that the filters find, without the prefix that this test's own have. */
  async function found(prefix: string, ...filters: FilterInput[]): Promise<string[]> {
    const Filters = [{ Key: "name" as const, Values: [prefix] }, ...filters];
    const { SecretList = [] } = await client.send(new ListSecretsCommand({ Filters, SortBy: "name" }));
    return SecretList.map(({ Name = "" }) => Name.slice(prefix.length));
  }

  localOnly.each<[string, string[]]>([
    ["AppBeta", ["Plus", "slash"]],
    ["beta", ["Plus", "slash"]],
    ["sec", ["two"]],
    ["cret", []],
    ["SomeSecret", []],
    ["company", ["upper"]],
    ["pany", []],
    ["Ythings", ["partly"]],
    ["things", []],
    ["desc two", ["two"]],
    ["+", []],
    ["+ - /", []],
    [" ", []],
    ["", []],
  ])(
    "all: the value %j, in words, matches beginnings of words in %j (UG manage_search-secret; MOTO test_with_all_filter*; local only: AWS's list lags)",
    async (value, names) => {
      const prefix = `${uniqueName()}/`;
      await create({ Name: `${prefix}slash`, Description: "prod/AppBeta/x" });
      await create({ Name: `${prefix}Plus`, Description: "prod+AppBeta+y" });
      await create({ Name: `${prefix}two`, Tags: [{ Key: "SecretTwo", Value: "DescTwo" }] });
      await create({ Name: `${prefix}upper`, Description: "uat/COMPANY/z" });
      await create({ Name: `${prefix}partly`, Description: "uat/COMPANYthings/z" });
      expect(await found(prefix, { Key: "all", Values: [value] })).toEqual(names);
      const batch = await client.send(
        new BatchGetSecretValueCommand({
          Filters: [
            { Key: "name", Values: [prefix] },
            { Key: "all", Values: [value] },
          ],
        }),
      );
      expect(batch.SecretValues).toHaveLength(names.length);
    },
  );

  localOnly(
    "description: every word, in any order and of any case (UG manage_search-secret; MOTO test_with_filter_with_value_with_multiple_words)",
    async () => {
      const prefix = `${uniqueName()}/`;
      const descriptions = ["one two", "one and two", "one", "two", "unrelated", "", "Two then ONE"];
      for (const [index, Description] of descriptions.entries()) {
        await create({ Name: `${prefix}${index}`, ...(Description && { Description }) });
      }
      const by = (...Values: string[]) => found(prefix, { Key: "description", Values });
      expect(await by("one two")).toEqual(["0", "1", "6"]);
      expect(await by("o t")).toEqual(["0", "1", "6"]);
      expect(await by("t")).toEqual(["0", "1", "3", "6"]);
      expect(await by("wo")).toEqual([]);
      expect(await by("+")).toEqual([]);
      expect(await by("!one")).toEqual(["3", "4", "5"]);
      expect(await by("unrelated", "and")).toEqual(["1", "4"]);
    },
  );

  localOnly(
    "filters together: each has to hold, also of one key (MOTO test_with_duplicate_filter_keys)",
    async () => {
      const prefix = `${uniqueName()}/`;
      await create({ Name: `${prefix}a`, Description: "one two", Tags: [{ Key: "right", Value: "x" }] });
      await create({ Name: `${prefix}b`, Description: "one", Tags: [{ Key: "right", Value: "x" }] });
      await create({ Name: `${prefix}c`, Description: "one two" });
      const [one, two] = ["one", "two"].map((word): FilterInput => ({ Key: "description", Values: [word] }));
      if (one === undefined || two === undefined) throw new Error("unreachable");
      expect(await found(prefix, one, two)).toEqual(["a", "c"]);
      expect(await found(prefix, one, two, { Key: "tag-key", Values: ["rig"] })).toEqual(["a"]);
      expect(await found(prefix, one, { Key: "tag-key", Values: ["Right"] })).toEqual([]);
      expect(await found(prefix, one, { Key: "tag-key", Values: ["!right"] })).toEqual(["c"]);
      expect(await found(prefix, one, { Key: "all", Values: ["!two"] })).toEqual(["b"]);
    },
  );

  test("a filter's value has letters without accents, digits and a few signs (MODEL FilterValueStringType)", async () => {
    for (const value of ["é", "a*b", "!!é", "a#b"]) {
      const Filters = [{ Key: "all" as const, Values: [value] }];
      for (const command of [
        new ListSecretsCommand({ Filters }),
        new BatchGetSecretValueCommand({ Filters }),
      ]) {
        await expect(client.send(command as ListSecretsCommand)).rejects.toEqual(
          refusal("ValidationException", /^1 validation error detected: Value '.*' at 'filters\.1\.member/),
        );
      }
    }
  });

  test("a filter needs a key and values (MOTO test_with_no_filter_key, test_with_no_filter_values)", async () => {
    const list = (filter: object) => client.send(new ListSecretsCommand({ Filters: [filter] }));
    await expect(list({ Values: ["x"] })).rejects.toEqual(
      refusal("InvalidParameterException", "Invalid filter key"),
    );
    await expect(list({ Key: "description" })).rejects.toEqual(
      refusal("InvalidParameterException", "Invalid filter values for key: description"),
    );
  });

  test("a next token that nobody gave out is refused (MODEL InvalidNextTokenException)", async () => {
    await expect(client.send(new ListSecretsCommand({ NextToken: "made-up" }))).rejects.toEqual(
      refusal("InvalidNextTokenException"),
    );
  });
});

describe("tags and policy", () => {
  test("tags are added and taken away; an emptied list stays a list (LS test_secret_tags)", async () => {
    const { SecretId } = await create();
    await client.send(new TagResourceCommand({ SecretId, Tags: [{ Key: "a", Value: "1" }] }));
    await client.send(new TagResourceCommand({ SecretId, Tags: [{ Key: "b", Value: "2" }] }));
    await client.send(new TagResourceCommand({ SecretId, Tags: [{ Key: "a", Value: "3" }] }));
    expect((await describeSecret(SecretId)).Tags).toEqual(
      expect.arrayContaining([
        { Key: "a", Value: "3" },
        { Key: "b", Value: "2" },
      ]),
    );
    await client.send(new UntagResourceCommand({ SecretId, TagKeys: ["a", "b"] }));
    expect((await describeSecret(SecretId)).Tags).toEqual([]);
  });

  test.each([
    ["a character", [{ Key: "a", Value: "no*star" }]],
    ["a reserved prefix", [{ Key: "aws:mine", Value: "" }]],
    ["too many", Array.from({ length: 51 }, (_, index) => ({ Key: `k${index}`, Value: "" }))],
    ["too long a value", [{ Key: "a", Value: "x".repeat(257) }]],
  ])("tags with %s are refused (UG reference_limits; MODEL Tag)", async (_what, Tags) => {
    const { SecretId } = await create();
    await expect(client.send(new TagResourceCommand({ SecretId, Tags }))).rejects.toMatchObject({
      $metadata: { httpStatusCode: 400 },
    });
    expect(await describeSecret(SecretId)).not.toHaveProperty("Tags");
  });

  const policy = (Principal: unknown) =>
    JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal, Action: "secretsmanager:GetSecretValue", Resource: "*" }],
    });

  test("a policy is given back, and is absent before and after (LS test_resource_policy)", async () => {
    const { SecretId } = await create();
    const get = () => client.send(new GetResourcePolicyCommand({ SecretId }));
    expect(await get()).not.toHaveProperty("ResourcePolicy");
    await client.send(new PutResourcePolicyCommand({ SecretId, ResourcePolicy: policy("*") }));
    expect(JSON.parse((await get()).ResourcePolicy ?? "")).toEqual(JSON.parse(policy("*")));
    await client.send(new DeleteResourcePolicyCommand({ SecretId }));
    expect(await get()).not.toHaveProperty("ResourcePolicy");
  });

  test("a policy for everybody is blocked on demand (MODEL PublicPolicyException)", async () => {
    const { SecretId } = await create();
    const put = new PutResourcePolicyCommand({
      SecretId,
      ResourcePolicy: policy("*"),
      BlockPublicPolicy: true,
    });
    await expect(client.send(put)).rejects.toEqual(refusal("PublicPolicyException"));
    const validated = await client.send(new ValidateResourcePolicyCommand({ ResourcePolicy: policy("*") }));
    expect(validated.PolicyValidationPassed).toBe(false);
  });

  test("a policy that is none is refused (MODEL MalformedPolicyDocumentException)", async () => {
    const { SecretId } = await create();
    await expect(
      client.send(new PutResourcePolicyCommand({ SecretId, ResourcePolicy: "no policy" })),
    ).rejects.toEqual(refusal("MalformedPolicyDocumentException"));
  });
});

describe("deletion", () => {
  test("a secret marked for deletion can be described and restored, not read (API DeleteSecret)", async () => {
    const { SecretId, Name } = await create();
    const { DeletionDate } = await client.send(
      new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }),
    );
    expect(DeletionDate).toBeDefined();
    expect((await describeSecret(SecretId)).DeletedDate).toBeDefined();
    await expect(read(SecretId)).rejects.toEqual(refusal("InvalidRequestException", MARKED));
    await expect(put(SecretId, "two")).rejects.toEqual(refusal("InvalidRequestException", MARKED));
    // LS test_exp_raised_on_creation_of_secret_scheduled_for_deletion
    await expect(client.send(new CreateSecretCommand({ Name, SecretString: "x" }))).rejects.toEqual(
      refusal(
        "InvalidRequestException",
        "You can't create this secret because a secret with this name is already scheduled for deletion.",
      ),
    );
    await client.send(new RestoreSecretCommand({ SecretId }));
    expect(await read(SecretId)).toBe("one");
  });

  test.each([0, 6, 31])(
    "a recovery window of %d days is refused, with force too (API DeleteSecret; 0: getmoto/moto issue 6461)",
    async (RecoveryWindowInDays) => {
      const { SecretId } = await create();
      for (const ForceDeleteWithoutRecovery of [undefined, false, true]) {
        const input = { SecretId, RecoveryWindowInDays, ForceDeleteWithoutRecovery };
        await expect(client.send(new DeleteSecretCommand(input))).rejects.toEqual(
          refusal(
            "InvalidParameterException",
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
          ),
        );
      }
      expect(await read(SecretId)).toBe("one");
    },
  );

  test("force and a window exclude each other; force forgives an unknown secret (API DeleteSecret)", async () => {
    const { SecretId } = await create();
    const both = { SecretId, RecoveryWindowInDays: 7, ForceDeleteWithoutRecovery: true };
    await expect(client.send(new DeleteSecretCommand(both))).rejects.toEqual(
      refusal("InvalidParameterException"),
    );
    const unknown = { SecretId: uniqueName(), ForceDeleteWithoutRecovery: true };
    await expect(client.send(new DeleteSecretCommand(unknown))).resolves.toMatchObject({
      Name: unknown.SecretId,
    });
  });

  localOnly(
    "the name is free after the window (API DeleteSecret; local only: needs a clock that moves)",
    async () => {
      const { SecretId, ARN } = await create();
      await client.send(new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }));
      await local().advanceBy(7 * DAY);
      await expect(describeSecret(SecretId)).rejects.toEqual(refusal("ResourceNotFoundException", NOT_FOUND));
      const again = await client.send(new CreateSecretCommand({ Name: SecretId, SecretString: "x" }));
      expect(again.ARN).not.toBe(ARN);
    },
  );
});

describe("rotation", () => {
  const rotateSecret = (SecretId: string, input: object = {}) =>
    client.send(new RotateSecretCommand({ SecretId, RotationLambdaARN: FUNCTION, ...input }));

  test("needs a function (UG troubleshoot_rotation; API RotateSecret)", async () => {
    const { SecretId } = await create();
    await expect(client.send(new RotateSecretCommand({ SecretId }))).rejects.toEqual(
      refusal("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret."),
    );
  });

  test("takes days or an expression, not both (TPA issue 33329)", async () => {
    const { SecretId } = await create();
    const RotationRules = { AutomaticallyAfterDays: 1, ScheduleExpression: "rate(10 days)" };
    await expect(rotateSecret(SecretId, { RotationRules })).rejects.toEqual(
      refusal(
        "InvalidParameterException",
        "You cannot specify both rotation frequency and schedule expression together.",
      ),
    );
  });

  localOnly(
    "needs a function that Secrets Manager may invoke, and sets nothing before (LS test_rotate_secret_invalid_lambda_arn)",
    async () => {
      const { SecretId } = await create();
      await expect(rotateSecret(SecretId, { RotationLambdaARN: FORBIDDEN_FUNCTION })).rejects.toEqual(
        refusal(
          "AccessDeniedException",
          "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.",
        ),
      );
      expect(await describeSecret(SecretId)).not.toHaveProperty("RotationEnabled");
    },
  );

  localOnly(
    "registers an empty AWSPENDING version first (MODEL DescribeSecretResponse.VersionIdsToStages)",
    async () => {
      const { SecretId } = await create();
      const seen: unknown[] = [];
      step = async (event) => {
        if (event.Step === "createSecret") {
          seen.push((await labels(SecretId))[event.ClientRequestToken]);
          seen.push(await read(SecretId, { VersionStage: "AWSPENDING" }).catch((error: Error) => error.name));
        }
        await rotate(event);
      };
      await rotateSecret(SecretId);
      await local().settle();
      expect(seen).toEqual([["AWSPENDING"], "ResourceNotFoundException"]);
    },
  );

  localOnly("ends with the token's version current (LS test_rotate_secret_with_lambda_success)", async () => {
    const { SecretId, VersionId: old } = await create();
    const { VersionId: token = "" } = await rotateSecret(SecretId, {
      RotationRules: { AutomaticallyAfterDays: 1 },
    });
    await local().settle();
    expect(await describeSecret(SecretId)).toMatchObject({
      VersionIdsToStages: { [token]: ["AWSCURRENT", "AWSPENDING"], [old]: ["AWSPREVIOUS"] },
      RotationEnabled: true,
      RotationLambdaARN: FUNCTION,
      RotationRules: { AutomaticallyAfterDays: 1 },
      LastRotatedDate: expect.any(Date),
      NextRotationDate: expect.any(Date),
    });
  });

  localOnly(
    "RotateImmediately=false runs only testSecret, on a copy of the current value (MOTO test_rotate_secret_using_lambda_dont_rotate_immediately)",
    async () => {
      const { SecretId, VersionId: current } = await create();
      const seen: unknown[] = [];
      step = async ({ Step, ClientRequestToken }) => {
        const stages = (await labels(SecretId))[ClientRequestToken];
        seen.push({ Step, stages, value: await read(SecretId, { VersionId: ClientRequestToken }) });
        expect(ClientRequestToken).not.toBe(current);
      };
      await rotateSecret(SecretId, { RotateImmediately: false });
      await local().settle();
      expect(seen).toEqual([{ Step: "testSecret", stages: ["AWSPENDING"], value: "one" }]);
      expect(await labels(SecretId)).toEqual({ [current]: ["AWSCURRENT"] });
    },
  );

  localOnly(
    "an unfinished rotation is refused and run again under its token (API RotateSecret; TPA issue 35023)",
    async () => {
      const { SecretId } = await create();
      const tokens = new Set<string>();
      step = async ({ ClientRequestToken }) => {
        tokens.add(ClientRequestToken);
        throw new Error("broken");
      };
      const { VersionId: token = "" } = await rotateSecret(SecretId);
      await local().settle();
      step = rotate;
      await expect(rotateSecret(SecretId)).rejects.toEqual(
        refusal(
          "InvalidRequestException",
          "A previous rotation isn't complete. That rotation will be reattempted.",
        ),
      );
      await local().settle();
      expect([...tokens]).toEqual([token]);
      expect(await holder(SecretId, "AWSCURRENT")).toBe(token);
    },
  );

  localOnly(
    "a new version ends a rotation and takes AWSPENDING away (UG cloudtrail_log_entries, RotationAbandoned)",
    async () => {
      const { SecretId } = await create();
      step = async () => {
        throw new Error("broken");
      };
      await rotateSecret(SecretId);
      await local().settle();
      await put(SecretId, "by hand");
      expect(await holder(SecretId, "AWSPENDING")).toBeUndefined();
      await expect(rotateSecret(SecretId)).resolves.toBeDefined();
      await local().settle();
    },
  );

  localOnly(
    "cancelling leaves the labels, and they block the next rotation (MODEL CancelRotateSecretResponse.VersionId)",
    async () => {
      const { SecretId } = await create();
      step = async () => {
        throw new Error("broken");
      };
      const { VersionId: token } = await rotateSecret(SecretId, {
        RotationRules: { AutomaticallyAfterDays: 1 },
      });
      await local().settle();
      const answer = await client.send(new CancelRotateSecretCommand({ SecretId }));
      expect(answer.VersionId).toBe(token);
      expect(await describeSecret(SecretId)).toMatchObject({
        RotationEnabled: false,
        RotationLambdaARN: FUNCTION,
        RotationRules: { AutomaticallyAfterDays: 1 },
      });
      expect(await holder(SecretId, "AWSPENDING")).toBe(token);
      await expect(rotateSecret(SecretId)).rejects.toEqual(refusal("InvalidRequestException"));
    },
  );

  localOnly(
    "a secret of 90 days rotates by itself (MODEL RotationRulesType; local only: needs a clock that moves)",
    async () => {
      const { SecretId, VersionId: old } = await create();
      await rotateSecret(SecretId, {
        RotateImmediately: false,
        RotationRules: { AutomaticallyAfterDays: 90 },
      });
      await local().advanceBy(89 * DAY);
      expect(await holder(SecretId, "AWSCURRENT")).toBe(old);
      await local().advanceBy(DAY);
      expect(await holder(SecretId, "AWSPREVIOUS")).toBe(old);
    },
  );
});

if (onAws) {
  test.todo("skipped on AWS: what needs a rotation function, a KMS key, or a clock that moves");
}
