/** The most urgent first. `page`: a person has to act. `heal`: the auditor acts, and pages if that doesn't help. `note`: to be known. */
export const SEVERITIES = ["page", "heal", "note"] as const;
export type Severity = (typeof SEVERITIES)[number];

/**
 * What shows a finding, and so what may end it.
 * `list`: what Secrets Manager lists and the table of intents holds. Every run sees that anew.
 * `value`: the secret's value, and the Control Plane's answers about it. A run sees that of a few keys only, so what was found
 * stays found until the next such look.
 * `environment`: a look at what all keys of the environment share. Such a finding concerns the environment, and no single key.
 * `ask`: Secrets Manager's answer to an ask for a rotation. It stays found until the next ask.
 */
export type Sight = "list" | "value" | "environment" | "ask";

/** All that is so of one name; lists, checks, defaults and the table of `docs/operations.md` come from here. */
export interface FindingEntry {
  /** What it says to people. */
  readonly says: string;
  /** More than one if it has more than one shape. Whatever a look at the value can show, only such a look ends. */
  readonly shownBy: readonly Sight[];
  /** What it is at first, and what it may become as time passes. */
  readonly severities: readonly [Severity, ...Severity[]];
  /** Whether another rotation is the one safe course, so that the auditor asks for it. @default false */
  readonly heals?: true;
  /** Whether it tells of who reads the key only: such a key can rotate all the same. @default false */
  readonly isAboutUse?: true;
}

const ENTRIES = {
  "promotion-overdue": {
    says: "A new key was asked for, and is not under AWSCURRENT yet.",
    shownBy: ["list"],
    severities: ["heal", "page"],
    heals: true,
  },
  "mint-refused": {
    says: "The Control Plane refuses to issue a new key.",
    shownBy: ["list"],
    severities: ["heal", "page"],
    heals: true,
  },
  "pending-left-behind": {
    says: "A rotation was begun and came to nothing: AWSPENDING stands apart from AWSCURRENT.",
    shownBy: ["list"],
    severities: ["heal", "page"],
    heals: true,
  },
  "rotation-overdue": {
    says: "The key is older than its interval and one rotation window.",
    shownBy: ["list"],
    severities: ["heal", "page"],
    heals: true,
  },
  "rotation-off": {
    says: "Secrets Manager doesn't rotate this key, though the environment says so.",
    shownBy: ["list"],
    severities: ["page"],
  },
  "wrong-rotation-function": {
    says: "Another function than this environment's is configured to rotate this key.",
    shownBy: ["list"],
    severities: ["page"],
  },
  "current-missing": {
    says: "The secret has no current value.",
    // There may be no version under AWSCURRENT, or one that holds no value.
    shownBy: ["list", "value"],
    severities: ["note", "page"],
  },
  "current-unreadable": {
    says: "The current value is not one that this project wrote.",
    shownBy: ["value"],
    severities: ["page"],
  },
  "key-refused": {
    says: "The Control Plane refuses the current key: agents that use it don't work.",
    shownBy: ["value"],
    severities: ["page"],
    heals: true,
  },
  "key-on-fuse": {
    says: "AWSCURRENT was moved back to a key whose grace period runs out.",
    // Either the label was moved back, or the old value was stored again under another version.
    shownBy: ["list", "value"],
    severities: ["page"],
    heals: true,
  },
  "mint-bound": {
    says: "Keys were minted again and again upon the current one, and none could be promoted.",
    shownBy: ["list"],
    severities: ["page"],
  },
  "mint-unreadable": {
    says: "The Control Plane minted a key that could not be read in its answer.",
    shownBy: ["list"],
    severities: ["page"],
  },
  "refusals-not-believed": {
    says: "The Control Plane refuses the current key and the one that was minted to replace it.",
    shownBy: ["value"],
    severities: ["page"],
  },
  "issued-in-the-future": {
    says: "The value says that its key was issued at a time that has not come yet.",
    shownBy: ["value"],
    severities: ["page"],
  },
  "other-workspace": {
    says: "The key works, and the operator's API key sees no instance of its id: it is for another workspace.",
    shownBy: ["value"],
    severities: ["page"],
  },
  "wrong-instance": {
    says: "The key, or the ownership marker, belongs to another instance than the value names.",
    shownBy: ["value"],
    severities: ["page"],
  },
  "instance-gone": {
    says: "The Control Plane has no instance of the id in the value.",
    shownBy: ["value"],
    severities: ["page"],
  },
  "instance-inactive": {
    says: "The instance is inactive at the Control Plane: its key is refused.",
    shownBy: ["value"],
    severities: ["page"],
  },
  "mapping-differs": {
    says: "Name, account or contact at the Control Plane are not those of the configuration.",
    shownBy: ["value"],
    severities: ["page"],
  },
  "grace-cut-short": {
    says: "The old key is refused before its grace period is over.",
    shownBy: ["value"],
    severities: ["page"],
  },
  "old-key-still-accepted": {
    says: "The old key is accepted after its grace period.",
    shownBy: ["value"],
    severities: ["note"],
  },
  "key-unused": {
    says: "Nobody but the auditor reads this key.",
    shownBy: ["list"],
    severities: ["note"],
    isAboutUse: true,
  },
  "key-used-again": {
    says: "A key that nobody had read for long was read.",
    shownBy: ["list"],
    severities: ["note"],
    isAboutUse: true,
  },
  paused: {
    says: "An operator has paused the rotation of this key.",
    shownBy: ["list"],
    severities: ["note"],
  },
  "orphan-instance": {
    says: "An instance at the Control Plane carries this environment's marker, and its secret is gone.",
    shownBy: ["environment"],
    severities: ["page"],
  },
  "operator-key-missing": {
    says: "The secret of the operator's API key has no usable value.",
    shownBy: ["environment"],
    severities: ["page"],
  },
  "operator-key-refused": {
    says: "The Control Plane refuses the operator's API key: nothing can be rotated.",
    shownBy: ["environment"],
    severities: ["page"],
  },
  "control-plane-unavailable": {
    says: "The Control Plane doesn't answer as documented.",
    shownBy: ["environment"],
    severities: ["note", "page"],
  },
  "key-check-unreadable": {
    says: "The Control Plane's answers about keys are none that it documents: nobody knows whether it accepts them.",
    shownBy: ["environment"],
    severities: ["note", "page"],
  },
  "clock-differs": {
    says: "The Control Plane's clock and AWS's differ by more than 10 minutes: nothing is minted.",
    shownBy: ["environment"],
    severities: ["page"],
  },
  "minting-halted": {
    says: "Keys of two instances were minted in vain: nothing is minted until one of them has a key again.",
    shownBy: ["environment"],
    severities: ["page"],
  },
  "intents-unreadable": {
    says: "The table of intents can't be read: unfinished rotations are seen by their labels only.",
    shownBy: ["environment"],
    severities: ["page"],
  },
  "rotation-function-unusable": {
    says: "The rotation function is gone, or can't be run.",
    shownBy: ["environment"],
    severities: ["page"],
  },
  "invoke-permission-missing": {
    says: "Secrets Manager may not invoke the rotation function: no rotation can start.",
    shownBy: ["environment"],
    severities: ["page"],
  },
  "self-test-failed": {
    says: "The rotation function can't do what a rotation needs.",
    shownBy: ["environment"],
    severities: ["page"],
  },
  "alert-route-broken": {
    says: "Pages of this environment reach nobody.",
    shownBy: ["environment"],
    severities: ["page"],
  },
  "secrets-unreadable": {
    says: "The auditor can't read the secret's value.",
    // The value of a key's secret, or that of the operator's API key.
    shownBy: ["value", "environment"],
    severities: ["page"],
  },
  "heal-refused": {
    says: "Secrets Manager refuses to start a rotation that is due.",
    shownBy: ["ask"],
    severities: ["page"],
  },
  "audit-behind": {
    says: "Keys wait longer for their check than they should.",
    shownBy: ["environment"],
    severities: ["page"],
  },
} as const satisfies Record<string, FindingEntry>;

export type FindingName = keyof typeof ENTRIES;

/** What an audit finds, by stable names. `docs/operations.md` has a section for each. */
export const FINDINGS: Readonly<Record<FindingName, FindingEntry>> = ENTRIES;

export const FINDING_NAMES = Object.keys(ENTRIES) as readonly FindingName[];

export interface Finding {
  readonly name: FindingName;
  /** The instance's id; its id at the Control Plane if it has no secret; or the environment's name. */
  readonly instance: string;
  readonly severity: Severity;
  /** Whether the auditor asks for a rotation because of it. */
  readonly heals: boolean;
  /** Until agents stop working, if that is known; 0 if they have. */
  readonly hoursLeft?: number;
  /** One line for people: what is so, since when. */
  readonly text: string;
}

/** A finding as its entry has it, but for what is said of this one. */
export function finding(
  name: FindingName,
  instance: string,
  text: string,
  changes: Partial<Pick<Finding, "severity" | "heals" | "hoursLeft">> = {},
): Finding {
  const { severities, heals = false } = FINDINGS[name];
  return { name, instance, severity: severities[0], heals, text, ...changes };
}

/** The most urgent first, and otherwise in the order in which they were found. */
export function byUrgency<T extends Finding>(findings: readonly T[]): T[] {
  const rank = ({ severity }: T) => SEVERITIES.indexOf(severity);
  return [...findings].sort((a, b) => rank(a) - rank(b));
}
