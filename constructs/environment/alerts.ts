import { type WithDefaults, withDefaults } from "./defaults";
import { flag, object, oneOf, optional, orReference, text } from "./schema";
import { arn } from "./texts";

/** Where pages and alarms go, and whether the auditor acts. */
export interface AlertSettings {
  /**
   * ARN of the SNS topic that pages and alarms go to. Its policy has to admit `cloudwatch.amazonaws.com`, and so has that
   * of its KMS key, if it has one.
   * @default - a topic that is made here, encrypted with the environment's own KMS key if it has one
   */
  readonly topicArn?: string;

  /**
   * URL that is fetched after each audit, every 5 minutes, as long as pages reach somebody: for a service that tells when a
   * signal stays away, since a broken way for pages can't be paged. https only.
   * @default - none
   */
  readonly heartbeatUrl?: string;

  /**
   * Where docs/operations.md is read: pages link to its sections by `#name`.
   * @default "docs/operations.md"
   */
  readonly runbookUrl?: string;

  /**
   * `on`: rotations that are due or were left unfinished are asked for by the auditor. `dry-run`: it logs what it would ask
   * for, and pages what it doesn't heal.
   * @default "on"
   */
  readonly healing?: "on" | "dry-run";

  /**
   * Whether the account has a trail of CloudTrail for management events in this region: failed rotations are then told as
   * they happen. Without a trail there are no such events.
   * @default false
   */
  readonly trail?: boolean;

  /**
   * Whether to draw the metrics on a CloudWatch dashboard, which costs 3 USD a month beyond the first three.
   * @default false
   */
  readonly dashboard?: boolean;
}

const DEFAULTS = {
  runbookUrl: "docs/operations.md",
  healing: "on",
  trail: false,
  dashboard: false,
} as const;

export type ResolvedAlerts = WithDefaults<AlertSettings, typeof DEFAULTS>;

export const resolveAlerts = (given: AlertSettings = {}): ResolvedAlerts => withDefaults(DEFAULTS, given);

const isHttpsUrl = ({ protocol, username, password }: URL) => protocol === "https:" && !username && !password;

export const alerts = object<AlertSettings>({
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
  healing: optional(oneOf(["on", "dry-run"])),
  trail: optional(flag),
  dashboard: optional(flag),
});
