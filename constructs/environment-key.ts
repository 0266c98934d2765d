import { KmsAlias } from "@cdktf/provider-aws/lib/kms-alias";
import { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import { Construct } from "constructs";
import type { ResolvedSettings } from "./environment";
import { type AwsLocation, keyAlias } from "./names";
import { policyDocument } from "./policy";

/** KMS waits at least 7 days before it deletes a key; 30 is the longest. */
const DELETION_WINDOW_DAYS = { short: 7, long: 30 };

export interface EnvironmentKeyProps {
  readonly settings: Pick<ResolvedSettings, "namePrefix" | "name" | "region" | "removal" | "tags">;
  readonly location: AwsLocation;
}

/**
 * The KMS key of an environment's secrets and of its intent table, rotated by KMS every year. Its policy leaves
 * administration and use to IAM policies of the account, and use only through Secrets Manager and DynamoDB: even an
 * administrator can't decrypt anything with it directly.
 */
export class EnvironmentKey extends Construct {
  readonly arn: string;
  /** The key's name, for people. */
  readonly alias: KmsAlias;

  constructor(scope: Construct, id: string, { settings, location }: EnvironmentKeyProps) {
    super(scope, id);
    const account = { AWS: `arn:${location.partition}:iam::${location.accountId}:root` };
    const services = ["secretsmanager", "dynamodb"].map((name) => `${name}.${location.region}.amazonaws.com`);
    const isProtected = settings.removal === "protect";

    const key = new KmsKey(this, "key", {
      description: `Agent keys of the environment ${settings.name}`,
      enableKeyRotation: true,
      deletionWindowInDays:
        settings.removal === "delete" ? DELETION_WINDOW_DAYS.short : DELETION_WINDOW_DAYS.long,
      policy: policyDocument([
        {
          Sid: "AdministrationByIam",
          Effect: "Allow",
          Principal: account,
          Action: [
            "kms:CancelKeyDeletion",
            "kms:CreateAlias",
            "kms:DeleteAlias",
            "kms:Describe*",
            "kms:Disable*",
            "kms:Enable*",
            "kms:Get*",
            "kms:List*",
            "kms:PutKeyPolicy",
            "kms:RevokeGrant",
            "kms:ScheduleKeyDeletion",
            "kms:TagResource",
            "kms:UntagResource",
            "kms:Update*",
          ],
          Resource: "*",
        },
        {
          Sid: "UseThroughServicesByIam",
          Effect: "Allow",
          Principal: account,
          Action: ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
          Resource: "*",
          Condition: { StringEquals: { "kms:ViaService": services } },
        },
        {
          // DynamoDB keeps a grant per table for its own upkeep; only AWS services may be given one.
          Sid: "GrantsToServicesByIam",
          Effect: "Allow",
          Principal: account,
          Action: "kms:CreateGrant",
          Resource: "*",
          Condition: {
            StringEquals: { "kms:ViaService": services },
            Bool: { "kms:GrantIsForAWSResource": "true" },
          },
        },
      ]),
      tags: settings.tags,
      lifecycle: { preventDestroy: isProtected },
    });
    this.alias = new KmsAlias(this, "alias", { name: keyAlias(settings), targetKeyId: key.keyId });
    this.arn = key.arn;
  }
}
