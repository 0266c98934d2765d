import type { InstanceFacts } from "../../core/audit/facts";
import { AUDIT_INTERVAL_MS, dueIn, HOURLY_MS } from "../../core/audit/intervals";
import type { Memory } from "../../core/audit/memory";
import type { Run } from "../../core/audit/run";
import { stuckPagedAfter, type Thresholds } from "../../core/audit/thresholds";
import { turnOf } from "../../core/audit/turns";
import { locateSecret, ownershipOf } from "../../core/key/ownership";
import { MINUTE } from "../../local/clock";
import type { World } from "./world";

/*
 * When an audit of a world that stands still can find, ask for or look at something else than the one before. It is asked of a
 * superset: a moment too many costs an audit, which the shipped auditor makes anyway.
 */

type Secret = ReturnType<World["secret"]>;
type Instance = ReturnType<World["controlPlane"]["allInstances"]>[number];

/** All that an audit can see of a world at one moment. Held by what it is made of, so that most comparisons cost nothing. */
export interface Sight {
  readonly secret: Secret;
  readonly instance: Instance | undefined;
  readonly intents: World["intents"]["items"];
  readonly text: string;
}

/** Gives `before` itself if nothing has been touched since. */
export function sightOf(world: World, before?: Sight): Sight {
  const secret = world.secret();
  const instance = world.controlPlane.allInstances()[0];
  const intents = world.intents.items;
  if (before?.secret === secret && before.instance === instance && before.intents === intents) return before;
  return { secret, instance, intents, text: textOf(secret, instance) };
}

export function isSame(one: Sight, other: Sight): boolean {
  return (
    one === other ||
    (one.intents === other.intents && one.instance?.keys === other.instance?.keys && one.text === other.text)
  );
}

/** Without the dates of reads, which the auditor's own looks change, and without what it never reads. */
function textOf({ arn, versions, rotation, tags, createdAt, lastRotatedAt }: Secret, instance?: Instance) {
  return JSON.stringify([
    versions.map(({ id, labels, value }) => [id, labels, value !== null]),
    [rotation?.enabled, rotation?.functionArn, rotation?.rules],
    [tags, createdAt, lastRotatedAt],
    instance && [
      [instance.name, instance.accountId, instance.contactId, instance.isActive],
      ownershipOf(instance.description, locateSecret(arn)),
    ],
  ]);
}

const intentsOf = (world: World) =>
  [...world.intents.items.values()].map((item) => ({
    outcome: item.outcome?.S ?? "",
    baseVersionId: item.baseVersionId?.S,
    versionId: item.versionId?.S,
    takenAt: Number(item.takenAt?.N),
    graceFrom: Number(item.graceFrom?.N ?? item.takenAt?.N),
    attemptEndsAt: Number(item.attemptEndsAt?.N),
    graceEndsAt: item.previousKeyExpiresAt ? Number(item.previousKeyExpiresAt.N) : undefined,
  }));

type IntentFacts = ReturnType<typeof intentsOf>[number];

const isSpent = ({ outcome }: IntentFacts) => outcome === "promoted";

const newestPromotion = (intents: readonly IntentFacts[]) =>
  intents
    .filter(isSpent)
    .reduce<IntentFacts | undefined>(
      (newest, each) => (newest && newest.takenAt > each.takenAt ? newest : each),
      undefined,
    );

/** Whether no rotation has promoted what is current: a label was moved, or a value stored, by hand. */
const isCurrentByHand = (world: World, newest: IntentFacts | undefined) =>
  newest !== undefined && newest.versionId !== world.versionWith("AWSCURRENT");

/**
 * The first moment after `time` at which an audit, without a look at the value or at the Control Plane, may find or ask for
 * something else: every sum of a recorded time and one of the auditor's spans, for whatever is not finished.
 */
export function watchedChangeAfter(
  world: World,
  { askedAt }: Memory,
  thresholds: Thresholds,
  time: number,
): number {
  const { gracePeriodMs, rotation } = thresholds;
  const { createdAt, lastRotatedAt, versions } = world.secret();
  const intents = intentsOf(world);
  const newest = newestPromotion(intents);
  const asks = [AUDIT_INTERVAL_MS - MINUTE, HOURLY_MS - MINUTE, HOURLY_MS];
  const issued = [
    world.issuedAt(world.versionWith("AWSCURRENT")),
    createdAt,
    lastRotatedAt ?? 0,
    ...(newest ? [newest.takenAt] : []),
  ];
  const pending = world.isPendingApart
    ? versions.filter(({ labels }) => labels.includes("AWSPENDING")).map((version) => version.createdAt)
    : [];
  const moments = [
    ...(rotation ? issued.map((at) => at + rotation.intervalMs + rotation.windowMs) : []),
    ...pending.flatMap((at) => [at + 3 * MINUTE, at + stuckPagedAfter(thresholds)]),
    ...Object.values(askedAt).flatMap((at) => asks.map((span) => at + span)),
    ...intents
      .filter((intent) => !isSpent(intent))
      .flatMap(({ attemptEndsAt, graceFrom, takenAt }) => [
        attemptEndsAt,
        graceFrom + gracePeriodMs,
        ...asks.map((span) => takenAt + span),
      ]),
    ...(newest && isCurrentByHand(world, newest)
      ? [(newest.graceEndsAt ?? newest.graceFrom + gracePeriodMs) - gracePeriodMs / 2]
      : []),
  ];
  return firstAfter(moments, time);
}

/** The first moment after `time` at which the Control Plane may say something else of a key. */
export function deepChangeAfter(world: World, time: number): number {
  const moments = world
    .keys()
    .flatMap(({ liveFrom, diesAt }) => [liveFrom, ...(diesAt === null ? [] : [diesAt])]);
  return firstAfter(moments, time);
}

/** Some of the auditor's comparisons hold at the moment itself, others only after it: both are moments. */
function firstAfter(moments: readonly number[], time: number): number {
  let first = Number.POSITIVE_INFINITY;
  for (const moment of moments) {
    for (const each of [moment, moment + 1]) if (each > time && each < first) first = each;
  }
  return first;
}

/**
 * The first slot after `slot` in which the auditor looks at the value and at the Control Plane, as it decides that itself. If
 * that is the next one, all those after it are too, until a change.
 */
export function turnAfter(look: InstanceFacts, run: Omit<Run, "now">, slot: number): number {
  const next = slot + 1;
  const turn = turnOf(look, { ...run, now: next * AUDIT_INTERVAL_MS });
  return turn === "now" ? next : next + dueIn(look.secretName, turn, next);
}
