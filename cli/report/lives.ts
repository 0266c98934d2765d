import type { IntentRecord } from "../../core/intent-table/stored-intent";
import { DAY_MS } from "../../core/time";
import type { Audited } from "../instances/audited";

/** One key as far as the history knows it; never the key itself. Times in milliseconds since the epoch. */
export interface KeyLife {
  readonly fingerprint: string;
  /** When it was minted; where no record tells, the earliest moment that is known of it. */
  readonly from: number;
  readonly isFromKnown: boolean;
  /** When AWSCURRENT pointed to it. */
  readonly current: readonly Span[];
  /** When it ends, or was to end by the grace period; absent for the newest key. */
  readonly endsAt?: number;
  /** Whether it still was accepted right after its replacement; absent where nobody looked. */
  readonly honoured?: boolean;
}

export interface Span {
  readonly from: number;
  readonly until: number;
}

/** What happened beside promotions. */
export interface Incident {
  readonly at: number;
  readonly until?: number;
  readonly kind: "refused" | "lost" | "dead" | "open" | "paused" | "ordered" | "put back";
}

export interface Timeline {
  readonly from: number;
  readonly until: number;
  readonly keys: readonly KeyLife[];
  readonly incidents: readonly Incident[];
  readonly pending?: Span;
  /** The end of the last rotation window that is planned. */
  readonly nextRotationAt?: number;
}

type Promotion = IntentRecord & { readonly fingerprint: string };

/** The keys of one instance, from the records of its rotations and its labels as they are now. Pure. */
export function timelineOf({ facts, now }: Audited): Timeline {
  const records = [...facts.intents].sort((a, b) => a.takenAt - b.takenAt);
  const promotions = records.filter(
    (record): record is Promotion => record.outcome === "promoted" && record.fingerprint !== undefined,
  );
  const keys = livesOf(promotions, now);
  const presentKey = facts.deep?.key;
  const incidents: Incident[] = records
    .filter(({ outcome }) => outcome !== "promoted")
    .map(({ outcome, takenAt, attemptEndsAt }) => ({
      at: takenAt,
      kind: outcome as Incident["kind"],
      ...(outcome === "paused" && { until: attemptEndsAt }),
    }));
  const newest = keys.at(-1);
  if (presentKey && newest && newest.fingerprint !== presentKey.fingerprint) {
    // AWSCURRENT was moved without a rotation: back to an earlier key, or to one that a person has stored.
    const movedAt = Math.min(now, Math.max(facts.lastChangedAt, newest.current.at(-1)?.from ?? newest.from));
    incidents.push({ at: movedAt, kind: "put back" });
    keys.splice(keys.length - 1, 1, { ...newest, current: cutAt(newest.current, movedAt) });
    const span = { from: movedAt, until: now };
    const known = keys.findIndex(({ fingerprint }) => fingerprint === presentKey.fingerprint);
    const life = keys[known];
    if (life) keys.splice(known, 1, { ...life, current: [...life.current, span] });
    else keys.push(unrecorded(presentKey.fingerprint, presentKey.issuedAt, span));
  }
  if (keys.length === 0 && presentKey) {
    keys.push(
      unrecorded(presentKey.fingerprint, presentKey.issuedAt, { from: presentKey.issuedAt, until: now }),
    );
  }
  const { nextAt } = facts.rotation;
  const starts = [...keys.map(({ from }) => from), ...incidents.map(({ at }) => at), now];
  return {
    from: Math.min(...starts),
    until: Math.max(now, ...keys.map(({ endsAt = 0 }) => endsAt)),
    keys,
    incidents: incidents.sort((a, b) => a.at - b.at),
    ...(facts.pendingSince !== undefined && { pending: { from: facts.pendingSince, until: now } }),
    ...(nextAt !== undefined && facts.rotation.enabled && { nextRotationAt: nextAt }),
  };
}

function livesOf(promotions: readonly Promotion[], now: number): KeyLife[] {
  const lives: KeyLife[] = [];
  promotions.forEach((promotion, index) => {
    const promotedAt = promotion.settledAt ?? promotion.takenAt;
    const { previousFingerprint } = promotion;
    if (
      previousFingerprint !== undefined &&
      !lives.some((life) => life.fingerprint === previousFingerprint)
    ) {
      // Adopted, or first stored before the oldest record that is kept.
      const from = Math.min(promotion.graceFrom, promotion.takenAt);
      lives.push({
        fingerprint: previousFingerprint,
        from: from - UNKNOWN_START_MS,
        isFromKnown: false,
        current: [{ from: from - UNKNOWN_START_MS, until: promotedAt }],
        ...endOf(promotion),
      });
    }
    const next = promotions[index + 1];
    lives.push({
      fingerprint: promotion.fingerprint,
      from: promotion.takenAt,
      isFromKnown: true,
      current: [{ from: promotedAt, until: next ? (next.settledAt ?? next.takenAt) : now }],
      ...(next ? endOf(next) : {}),
    });
  });
  return lives;
}

/** How much of an unknown past is drawn. */
const UNKNOWN_START_MS = 7 * DAY_MS;

function endOf(replacement: Promotion): Pick<KeyLife, "endsAt" | "honoured"> {
  const { previousKeyExpiresAt: endsAt, previousKeyHonoured: honoured } = replacement;
  return { ...(endsAt !== undefined && { endsAt }), ...(honoured !== undefined && { honoured }) };
}

function cutAt(spans: readonly Span[], time: number): Span[] {
  return spans.map(({ from, until }) => ({ from, until: Math.min(until, Math.max(from, time)) }));
}

function unrecorded(fingerprint: string, issuedAt: number, span: Span): KeyLife {
  return { fingerprint, from: issuedAt, isFromKnown: true, current: [span] };
}
