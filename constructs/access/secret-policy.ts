import type { AwsLocation } from "../names";
import type { PolicyStatement } from "./policy";
import { denyPending, READ, type ReadOptions } from "./read-access";
import { type OutsideReader, outsideReaderCondition, outsideReaderPrincipal } from "./readers";

export interface SecretPolicyProps {
  readonly location: AwsLocation;
  /** Readers of other accounts. */
  readonly readers: readonly { readonly reader: OutsideReader; readonly options: ReadOptions }[];
  /** Ids of the VPC endpoints that the value is read through; none for any. */
  readonly endpoints: readonly string[];
  /** ARNs of the functions' roles, which read from elsewhere, too. */
  readonly functionRoles: readonly string[];
}

/** The resource policy of an agent key's secret. */
export function secretPolicy({
  location,
  readers,
  endpoints,
  functionRoles,
}: SecretPolicyProps): PolicyStatement[] {
  const outside = readers.map(({ reader }) => reader);
  return [
    ...(readers.length === 0
      ? [denyOtherAccounts(location.accountId)]
      : denyOtherReaders(location.accountId, outside)),
    ...readers.flatMap(({ reader, options }, n) =>
      allowOutsideReader(reader, options, location.partition, n),
    ),
    ...(endpoints.length === 0 ? [] : [denyOutsideVpcEndpoints(endpoints, functionRoles)]),
  ];
}

// A denial beats whatever else is allowed, even what somebody adds by hand later. Calls by AWS services carry no account.
const DENIAL = { Effect: "Deny", Principal: "*" } as const;
const BY_PEOPLE = { Bool: { "aws:PrincipalIsAWSService": "false" } };

const ofOtherAccounts = (accountId: string) => ({
  StringNotEquals: { "aws:PrincipalAccount": accountId },
  ...BY_PEOPLE,
});

function denyOtherAccounts(accountId: string): PolicyStatement {
  return {
    Sid: "DenyOtherAccounts",
    ...DENIAL,
    Resource: "*",
    Action: "secretsmanager:*",
    Condition: ofOtherAccounts(accountId),
  };
}

function denyOtherReaders(accountId: string, readers: readonly OutsideReader[]): PolicyStatement[] {
  const roles = readers.flatMap((reader) => ("roleArn" in reader ? [reader.roleArn] : []));
  const accounts = readers.flatMap((reader) => ("accountId" in reader ? [reader.accountId] : []));
  return [
    {
      Sid: "DenyOtherAccounts",
      ...DENIAL,
      Resource: "*",
      NotAction: READ,
      Condition: ofOtherAccounts(accountId),
    },
    {
      Sid: "DenyOtherReaders",
      ...DENIAL,
      Resource: "*",
      Action: READ,
      Condition: {
        StringNotEquals: { "aws:PrincipalAccount": [accountId, ...accounts] },
        ...(roles.length > 0 && { ArnNotEquals: { "aws:PrincipalArn": roles } }),
        ...BY_PEOPLE,
      },
    },
  ];
}

function allowOutsideReader(
  reader: OutsideReader,
  options: ReadOptions,
  partition: string,
  position: number,
): PolicyStatement[] {
  const principal = outsideReaderPrincipal(reader, partition);
  const condition = outsideReaderCondition(reader);
  const denial = denyPending("*", options);
  return [
    {
      Sid: `ReadByReader${position}`,
      Effect: "Allow",
      Principal: principal,
      Action: READ,
      Resource: "*",
      ...(Object.keys(condition).length > 0 && { Condition: condition }),
    },
    {
      ...denial,
      Sid: `${denial.Sid}${position}`,
      // In a denial, the account as principal means everybody in it: nobody there reads what is pending.
      Principal: principal,
      Condition: { ...denial.Condition, ...(options.strict && condition) },
    },
  ];
}

// Reads alone: whatever else is done to the secret, Terraform and Secrets Manager itself do from elsewhere.
function denyOutsideVpcEndpoints(endpoints: readonly string[], exempt: readonly string[]): PolicyStatement {
  return {
    Sid: "DenyReadOutsideVpcEndpoints",
    ...DENIAL,
    Action: READ,
    Resource: "*",
    Condition: {
      StringNotEquals: { "aws:SourceVpce": endpoints },
      ArnNotEquals: { "aws:PrincipalArn": exempt },
      ...BY_PEOPLE,
    },
  };
}
