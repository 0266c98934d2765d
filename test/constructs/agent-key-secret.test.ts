import {
  type AgentInstanceSettings,
  AgentKeySecret,
  type AgentKeysSettings,
  resolveSettings,
} from "../../constructs";
import { provisionAccess, rotateAccess } from "../../constructs/access/function-access";
import { leastSettings, Synthesised, stack, synthAgentKeys } from "../helpers/synth";

const location = { partition: "aws", region: "eu-central-1", accountId: "123456789012" };
const least: AgentInstanceSettings = { id: "support", agentType: { id: "at_1" } };

function make(
  instance: AgentInstanceSettings = least,
  changes: Partial<AgentKeysSettings> = {},
  encryptionKeyArn?: string,
  use: (secret: AgentKeySecret) => void = () => {},
) {
  const scope = stack();
  const settings = resolveSettings({ ...leastSettings, ...changes });
  const key = encryptionKeyArn ? { encryptionKeyArn } : {};
  use(new AgentKeySecret(scope, "secret", { settings, instance, location, ...key }));
  return new Synthesised(scope);
}

test("with the least props: protected, restorable, encrypted by the key that AWS manages", () => {
  const { policy: _, ...secret } = make().one("aws_secretsmanager_secret");
  expect(secret).toEqual({
    name: "valmi/dev/support/agent-key",
    description: "Agent key of the agent instance support (dev)",
    recovery_window_in_days: 30,
    lifecycle: { prevent_destroy: true },
    tags: {
      "valmi:environment": "dev",
      "valmi:id": "support",
      "valmi:name": "dev-support",
      "valmi:agent-type": "at_1",
      "valmi:control-plane-url": "https://value.valmi.io/api/v1",
    },
  });
});

test("with all props: every part of the mapping is a tag", () => {
  const synthesised = make(
    {
      id: "support",
      agentType: { name: "Bot" },
      name: "Support",
      accountId: "acc_1",
      contactId: "con_1",
      subscription: "sub_1",
      pricing: "per-reply",
    },
    { tags: { team: "agents" }, removal: "delete", namePrefix: "acme" },
    "key-arn",
  );
  expect(synthesised.one("aws_secretsmanager_secret")).toMatchObject({
    name: "acme/dev/support/agent-key",
    kms_key_id: "key-arn",
    recovery_window_in_days: 0,
    lifecycle: { prevent_destroy: false },
    tags: {
      team: "agents",
      "valmi:name": "Support",
      "valmi:agent-type": "Bot",
      "valmi:account": "acc_1",
      "valmi:contact": "con_1",
      "valmi:subscription": "sub_1",
      "valmi:pricing": "per-reply",
    },
  });
});

test("an adopted instance is tagged by its id at the Control Plane, and by nothing that only it knows", () => {
  const { tags } = make({ id: "old", adopt: { agentInstanceId: "ai_1", existingKey: "refresh" } }).one(
    "aws_secretsmanager_secret",
  );
  expect(tags).toEqual({
    "valmi:environment": "dev",
    "valmi:id": "old",
    "valmi:adopted-instance-id": "ai_1",
    "valmi:control-plane-url": "https://value.valmi.io/api/v1",
  });
});

test.each(["protect", "deactivate", "delete"] as const)(
  "Terraform owns no value of it (removal by %s)",
  (removal) => {
    expect(make(least, { removal }).addresses()).toEqual([
      expect.stringMatching(/^aws_secretsmanager_secret\./),
    ]);
  },
);

test("other accounts are denied, whatever else allows them", () => {
  expect(make().statements("aws_secretsmanager_secret")).toEqual([
    {
      Sid: "DenyOtherAccounts",
      Effect: "Deny",
      Principal: "*",
      Action: "secretsmanager:*",
      Resource: "*",
      Condition: {
        StringNotEquals: { "aws:PrincipalAccount": "123456789012" },
        Bool: { "aws:PrincipalIsAWSService": "false" },
      },
    },
  ]);
});

describe("grantRead", () => {
  const grant = (secret: AgentKeySecret) => secret.grantRead("reader", "agent-role");

  test("lets one role read this secret, except a pending key", () => {
    const synthesised = make(least, {}, undefined, grant);
    expect(synthesised.one("aws_iam_role_policy")).toMatchObject({
      name: "read-dev-support-agent-key",
      role: "agent-role",
    });
    const [read, notPending, ...others] = synthesised.statements("aws_iam_role_policy");
    expect(read).toEqual({
      Sid: "ReadAgentKey",
      Effect: "Allow",
      Action: "secretsmanager:GetSecretValue",
      Resource: expect.stringContaining("aws_secretsmanager_secret.secret_"),
    });
    expect(notPending).toEqual({
      ...read,
      Sid: "NotPending",
      Effect: "Deny",
      Condition: { "ForAnyValue:StringEquals": { "secretsmanager:VersionStage": "AWSPENDING" } },
    });
    expect(others).toEqual([]);
  });

  test("comes with the KMS key, for this secret only", () => {
    const [read, , decrypt] = make(least, {}, "key-arn", grant).statements("aws_iam_role_policy");
    expect(decrypt).toEqual({
      Sid: "DecryptAgentKey",
      Effect: "Allow",
      Action: "kms:Decrypt",
      Resource: "key-arn",
      Condition: {
        StringEquals: {
          "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com",
          "kms:EncryptionContext:SecretARN": read?.Resource,
        },
      },
    });
  });

  test("may be given to several roles", () => {
    const synthesised = make(least, {}, undefined, (secret) => {
      secret.grantRead("one", "role-1");
      secret.grantRead("two", "role-2");
    });
    expect(synthesised.all("aws_iam_role_policy").map(({ role }) => role)).toEqual(["role-1", "role-2"]);
  });
});

describe("grantRead, in the strict form", () => {
  test("denies whatever names neither the current nor the previous value", () => {
    const [, denial] = make(least, {}, undefined, (secret) =>
      secret.grantRead("reader", "agent-role", { strict: true }),
    ).statements("aws_iam_role_policy");
    expect(denial).toMatchObject({
      Sid: "OnlyCurrentAndPrevious",
      Effect: "Deny",
      Condition: { StringNotEquals: { "secretsmanager:VersionStage": ["AWSCURRENT", "AWSPREVIOUS"] } },
    });
  });
});

describe("grantReadFromOtherAccount", () => {
  const roleArn = "arn:aws:iam::999999999999:role/agents/reader";
  const other = { AWS: "arn:aws:iam::999999999999:root" };

  test("exempts exactly that role from the denial of other accounts, for reads alone", () => {
    const statements = make(least, {}, "key-arn", (secret) =>
      secret.grantReadFromOtherAccount({ roleArn }),
    ).statements("aws_secretsmanager_secret");
    expect(statements).toMatchObject([
      { Sid: "DenyOtherAccounts", NotAction: "secretsmanager:GetSecretValue" },
      {
        Sid: "DenyOtherReaders",
        Action: "secretsmanager:GetSecretValue",
        Condition: {
          StringNotEquals: { "aws:PrincipalAccount": ["123456789012"] },
          ArnNotEquals: { "aws:PrincipalArn": [roleArn] },
        },
      },
      { Effect: "Allow", Principal: other, Condition: { ArnEquals: { "aws:PrincipalArn": roleArn } } },
      { Sid: "NotPending0", Effect: "Deny", Principal: other },
    ]);
  });

  test("or that account, for whomever it lets", () => {
    const statements = make(least, {}, "key-arn", (secret) =>
      secret.grantReadFromOtherAccount({ accountId: "999999999999" }, { strict: true }),
    ).statements("aws_secretsmanager_secret");
    expect(statements[1]?.Condition).toEqual({
      StringNotEquals: { "aws:PrincipalAccount": ["123456789012", "999999999999"] },
      Bool: { "aws:PrincipalIsAWSService": "false" },
    });
    expect(statements[2]).not.toHaveProperty("Condition");
    expect(statements[3]?.Sid).toBe("OnlyCurrentAndPrevious0");
  });

  test("is refused where the secret has no key that another account could use", () => {
    expect(() =>
      make(least, {}, undefined, (secret) => secret.grantReadFromOtherAccount({ roleArn })),
    ).toThrow(
      /^stack\/secret: `kms` must be "managed-per-environment" or .* got: "aws"\. To fix: change `kms`\.$/,
    );
  });

  test.each([
    { roleArn: "reader" },
    { roleArn: "arn:aws:iam::999999999999:role/*" },
    { roleArn: "arn:aws:iam::999999999999:user/somebody" },
    { accountId: "*" },
    { accountId: "99999" },
  ])("refuses %j as a reader", (reader) => {
    expect(() => make(least, {}, "key-arn", (secret) => secret.grantReadFromOtherAccount(reader))).toThrow(
      /^`reader` must be \{ roleArn \} .*; got: .*To fix/,
    );
  });

  test("lets the reader use the key that is made here, for that secret alone", () => {
    const key = synthAgentKeys({}, (agentKeys) => {
      agentKeys.agentKey("support").secret.grantReadFromOtherAccount({ roleArn });
    })
      .statements("aws_kms_key")
      .at(-1);
    expect(key).toMatchObject({
      Principal: { AWS: expect.stringMatching(/:iam::999999999999:root$/) },
      Action: "kms:Decrypt",
      Condition: {
        StringEquals: { "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com" },
        StringLike: {
          "kms:EncryptionContext:SecretARN": expect.stringMatching(
            /secret:valmi\/dev\/support\/agent-key-\?{6}$/,
          ),
        },
        ArnEquals: { "aws:PrincipalArn": roleArn },
      },
    });
  });
});

test("where VPC endpoints are given, a value is read through them alone, except by the functions", () => {
  const changes = { readThroughVpcEndpoints: ["vpce-1"], iamPath: "/agents/" };
  expect(make(least, changes).statements("aws_secretsmanager_secret")[1]).toEqual({
    Sid: "DenyReadOutsideVpcEndpoints",
    Effect: "Deny",
    Principal: "*",
    Action: "secretsmanager:GetSecretValue",
    Resource: "*",
    Condition: {
      StringNotEquals: { "aws:SourceVpce": ["vpce-1"] },
      ArnNotEquals: {
        "aws:PrincipalArn": expect.arrayContaining([
          "arn:aws:iam::123456789012:role/agents/valmi-dev-agent-key-rotation",
          "arn:aws:iam::123456789012:role/agents/valmi-dev-agent-key-provisioning",
        ]),
      },
      Bool: { "aws:PrincipalIsAWSService": "false" },
    },
  });
});

describe("what the functions may do with the secrets of their environment", () => {
  const secrets = { settings: resolveSettings(leastSettings), location };
  const resource = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:valmi/dev/*/agent-key-??????";

  test("rotation: all of a rotation, where the secret has this very function as its own", () => {
    expect(rotateAccess(secrets, "function-arn").statements).toEqual([
      {
        Sid: "RotateAgentKeys",
        Effect: "Allow",
        Action: [
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
          "secretsmanager:PutSecretValue",
          "secretsmanager:UpdateSecretVersionStage",
        ],
        Resource: resource,
        Condition: { StringEquals: { "secretsmanager:resource/AllowRotationLambdaArn": "function-arn" } },
      },
    ]);
  });

  test("provisioning: reading, and writing only while no rotation is configured", () => {
    expect(provisionAccess(secrets).statements).toEqual([
      {
        Sid: "ReadAgentKeys",
        Effect: "Allow",
        Action: ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
        Resource: resource,
      },
      {
        Sid: "WriteFirstAgentKeys",
        Effect: "Allow",
        Action: "secretsmanager:PutSecretValue",
        Resource: resource,
        Condition: { Null: { "secretsmanager:resource/AllowRotationLambdaArn": "true" } },
      },
    ]);
  });

  test("both: an own KMS key, through Secrets Manager, for these secrets", () => {
    const own = { ...secrets, encryptionKeyArn: "key-arn" };
    const expected = {
      Sid: "EncryptAgentKeys",
      Effect: "Allow",
      Action: ["kms:Decrypt", "kms:GenerateDataKey"],
      Resource: "key-arn",
      Condition: {
        StringEquals: { "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com" },
        StringLike: { "kms:EncryptionContext:SecretARN": resource },
      },
    };
    expect(rotateAccess(own, "function-arn").statements[1]).toEqual(expected);
    expect(provisionAccess(own).statements[2]).toEqual(expected);
  });
});
