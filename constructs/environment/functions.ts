import { functionName } from "../../core/contract";
import { type EnvironmentName, MAX_FUNCTION_NAME_LENGTH } from "../names";
import { type WithDefaults, withDefaults } from "./defaults";
import { type Fault, listOf, object, oneOf, optional, orReference, text, wholeNumber } from "./schema";

export interface FunctionSettings {
  /**
   * Lambda runtime, Node.js 20 or later. The AWS provider has to know it too: 5.100 ends with `nodejs22.x`.
   * @default "nodejs22.x"
   */
  readonly runtime?: string;

  /** @default "arm64" */
  readonly architecture?: "arm64" | "x86_64";

  /**
   * Days for which logs are kept, one of the numbers that CloudWatch Logs takes.
   * @default 365, so that a key's last four rotations can be looked at
   */
  readonly logRetentionDays?: number;
}

export interface VpcSettings {
  readonly subnetIds: readonly string[];
  readonly securityGroupIds: readonly string[];
}

const DEFAULTS = { runtime: "nodejs22.x", architecture: "arm64", logRetentionDays: 365 } as const;

export type ResolvedFunctions = WithDefaults<FunctionSettings, typeof DEFAULTS>;

export const resolveFunctions = (given: FunctionSettings = {}): ResolvedFunctions =>
  withDefaults(DEFAULTS, given);

const OLDEST_NODE_RUNTIME = 20;

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

export const functions = object<FunctionSettings>({
  runtime: optional(
    text(
      `must be nodejs${OLDEST_NODE_RUNTIME}.x or a later Node.js runtime of Lambda`,
      (value) => Number(/^nodejs(\d+)\.x$/.exec(value)?.[1] ?? 0) >= OLDEST_NODE_RUNTIME,
    ),
  ),
  architecture: optional(oneOf(["arm64", "x86_64"])),
  logRetentionDays: optional(
    wholeNumber(`must be one of ${LOG_RETENTION_DAYS.join(", ")}`, (value) =>
      LOG_RETENTION_DAYS.includes(value),
    ),
  ),
});

/** A list of ids of one kind; the list, or an id of it, may come from another resource. */
const ids = (what: string, pattern: RegExp) =>
  orReference(listOf(orReference(text(`must be the id of ${what}`, pattern)), { atLeast: 1 }));

export const vpc = object<VpcSettings>({
  subnetIds: ids("a subnet", /^subnet-[0-9a-z]+$/),
  securityGroupIds: ids("a security group", /^sg-[0-9a-z]+$/),
});

export function shortEnoughNames(environment: EnvironmentName): Fault[] {
  const longest = functionName(environment, "provisioning");
  const tooMany = longest.length - MAX_FUNCTION_NAME_LENGTH;
  if (tooMany <= 0) return [];
  return [
    {
      field: "name",
      rule: `must be so short that the name of a function has at most ${MAX_FUNCTION_NAME_LENGTH} characters`,
      got: longest,
      fix: `shorten \`name\` or \`namePrefix\` by ${tooMany}`,
    },
  ];
}
