import type { ServiceEvent } from "./model";

/*
 * Events in the form in which EventBridge delivers them.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/event-detail-secret-label-updated-secretsmanager.html
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html
 */

export type RotationEventName =
  | "RotationStarted"
  | "RotationSucceeded"
  | "RotationFailed"
  | "RotationAbandoned"
  | "TestRotationStarted"
  | "TestRotationSucceeded"
  | "TestRotationFailed";

/** What an event says of its place and time. */
export interface Envelope {
  readonly id: string;
  readonly now: number;
  readonly secretArn: string;
}

/** EventBridge and CloudTrail give whole seconds. */
const seconds = (now: number) => `${new Date(now).toISOString().slice(0, 19)}Z`;

function event({ id, now, secretArn }: Envelope): Omit<ServiceEvent, "detail-type" | "resources" | "detail"> {
  const [, , , region = "", account = ""] = secretArn.split(":");
  return { version: "0", id, source: "aws.secretsmanager", account, time: seconds(now), region };
}

export function labelUpdated(
  envelope: Envelope,
  detail: { name: string; labelUpdated: string; versionId: string },
): ServiceEvent {
  return {
    ...event(envelope),
    "detail-type": "Secret Label Updated",
    resources: [envelope.secretArn],
    detail,
  };
}

/** @param errorMessage names function and step of a failure; `null` otherwise */
export function rotationEvent(
  envelope: Envelope,
  eventName: RotationEventName,
  token: string,
  errorMessage: string | null,
): ServiceEvent {
  const common = event(envelope);
  return {
    ...common,
    "detail-type": "AWS Service Event via CloudTrail",
    resources: [],
    detail: {
      eventVersion: "1.08",
      userIdentity: { accountId: common.account, invokedBy: "secretsmanager.amazonaws.com" },
      eventTime: common.time,
      eventSource: "secretsmanager.amazonaws.com",
      eventName,
      awsRegion: common.region,
      sourceIPAddress: "secretsmanager.amazonaws.com",
      userAgent: "secretsmanager.amazonaws.com",
      ...(errorMessage === null ? {} : { errorMessage }),
      requestParameters: null,
      responseElements: null,
      additionalEventData: { SecretId: envelope.secretArn },
      requestID: `Rotation-${envelope.secretArn}-${token}`,
      eventID: envelope.id,
      readOnly: false,
      eventType: "AwsServiceEvent",
      managementEvent: true,
      recipientAccountId: common.account,
      eventCategory: "Management",
    },
  };
}
