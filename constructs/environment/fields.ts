import {
  CONTROL_PLANE_AUTHS,
  EXISTING_KEYS,
  OWNERSHIP_MARK,
  REMOVAL_POLICIES,
  SECRET_TAGS,
} from "../../core/contract";
import {
  ARN_PATTERNS,
  brokenRule,
  CA_CERTIFICATE_RULES,
  CONTROL_PLANE_URL_RULES,
  PROXY_URL_RULES,
  type Rule,
  shownText,
} from "../../core/rules";
import {
  type Check,
  type Fault,
  isRecord,
  listOf,
  object,
  oneOf,
  optional,
  orLiteral,
  orReference,
  required,
  text,
  wholeNumber,
} from "./shape";

/** What each field of an environment and of an agent instance may hold, looked at by itself. */

/** Hours from the mint of a key until it must be under AWSCURRENT, retries included. */
export const PROMOTION_HOURS = 1;

/** Hours after which a consumer has read the secret again: the default of AWS's caching libraries. */
export const CONSUMER_REREAD_HOURS = 1;

/** The shortest grace period, beside none at all, within which a rotation reaches the consumers. */
export const MINIMUM_GRACE_PERIOD_HOURS = PROMOTION_HOURS + CONSUMER_REREAD_HOURS;

const MAX_ID_LENGTH = 64;

/** Fits construct ids, names of functions, roles, tables and secrets alike. */
const isSlug = (value: string) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(value);
const SLUG_RULE = "lower-case letters, digits and single hyphens between them";

const slug = text(`must be ${SLUG_RULE}`, isSlug);
const id = text(
  `must be 1–${MAX_ID_LENGTH} ${SLUG_RULE}`,
  (value) => isSlug(value) && value.length <= MAX_ID_LENGTH,
  "choose a short id and put what people shall read into `name`",
);

// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Tag.html
const MAX_TAG_KEY_LENGTH = 128;
const MAX_TAG_VALUE_LENGTH = 256;
const MAX_TAGS = 50;
const isTagText = (value: string) => /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(value);
const TAG_CHARACTERS = "letters, digits, spaces and _ . : / = + - @";

/** What is recorded in the secret's tags. */
const tagged = text(
  `must be 1–${MAX_TAG_VALUE_LENGTH} ${TAG_CHARACTERS}, without a space at its ends, since it is recorded in a tag`,
  (value) =>
    value !== "" && value.length <= MAX_TAG_VALUE_LENGTH && isTagText(value) && value.trim() === value,
  "leave it out where there is none, or write it in these characters",
);

const description = text(
  `must be some text without \${ and %{, which Terraform reads as expressions, and without our marker [${OWNERSHIP_MARK}`,
  (value) => value.trim() !== "" && !/[$%]\{/.test(value) && !value.includes(`[${OWNERSHIP_MARK}`),
  "leave it out where there is none, or write it without them",
);

const arn = (what: string, kind: keyof typeof ARN_PATTERNS) =>
  text(`must be the ARN of ${what}`, ARN_PATTERNS[kind], "copy the whole ARN, from `arn:` on");
const roleArn = arn("an IAM role", "role");
const keyArn = orReference(arn("a KMS key", "kmsKey"));

const flag: Check = (value) =>
  typeof value === "boolean"
    ? []
    : [{ field: "", rule: "must be true or false", got: value, fix: "choose one of them" }];

const isHttpsUrl = ({ protocol, username, password }: URL) => protocol === "https:" && !username && !password;

/** By the rules by which a function reads the same text later. */
const byRules =
  (rules: readonly Rule[], fix: string): Check =>
  (value) => {
    // What is no text breaks the rule that an empty one breaks.
    const given = typeof value === "string" ? value : "";
    const broken = brokenRule(rules, given);
    if (!broken) return [];
    const gotInWords =
      typeof value === "string" ? shownText(value, broken) : `a value of type ${typeof value}`;
    return [{ field: "", rule: broken.says, got: value, ...(broken.isHidden && { gotInWords }), fix }];
  };

const controlPlaneUrl = byRules(
  [
    ...CONTROL_PLANE_URL_RULES,
    {
      says: `must have at most ${MAX_TAG_VALUE_LENGTH} ${TAG_CHARACTERS}, and no slash at its end, since it is recorded in a tag`,
      holds: (url) => isTagText(url) && url.length <= MAX_TAG_VALUE_LENGTH && !url.endsWith("/"),
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

const tags: Check = (value) => {
  const own = Object.keys(SECRET_TAGS).length;
  if (!isRecord(value))
    return [{ field: "", rule: "must be an object of texts", got: value, fix: "write it as { … }" }];
  const faults: Fault[] = Object.entries(value).flatMap(([key, tag]) => {
    const fault = (rule: string, got: unknown) => ({ field: key, rule, got, fix: "choose another tag" });
    const isKey =
      key !== "" && key.length <= MAX_TAG_KEY_LENGTH && isTagText(key) && !/^(aws|valmi):/i.test(key);
    const isValue = typeof tag === "string" && tag.length <= MAX_TAG_VALUE_LENGTH && isTagText(tag);
    return [
      ...(isKey
        ? []
        : [
            fault(
              `must be 1–${MAX_TAG_KEY_LENGTH} ${TAG_CHARACTERS}, and begin with neither aws: nor valmi:`,
              key,
            ),
          ]),
      ...(isValue ? [] : [fault(`must hold up to ${MAX_TAG_VALUE_LENGTH} ${TAG_CHARACTERS}`, tag)]),
    ];
  });
  const count = Object.keys(value).length;
  if (count > MAX_TAGS - own) {
    const rule = `must be at most ${MAX_TAGS - own} tags, as AWS allows ${MAX_TAGS} and a secret has up to ${own} of ours`;
    faults.push({ field: "", rule, got: count, fix: "remove some" });
  }
  return faults;
};

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];
const OLDEST_NODE_RUNTIME = 20;

/** What makes a new instance, and what adopts one; which of them apply is a rule of its own. */
const INSTANCE = object({
  id: required(id),
  subscription: optional(tagged),
  pricing: optional(tagged),
  revision: optional(
    wholeNumber("must be a whole number from 0 on", (value) => value >= 0, "raise it by one"),
  ),
  agentType: optional((value) =>
    isRecord(value) && Object.keys(value).length === 1
      ? object("id" in value ? { id: required(tagged) } : { name: required(tagged) })(value)
      : [{ field: "", rule: "must be either { id } or { name }", got: value, fix: "give one of the two" }],
  ),
  name: optional(tagged),
  accountId: optional(tagged),
  contactId: optional(tagged),
  description: optional(description),
  adopt: optional(
    object({ agentInstanceId: required(tagged), existingKey: required(oneOf(...EXISTING_KEYS)) }),
  ),
});

const SETTINGS_FIELDS = {
  name: required(slug),
  region: required(text("must be an AWS region, such as eu-central-1", /^[a-z]{2}(-[a-z]+)+-\d$/)),
  controlPlane: required(
    object({
      url: optional(controlPlaneUrl),
      auth: optional(oneOf(...CONTROL_PLANE_AUTHS)),
      apiKeySecretName: required(
        orReference(text("must be 1–512 letters, digits and / _ + = . @ -", /^[A-Za-z0-9/_+=.@-]{1,512}$/)),
      ),
      apiKeyKmsKeyArn: optional(keyArn),
      gracePeriodHours: optional(
        wholeNumber(
          `must be 0, where an old key ends at once, or a whole number from ${MINIMUM_GRACE_PERIOD_HOURS} on: ` +
            `${PROMOTION_HOURS} hour to promote a new key and ${CONSUMER_REREAD_HOURS} hour for consumers to read it`,
          (value) => value === 0 || value >= MINIMUM_GRACE_PERIOD_HOURS,
          "give the grace period of the Control Plane",
        ),
      ),
      caCertificate: optional(caCertificate),
      proxyUrl: optional(proxyUrl),
    }),
  ),
  rotation: optional(
    orLiteral(
      ["off"],
      object({
        automaticallyAfterDays: optional(
          wholeNumber("must be a whole number of days, 1–1000", (value) => value >= 1 && value <= 1_000),
        ),
        windowHours: optional(
          wholeNumber(
            "must be a whole number of hours, 1–24, since a window can't cross the UTC day",
            (value) => value >= 1 && value <= 24,
          ),
        ),
      }),
    ),
  ),
  removal: optional(oneOf(...REMOVAL_POLICIES)),
  recoveryWindowDays: optional(
    wholeNumber("must be 0 or 7–30 days", (value) => value === 0 || (value >= 7 && value <= 30)),
  ),
  tags: optional(tags),
  namePrefix: optional(slug),
  permissionsBoundaryArn: optional(orReference(arn("an IAM policy", "policy"))),
  iamPath: optional(
    text("must begin and end with a slash, such as /agents/", /^\/([\w+=,.@-]+\/)*$/, "add the slashes"),
  ),
  kms: optional(
    orLiteral(
      ["managed-per-environment", "aws"],
      object({ keyArn: required(keyArn), encryptsFunctions: optional(flag) }),
    ),
  ),
  readThroughVpcEndpoints: optional(
    listOf(orReference(text("must be the id of a VPC endpoint", /^vpce-[0-9a-z]+$/)), { atLeast: 1 }),
  ),
  vpc: optional(
    object({
      subnetIds: required(
        orReference(
          listOf(orReference(text("must be the id of a subnet", /^subnet-[0-9a-z]+$/)), { atLeast: 1 }),
        ),
      ),
      securityGroupIds: required(
        orReference(
          listOf(orReference(text("must be the id of a security group", /^sg-[0-9a-z]+$/)), { atLeast: 1 }),
        ),
      ),
    }),
  ),
  functions: optional(
    object({
      runtime: optional(
        text(`must be nodejs${OLDEST_NODE_RUNTIME}.x or a later Node.js runtime of Lambda`, (value) => {
          const major = /^nodejs(\d+)\.x$/.exec(value)?.[1];
          return major !== undefined && Number(major) >= OLDEST_NODE_RUNTIME;
        }),
      ),
      architecture: optional(oneOf("arm64", "x86_64")),
      logRetentionDays: optional(
        wholeNumber(`must be one of ${LOG_RETENTION_DAYS.join(", ")}`, (value) =>
          LOG_RETENTION_DAYS.includes(value),
        ),
      ),
    }),
  ),
  alerts: optional(
    object({
      topicArn: optional(orReference(arn("an SNS topic", "topic"))),
      heartbeatUrl: optional(
        text(
          "must be an https URL without user and password",
          (value) => URL.canParse(value) && isHttpsUrl(new URL(value)),
        ),
      ),
      runbookUrl: optional(
        text("must be a URL or path without # and spaces", /^[^#\s]+$/, "leave out the section"),
      ),
      healing: optional(oneOf("on", "dry-run")),
      trail: optional(flag),
      dashboard: optional(flag),
    }),
  ),
  agentInstances: required(listOf(INSTANCE)),
};

/** The props of `AgentKeys`. */
export const SETTINGS = object(SETTINGS_FIELDS);

/** An entry of `environments.ts`. */
export const ENVIRONMENT = object({
  ...SETTINGS_FIELDS,
  accountId: optional(text("must be the 12 digits of an AWS account, as text", /^\d{12}$/)),
  assumeRole: optional(
    object({
      roleArn: required(roleArn),
      externalId: optional(
        text("must be 2–1224 letters, digits and + = , . @ : / -", /^[\w+=,.@:/-]{2,1224}$/),
      ),
    }),
  ),
  backend: optional(
    object({
      bucket: required(text("must be the name of an S3 bucket", /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/)),
      key: optional(
        text("must be an object key without a slash at its ends", /^[\w!.*'()-]+(\/[\w!.*'()-]+)*$/),
      ),
      region: optional(SETTINGS_FIELDS.region.check),
      roleArn: optional(roleArn),
    }),
  ),
});
