import { arnParts } from "../../core/rules";

/**
 * Who reads an agent key from another AWS account: one role, or whoever that account lets. The principal is the account
 * in either case, and a condition names the role: a role's ARN as a principal becomes that of a ghost when the role is
 * deleted, even if it is made again.
 */
export type OutsideReader = { readonly roleArn: string } | { readonly accountId: string };

/** Throws where it is neither. */
export function checkOutsideReader(reader: OutsideReader): OutsideReader {
  const given = "roleArn" in reader ? reader.roleArn : reader.accountId;
  const fits = "roleArn" in reader ? arnParts("role", given) !== undefined : /^\d{12}$/.test(given);
  if (fits) return reader;
  throw new Error(
    "`reader` must be { roleArn } with the whole ARN of an IAM role, without wildcards, or { accountId } with 12 digits; " +
      `got: ${JSON.stringify(reader)}. To fix: copy the role's ARN, as text, since a reference to a role doesn't tell its account.`,
  );
}

export function outsideReaderPrincipal(reader: OutsideReader, partition: string) {
  return { AWS: `arn:${partition}:iam::${accountOf(reader)}:root` };
}

/** The condition that holds for this reader alone, of those whom its account lets. */
export function outsideReaderCondition(reader: OutsideReader) {
  return "roleArn" in reader ? { ArnEquals: { "aws:PrincipalArn": reader.roleArn } } : {};
}

export function accountOf(reader: OutsideReader): string {
  return "roleArn" in reader ? String(arnParts("role", reader.roleArn)?.accountId) : reader.accountId;
}
