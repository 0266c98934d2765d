import { flag, object, optional, orReference } from "./schema";
import { keyArn } from "./texts";

export type KmsSettings = "managed-per-environment" | "aws" | OwnKmsKey;

/** A KMS key of your own, whose policy leaves its use to IAM or names the roles of the functions. */
export interface OwnKmsKey {
  readonly keyArn: string;

  /**
   * Whether it also encrypts the functions' logs and environment. The key's policy then has to admit
   * `logs.<region>.amazonaws.com`, else the log groups can't be made.
   * @default false
   */
  readonly encryptsFunctions?: boolean;
}

export const kms = object<OwnKmsKey>(
  { keyArn: orReference(keyArn), encryptsFunctions: optional(flag) },
  "managed-per-environment",
  "aws",
);
