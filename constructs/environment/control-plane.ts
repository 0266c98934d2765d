import {
  CONTROL_PLANE_AUTHS,
  type ControlPlaneAuth,
  DEFAULT_CONTROL_PLANE_URL,
  DEFAULT_GRACE_PERIOD_HOURS,
} from "../../core/contract";
import { CA_CERTIFICATE_RULES, CONTROL_PLANE_URL_RULES, isHttps, PROXY_URL_RULES } from "../../core/rules";
import { type WithDefaults, withDefaults } from "./defaults";
import { gracePeriodHours } from "./grace-period";
import { type Fault, object, oneOf, optional, orReference, text } from "./schema";
import { isTagValue, MAX_TAG_VALUE_LENGTH, TAG_CHARACTERS } from "./tags";
import { byRules, keyArn } from "./texts";

export interface ControlPlaneSettings {
  /**
   * Base URL, without a slash at its end. `http` is for loopback addresses only.
   * @default "https://value.valmi.io/api/v1"
   */
  readonly url?: string;

  /**
   * How the operator's API key is sent: in the header `api-key`, or as a bearer token.
   * @default "api-key"
   */
  readonly auth?: ControlPlaneAuth;

  /**
   * Name of the Secrets Manager secret whose string is the operator's API key. It has to be there before the first
   * deploy, in the same account and region; nobody but the functions reads it.
   */
  readonly apiKeySecretName: string;

  /**
   * ARN of the KMS key of that secret, if it isn't encrypted with the one that AWS manages.
   * @default - the key `aws/secretsmanager`, for which no permission is needed
   */
  readonly apiKeyKmsKeyArn?: string;

  /**
   * Hours for which an old key still works after a new one was minted; `0` if it ends at once.
   * @default 24
   */
  readonly gracePeriodHours?: number;

  /**
   * Certificates of the authorities that may sign the Control Plane's, in PEM, if no public one did: at most 2,400
   * bytes, since it goes into the environment of the functions. Public authorities are not trusted beside it.
   * @default - the authorities that Node.js trusts
   */
  readonly caCertificate?: string;

  /**
   * An `http` or `https` proxy that leads to the Control Plane by CONNECT; without user and password, which would stand
   * in the state.
   * @default - no proxy
   */
  readonly proxyUrl?: string;
}

const DEFAULTS = {
  url: DEFAULT_CONTROL_PLANE_URL,
  auth: "api-key",
  gracePeriodHours: DEFAULT_GRACE_PERIOD_HOURS,
} as const;

export type ResolvedControlPlane = WithDefaults<ControlPlaneSettings, typeof DEFAULTS>;

export const resolveControlPlane = (given: ControlPlaneSettings): ResolvedControlPlane =>
  withDefaults(DEFAULTS, given);

const url = byRules(
  [
    ...CONTROL_PLANE_URL_RULES,
    {
      says: `must have at most ${MAX_TAG_VALUE_LENGTH} ${TAG_CHARACTERS}, and no slash at its end, since it is recorded in a tag`,
      holds: (value) => isTagValue(value) && !value.endsWith("/"),
    },
  ],
  'write it as "https://host/api/v1"',
);

/**
 * Lambda allows 4 KB for the whole environment of a function: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 * What else stands there fits into the rest, at its longest.
 */
export const LAMBDA_ENVIRONMENT_BYTES = 4_096;
export const MAX_CA_BYTES = 2_400;

const caCertificate = byRules(
  [
    ...CA_CERTIFICATE_RULES,
    {
      says: `must be at most ${MAX_CA_BYTES} bytes, since Lambda allows ${LAMBDA_ENVIRONMENT_BYTES} for a function's whole environment`,
      holds: (pem) => Buffer.byteLength(pem) <= MAX_CA_BYTES,
      isHidden: true,
    },
  ],
  "give what `openssl x509 -in FILE` prints, of the root's certificate alone; one with an elliptic curve is shortest",
);

const proxyUrl = byRules(
  PROXY_URL_RULES,
  'write it as "http://host:3128"; a proxy that asks for a password can\'t be used',
);

export const controlPlane = object<ControlPlaneSettings>({
  url: optional(url),
  auth: optional(oneOf(CONTROL_PLANE_AUTHS)),
  apiKeySecretName: orReference(
    text("must be 1–512 letters, digits and / _ + = . @ -", /^[A-Za-z0-9/_+=.@-]{1,512}$/),
  ),
  apiKeyKmsKeyArn: optional(orReference(keyArn)),
  gracePeriodHours: optional(gracePeriodHours),
  caCertificate: optional(caCertificate),
  proxyUrl: optional(proxyUrl),
});

/** A function that is given a way which it doesn't go refuses to start. */
export function wayGoesByHttps({
  controlPlane: { url, ...way },
}: {
  readonly controlPlane: ResolvedControlPlane;
}): Fault[] {
  if (isHttps(url)) return [];
  return (["caCertificate", "proxyUrl"] as const)
    .filter((field) => way[field] !== undefined)
    .map((field) => ({
      field: `controlPlane.${field}`,
      rule: "is for a Control Plane that is reached by https",
      got: url,
      fix: "remove it, or correct `controlPlane.url`",
    }));
}
