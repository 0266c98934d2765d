import { KmsAlias } from "@cdktf/provider-aws/lib/kms-alias";
import { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import { Lazy } from "cdktf";
import { Construct } from "constructs";
import { SECRET_TAGS } from "../core/contract";
import { forSecret, forTable, forTopic, through } from "./access/kms-use";
import { type Condition, type PolicyStatement, policyDocument } from "./access/policy";
import { type OutsideReader, outsideReaderCondition, outsideReaderPrincipal } from "./access/readers";
import type { ResolvedSettings } from "./environment/environment";
import {
  type AwsLocation,
  agentKeySecretArns,
  functionNames,
  intentTableName,
  keyAlias,
  logGroupArn,
} from "./names";

/** KMS waits at least 7 days before it deletes a key; 30 is the longest. */
const DELETION_WINDOW_DAYS = { short: 7, long: 30 };

export interface EnvironmentKeyProps {
  readonly settings: Pick<ResolvedSettings, "namePrefix" | "name" | "region" | "removal" | "tags">;
  readonly location: AwsLocation;
}

/**
 * The KMS key of an environment: of its secrets, its intent table, its functions' logs and their environment. KMS rotates
 * it every year. Its policy leaves administration and use to the IAM policies of the account, and use only through the
 * service and for the thing that is encrypted with it: not even an administrator can decrypt anything with it directly.
 */
export class EnvironmentKey extends Construct {
  readonly arn: string;
  /** The key's name, for people. */
  readonly alias: KmsAlias;
  private readonly props: EnvironmentKeyProps;
  private readonly admitted: PolicyStatement[] = [];

  constructor(scope: Construct, id: string, props: EnvironmentKeyProps) {
    super(scope, id);
    this.props = props;
    const { settings } = props;
    const key = new KmsKey(this, "key", {
      description: `Agent keys of the environment ${settings.name}`,
      enableKeyRotation: true,
      deletionWindowInDays:
        settings.removal === "delete" ? DELETION_WINDOW_DAYS.short : DELETION_WINDOW_DAYS.long,
      policy: Lazy.stringValue({ produce: () => policyDocument([...this.statements(), ...this.admitted]) }),
      // The deployer's policy tells it from the account's other keys by this tag.
      tags: { ...settings.tags, [SECRET_TAGS.environment]: settings.name },
      lifecycle: { preventDestroy: settings.removal === "protect" },
    });
    this.alias = new KmsAlias(this, "alias", { name: keyAlias(settings), targetKeyId: key.keyId });
    this.arn = key.arn;
  }

  /**
   * Lets a reader of another account decrypt the values of one secret: without it, what the secret's policy allows comes
   * to nothing.
   *
   * @param secretArns pattern of the secret's ARN by its name: the key is made before the secret
   */
  admitReader(reader: OutsideReader, secretArns: string): void {
    const { partition, region } = this.props.location;
    this.admitted.push({
      Sid: `DecryptByReader${this.admitted.length}`,
      Effect: "Allow",
      Principal: outsideReaderPrincipal(reader, partition),
      Action: "kms:Decrypt",
      Resource: "*",
      Condition: {
        StringEquals: through("secretsmanager", region),
        StringLike: forSecret(secretArns),
        ...outsideReaderCondition(reader),
      },
    });
  }

  /**
   * Lets CloudWatch alarms and EventBridge rules of this account publish to an SNS topic that is encrypted with this key,
   * and this account's functions by their IAM policies. With the key `alias/aws/sns` they can't publish at all.
   */
  admitAlarms(topicName: string): void {
    const { partition, region, accountId } = this.props.location;
    const action = ["kms:Decrypt", "kms:GenerateDataKey*"];
    const topicArn = `arn:${partition}:sns:${region}:${accountId}:${topicName}`;
    this.admitted.push(
      {
        Sid: "PublishAlarms",
        Effect: "Allow",
        Principal: { Service: ["cloudwatch.amazonaws.com", "events.amazonaws.com"] },
        Action: action,
        Resource: "*",
        Condition: { StringEquals: { "aws:SourceAccount": accountId } },
      },
      this.useThrough("sns", "PublishByIam", action, { StringEquals: forTopic(topicArn) }),
    );
  }

  private statements(): PolicyStatement[] {
    const { settings, location } = this.props;
    return [
      this.administration(),
      this.useThrough("secretsmanager", "SecretsByIam", ["kms:Decrypt", "kms:GenerateDataKey"], {
        StringLike: forSecret(agentKeySecretArns(location, settings)),
      }),
      this.useThrough(
        "dynamodb",
        "IntentTableByIam",
        ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        { StringEquals: forTable(intentTableName(settings)) },
      ),
      // DynamoDB keeps a grant per table for its own upkeep; only AWS services may be given one.
      this.useThrough("dynamodb", "IntentTableGrantsByIam", "kms:CreateGrant", {
        Bool: { "kms:GrantIsForAWSResource": "true" },
      }),
      // Lambda gives the function's role a grant to decrypt its environment. It holds no key; some rules ask for it.
      this.useThrough("lambda", "FunctionEnvironmentByIam", [
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:Encrypt",
      ]),
      this.useForLogs(),
    ];
  }

  private administration(): PolicyStatement {
    return {
      Sid: "AdministrationByIam",
      Effect: "Allow",
      Principal: this.account(),
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
    };
  }

  private useForLogs(): PolicyStatement {
    const { settings, location } = this.props;
    const logGroups = functionNames(settings).map((name) => logGroupArn(location, `/aws/lambda/${name}`));
    return {
      Sid: "Logs",
      Effect: "Allow",
      Principal: { Service: `logs.${location.region}.amazonaws.com` },
      Action: ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
      Resource: "*",
      Condition: { ArnEquals: { "kms:EncryptionContext:aws:logs:arn": logGroups } },
    };
  }

  private useThrough(
    service: string,
    sid: string,
    action: string | readonly string[],
    condition: Condition = {},
  ): PolicyStatement {
    return {
      Sid: sid,
      Effect: "Allow",
      Principal: this.account(),
      Action: action,
      Resource: "*",
      Condition: {
        ...condition,
        StringEquals: { ...through(service, this.props.location.region), ...condition.StringEquals },
      },
    };
  }

  private account() {
    const { partition, accountId } = this.props.location;
    return { AWS: `arn:${partition}:iam::${accountId}:root` };
  }
}
