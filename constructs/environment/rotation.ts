import { WHOLE_DAY_WINDOW_HOURS } from "../../core/contract";
import { type WithDefaults, withDefaults } from "./defaults";
import { object, optional, wholeNumber } from "./schema";

export interface RotationSettings {
  /**
   * Days between two rotations, 1–1000, counted from the last one.
   * @default 90
   */
  readonly automaticallyAfterDays?: number;

  /**
   * Hours from 00:00 UTC, 1–24, in which Secrets Manager may rotate and repeat what failed. The longer, the better a
   * passing fault is survived.
   * @default - to the end of the UTC day
   */
  readonly windowHours?: number;
}

const DEFAULTS = { automaticallyAfterDays: 90 } as const;

export type ResolvedRotation = WithDefaults<RotationSettings, typeof DEFAULTS> | "off";

export const resolveRotation = (given: RotationSettings | "off" = {}): ResolvedRotation =>
  given === "off" ? "off" : withDefaults(DEFAULTS, given);

export const rotation = object<RotationSettings>(
  {
    automaticallyAfterDays: optional(
      wholeNumber("must be a whole number of days, 1–1000", (value) => value >= 1 && value <= 1_000),
    ),
    windowHours: optional(
      wholeNumber(
        `must be a whole number of hours, 1–${WHOLE_DAY_WINDOW_HOURS}, since a window can't cross the UTC day`,
        (value) => value >= 1 && value <= WHOLE_DAY_WINDOW_HOURS,
      ),
    ),
  },
  "off",
);
