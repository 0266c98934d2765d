import { AUDIT_ENV, SECRET_NAME_END } from "../contract";
import type { SecretLocation } from "../key/ownership";
import { arnParts } from "../rules";
import { SettingsError } from "../settings/function-settings";
import { DAY_MS, HOUR_MS } from "../time";
import type { Thresholds } from "./thresholds";

/** What an audit goes by. */
export interface AuditSettings {
  readonly environment: string;
  /** What the names of the environment's secrets begin and end with. */
  readonly nameStart: string;
  readonly nameEnd: string;
  readonly thresholds: Thresholds;
  readonly location: Pick<SecretLocation, "accountId" | "region">;
  /** `false`: says what it would ask for, and asks for nothing. */
  readonly heals: boolean;
  readonly runbookUrl: string;
}

/** What the auditor's function is configured with. */
export interface AuditorSettings {
  readonly audit: AuditSettings;
  readonly alertTopicArn: string;
  readonly rotationFunctionArn: string;
  readonly heartbeatUrl?: string;
}

/** Reads and checks the environment variables that the auditor alone has. Throws a `SettingsError`. */
export function readAuditorSettings(
  env: Readonly<Record<string, string | undefined>>,
  gracePeriodMs: number,
): AuditorSettings {
  const required = (name: string): string => {
    const value = env[name];
    if (value === undefined || value === "") throw new SettingsError(`${name}: required, and it is not set`);
    return value;
  };
  const rotationFunctionArn = required(AUDIT_ENV.rotationFunctionArn);
  const arn = arnParts("function", rotationFunctionArn);
  if (!arn) {
    throw new SettingsError(
      `${AUDIT_ENV.rotationFunctionArn}: must be the ARN of a function, got ${rotationFunctionArn}`,
    );
  }
  const { region = "", accountId = "" } = arn;
  const heartbeatUrl = env[AUDIT_ENV.heartbeatUrl];
  const days = required(AUDIT_ENV.rotationDays);
  const rotation = {
    intervalMs: number(AUDIT_ENV.rotationDays, days) * DAY_MS,
    windowMs: number(AUDIT_ENV.rotationWindowHours, required(AUDIT_ENV.rotationWindowHours)) * HOUR_MS,
    functionArn: rotationFunctionArn,
  };
  return {
    audit: {
      environment: required(AUDIT_ENV.environment),
      nameStart: required(AUDIT_ENV.secretNameStart),
      nameEnd: SECRET_NAME_END,
      thresholds: { gracePeriodMs, ...(days === "off" ? {} : { rotation }) },
      location: { region, accountId },
      heals: env[AUDIT_ENV.healing] !== "dry-run",
      runbookUrl: required(AUDIT_ENV.runbookUrl),
    },
    alertTopicArn: required(AUDIT_ENV.alertTopicArn),
    rotationFunctionArn,
    ...(heartbeatUrl ? { heartbeatUrl } : {}),
  };
}

function number(name: string, value: string): number {
  if (value === "off") return 0;
  if (/^\d+$/.test(value)) return Number(value);
  throw new SettingsError(`${name}: must be a whole number, got ${value}`);
}
