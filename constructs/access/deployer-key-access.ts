import { SECRET_TAGS } from "../../core/contract";
import type { ResolvedSettings } from "../environment/environment";
import { type AwsLocation, agentKeySecretArns, intentTableName, keyAlias } from "../names";
import { forSecret, forTable, through } from "./kms-use";
import { allow, type PolicyStatement } from "./policy";

interface DeployedKey {
  readonly settings: Pick<ResolvedSettings, "namePrefix" | "name" | "kms">;
  readonly location: AwsLocation;
}

/** What Terraform needs of an environment's KMS key: to keep it if it is made here, and to have the services use it. */
export function deployerKeyStatements(deployed: DeployedKey): PolicyStatement[] {
  const { kms, name } = deployed.settings;
  if (kms === "aws") return [];
  if (kms !== "managed-per-environment") {
    return [
      allow("LookAtKey", "kms:DescribeKey", kms.keyArn),
      ...useStatements(deployed, kms.keyArn),
      ...(kms.encryptsFunctions ? [functionsStatement(deployed, kms.keyArn)] : []),
    ];
  }
  const keys = kmsArn(deployed, "key/*");
  // A key's ARN says nothing of what it is for: its tag does, which it gets as it is made. So another environment's key stays its own.
  const tag = SECRET_TAGS.environment;
  const own = { [`aws:ResourceTag/${tag}`]: name };
  return [
    allow("MakeKey", ["kms:CreateKey", "kms:TagResource"], "*", {
      StringEquals: { [`aws:RequestTag/${tag}`]: name },
      StringEqualsIfExists: own,
    }),
    allow(
      "KeepKey",
      [
        "kms:CreateAlias",
        "kms:DeleteAlias",
        "kms:DescribeKey",
        "kms:EnableKeyRotation",
        "kms:GetKeyPolicy",
        "kms:GetKeyRotationStatus",
        "kms:ListResourceTags",
        "kms:PutKeyPolicy",
        "kms:ScheduleKeyDeletion",
        "kms:TagResource",
        "kms:UntagResource",
        "kms:UpdateKeyDescription",
      ],
      keys,
      { StringEquals: own },
    ),
    allow("KeyAlias", ["kms:CreateAlias", "kms:DeleteAlias"], kmsArn(deployed, keyAlias(deployed.settings))),
    ...useStatements(deployed, keys, own),
    functionsStatement(deployed, keys, own),
  ];
}

function kmsArn({ location: { partition, region, accountId } }: DeployedKey, resource: string): string {
  return `arn:${partition}:kms:${region}:${accountId}:${resource}`;
}

/** @param own tells the key from others, if `keys` is a pattern */
function useStatements(
  { settings, location }: DeployedKey,
  keys: string,
  own: Readonly<Record<string, string>> = {},
): PolicyStatement[] {
  const { region } = location;
  return [
    allow("KeyOfSecrets", ["kms:Decrypt", "kms:GenerateDataKey"], keys, {
      StringEquals: { ...through("secretsmanager", region), ...own },
      StringLike: forSecret(agentKeySecretArns(location, settings)),
    }),
    allow(
      "KeyOfIntentTable",
      ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
      keys,
      { StringEquals: { ...through("dynamodb", region), ...own, ...forTable(intentTableName(settings)) } },
    ),
    allow("KeyGrantOfIntentTable", "kms:CreateGrant", keys, {
      StringEquals: { ...through("dynamodb", region), ...own },
      Bool: { "kms:GrantIsForAWSResource": "true" },
    }),
  ];
}

function functionsStatement(
  { location }: DeployedKey,
  keys: string,
  own: Readonly<Record<string, string>> = {},
): PolicyStatement {
  return allow("KeyOfFunctions", ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt"], keys, {
    StringEquals: { ...through("lambda", location.region), ...own },
  });
}
