import { DynamodbTable } from "@cdktf/provider-aws/lib/dynamodb-table";
import { Construct } from "constructs";
import { AUDITOR_PARTITION, FUNCTION_ENV, INTENT_TABLE_KEYS } from "../core/contract";
import { forTable, through } from "./access/kms-use";
import { allow, type FunctionAccess, type PolicyStatement } from "./access/policy";
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
    return { statements: [allow("ReadIntents", "dynamodb:GetItem", this.arn)] };
  }

  /** Looking at all intents, and keeping the auditor's own records; intents can't be written with it. */
  auditAccess(): FunctionAccess {
    return {
      environment: { [FUNCTION_ENV.intentTable]: this.tableName },
      statements: [
        allow("ReadAllIntents", "dynamodb:Scan", this.arn),
        allow("KeepAuditRecords", ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], this.arn, {
          "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": [AUDITOR_PARTITION] },
        }),
        ...this.useKey(),
      ],
    };
  }

  /** Taking and completing an intent: conditional writes, which answer with what stands. No read, no deletion. */
  writeAccess(): FunctionAccess {
    return {
      environment: { [FUNCTION_ENV.intentTable]: this.tableName },
      statements: [
        allow("WriteIntents", ["dynamodb:PutItem", "dynamodb:UpdateItem"], this.arn),
        ...this.useKey(),
      ],
    };
  }

  /** DynamoDB decrypts the table's own key in the caller's name, for reading and writing alike. */
  private useKey(): PolicyStatement[] {
    const { settings, location, encryptionKeyArn } = this.props;
    if (!encryptionKeyArn) return [];
    const condition = { ...through("dynamodb", location.region), ...forTable(intentTableName(settings)) };
    return [allow("UseIntentTableKey", "kms:Decrypt", encryptionKeyArn, { StringEquals: condition })];
  }
}
