import { DynamodbTable } from "@cdktf/provider-aws/lib/dynamodb-table";
import { Construct } from "constructs";
import { AUDITOR_PARTITION, FUNCTION_ENV, INTENT_TABLE_KEYS } from "../core/contract";
import type { FunctionAccess, PolicyStatement } from "./access/policy";
import type { ResolvedSettings } from "./environment/environment";
import { type AwsLocation, intentTableName } from "./names";

export interface IntentTableProps {
  readonly settings: Pick<ResolvedSettings, "namePrefix" | "name" | "removal" | "tags">;
  readonly location: AwsLocation;
  /** @default - the key that DynamoDB owns */
  readonly encryptionKeyArn?: string;
}

/**
 * The DynamoDB table with one record before every mint of a key, so that no key is minted twice by accident, and with
 * the history of the rotations. Paid by use. Never holds a key.
 */
export class IntentTable extends Construct {
  readonly tableName: string;
  readonly arn: string;
  private readonly props: IntentTableProps;

  constructor(scope: Construct, id: string, props: IntentTableProps) {
    super(scope, id);
    this.props = props;
    const { settings, encryptionKeyArn } = props;
    const isProtected = settings.removal === "protect";
    const table = new DynamodbTable(this, "table", {
      name: intentTableName(settings),
      billingMode: "PAY_PER_REQUEST",
      hashKey: INTENT_TABLE_KEYS.partition,
      rangeKey: INTENT_TABLE_KEYS.sort,
      attribute: [
        { name: INTENT_TABLE_KEYS.partition, type: "S" },
        { name: INTENT_TABLE_KEYS.sort, type: "S" },
      ],
      ttl: { enabled: true, attributeName: INTENT_TABLE_KEYS.timeToLive },
      pointInTimeRecovery: { enabled: true },
      deletionProtectionEnabled: isProtected,
      tags: settings.tags,
      lifecycle: { preventDestroy: isProtected },
      ...(encryptionKeyArn ? { serverSideEncryption: { enabled: true, kmsKeyArn: encryptionKeyArn } } : {}),
    });
    this.tableName = table.name;
    this.arn = table.arn;
  }

  /** Looking whether an operator has ordered a mint. Goes with `writeAccess`, which has what the table's key needs. */
  readAccess(): FunctionAccess {
    return {
      statements: [{ Sid: "ReadIntents", Effect: "Allow", Action: "dynamodb:GetItem", Resource: this.arn }],
    };
  }

  /** Looking at all intents, and keeping the auditor's own records; intents can't be written with it. */
  auditAccess(): FunctionAccess {
    return {
      environment: { [FUNCTION_ENV.intentTable]: this.tableName },
      statements: [
        { Sid: "ReadAllIntents", Effect: "Allow", Action: "dynamodb:Scan", Resource: this.arn },
        {
          Sid: "KeepAuditRecords",
          Effect: "Allow",
          Action: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
          Resource: this.arn,
          Condition: { "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": [AUDITOR_PARTITION] } },
        },
        ...this.useKey(),
      ],
    };
  }

  /** Taking and completing an intent: conditional writes, which answer with what stands. No read, no deletion. */
  writeAccess(): FunctionAccess {
    return {
      environment: { [FUNCTION_ENV.intentTable]: this.tableName },
      statements: [
        {
          Sid: "WriteIntents",
          Effect: "Allow",
          Action: ["dynamodb:PutItem", "dynamodb:UpdateItem"],
          Resource: this.arn,
        },
        ...this.useKey(),
      ],
    };
  }

  /** DynamoDB decrypts the table's own key in the caller's name, for reading and writing alike. */
  private useKey(): PolicyStatement[] {
    const { settings, location, encryptionKeyArn } = this.props;
    if (!encryptionKeyArn) return [];
    return [
      {
        Sid: "UseIntentTableKey",
        Effect: "Allow",
        Action: "kms:Decrypt",
        Resource: encryptionKeyArn,
        Condition: {
          StringEquals: {
            "kms:ViaService": `dynamodb.${location.region}.amazonaws.com`,
            "kms:EncryptionContext:aws:dynamodb:tableName": intentTableName(settings),
          },
        },
      },
    ];
  }
}
