import { object, optional, text } from "./schema";
import { region, roleArn } from "./texts";

export interface AssumeRoleSettings {
  readonly roleArn: string;

  /** @default - none */
  readonly externalId?: string;
}

export const assumeRole = object<AssumeRoleSettings>({
  roleArn,
  externalId: optional(text("must be 2–1224 letters, digits and + = , . @ : / -", /^[\w+=,.@:/-]{2,1224}$/)),
});

/** State in an S3 bucket with a lock file beside it (Terraform 1.10 or later). */
export interface S3BackendSettings {
  readonly bucket: string;

  /** @default "valmi-agent-keys/<environment>.tfstate" */
  readonly key?: string;

  /** @default - the region of the environment */
  readonly region?: string;

  /**
   * The role that may read and write the state.
   * @default - the credentials at hand; `assumeRole` of the environment is not used for the state
   */
  readonly roleArn?: string;
}

export const backend = object<S3BackendSettings>({
  bucket: text("must be the name of an S3 bucket", /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/),
  key: optional(text("must be an object key without a slash at its ends", /^[\w!.*'()-]+(\/[\w!.*'()-]+)*$/)),
  region: optional(region),
  roleArn: optional(roleArn),
});

/** Where the state of an environment is, in its bucket. */
export function resolveBackend<Settings extends S3BackendSettings>(
  backend: Settings,
  environment: { readonly name: string; readonly region: string },
) {
  const { key = `valmi-agent-keys/${environment.name}.tfstate`, region = environment.region } = backend;
  return { ...backend, key, region };
}
