import { resolveBackend } from "../environment/deployment";
import type { Environment } from "../environment/environment";
import { partitionOf } from "../names";
import { allow, type PolicyStatement } from "./policy";

/** What the credentials at hand need if the environment names a role to deploy with: that role, and the state. */
export function credentialsStatements(environment: Environment): PolicyStatement[] {
  const { assumeRole, backend } = environment;
  const roles = [assumeRole?.roleArn, backend?.roleArn].filter((arn) => arn !== undefined);
  return [
    ...(roles.length > 0 ? [allow("AssumeRoles", "sts:AssumeRole", roles)] : []),
    ...(backend?.roleArn === undefined ? stateStatements(environment) : []),
  ];
}

/** Terraform's state in S3, with the lock file beside it; none if it is a file. */
function stateStatements({ name, region, backend }: Environment): PolicyStatement[] {
  if (backend === undefined) return [];
  const place = resolveBackend(backend, { name, region });
  const bucket = `arn:${partitionOf(place.region)}:s3:::${place.bucket}`;
  const state = `${bucket}/${place.key}`;
  return [
    allow("FindState", "s3:ListBucket", bucket),
    allow("State", ["s3:GetObject", "s3:PutObject"], [state, `${state}.tflock`]),
    allow("UnlockState", "s3:DeleteObject", `${state}.tflock`),
  ];
}
