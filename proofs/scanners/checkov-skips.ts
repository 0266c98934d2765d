/**
 * What Checkov asks for and we don't do, with the reason: only where the remedy would harm whoever deploys. By profile, which
 * is the environment of `environments.ts` that is synthesised. A skip that nothing needs any more fails the run, and a
 * function that isn't named here is skipped nothing.
 */
export interface Skip {
  readonly check: string;
  /** Ends of construct paths, such as `rotation-function`. */
  readonly resources: readonly string[];
  readonly reason: string;
}

/** Whoever calls these waits for the answer. */
const ANSWERED = ["provisioning-function", "rotation-function"];
const AUDITOR = "auditor_function";
const FUNCTIONS = [...ANSWERED, AUDITOR];

const PRODUCTION: readonly Skip[] = [
  {
    check: "CKV_AWS_116",
    resources: ANSWERED,
    reason:
      "A dead letter queue takes what nobody waits for. Terraform and Secrets Manager wait for the answer and see the error; " +
      "a queue would only keep events, rotation tokens among them.",
  },
  {
    check: "CKV_AWS_116",
    resources: [AUDITOR],
    reason:
      "The schedule starts it every 5 minutes: what one run misses the next one sees, and an alarm says when none comes. " +
      "Events of a schedule hold nothing that is worth a queue, which Terraform would wait half a minute for.",
  },
  {
    check: "CKV_AWS_117",
    resources: FUNCTIONS,
    reason:
      "Secrets Manager, DynamoDB and Valmi's Control Plane are reached by public endpoints over TLS. In a VPC each would need a " +
      "NAT gateway or an endpoint, another thing by which a rotation fails. Whoever has a private Control Plane sets `vpc`.",
  },
  {
    check: "CKV_AWS_115",
    resources: FUNCTIONS,
    reason:
      "Reserved concurrency is taken from the account's, which is 10 in a new account, and below 100 unreserved the deploy " +
      "fails; a limit would throttle rotations that are due at the same time, and a throttled one has failed.",
  },
  {
    check: "CKV_AWS_272",
    resources: FUNCTIONS,
    reason: "Code signing needs a signing profile and a signed object in S3, which a first deploy has not.",
  },
  {
    check: "CKV_AWS_50",
    resources: FUNCTIONS,
    reason:
      "Tracing needs xray:PutTraceSegments on every resource, which no code of ours uses; the log has each step with its " +
      "correlation id.",
  },
];

/** `dev` chooses `kms: "aws"` in environments.ts. */
const WITHOUT_KEY: readonly Skip[] = (
  [
    ["CKV_AWS_149", ["support_secret", "research_secret"]],
    ["CKV_AWS_119", ["intents_table"]],
    ["CKV_AWS_158", FUNCTIONS.map((name) => `${name}_log-group`)],
    ["CKV_AWS_173", FUNCTIONS],
    ["CKV_AWS_26", ["alert-topic"]],
  ] as const
).map(([check, resources]) => ({
  check,
  resources,
  reason:
    "An environment to try things in, made and destroyed often: each KMS key of its own costs for a month and stays for a " +
    "week after it. AWS encrypts with keys of its own meanwhile; what stands in logs and environment is no secret.",
}));

export const SKIPS: Readonly<Record<string, readonly Skip[]>> = {
  production: PRODUCTION,
  staging: PRODUCTION,
  dev: [...PRODUCTION, ...WITHOUT_KEY],
};
