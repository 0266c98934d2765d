import { MINUTE, SECOND } from "../../local/clock";
import {
  classesOf,
  FAULT_CLASSES,
  type FaultClass,
  HOURLY,
  promisedOutage,
  promisedPrevious,
} from "../explorer/promise";
import type { Configuration } from "../explorer/world";
import type { Failure } from "./consumers";
import { duration } from "./duration";
import type { Strike } from "./faults";
import type { Episode, History } from "./history";
import { SERVICES, type ServiceOutage, type Weather } from "./weather";

/*
 * What the promise of docs/rotation-protocol.md allows, for the faults that struck. The explorer's table counts calls as
 * taking no time, knows neither outages of whole services nor Secrets Manager's ten minutes between retries, and has a
 * auditor that looks every five minutes. What these add is added here, and nothing else.
 */
const CALLS_TAKE = 30 * SECOND;
const RETRY_AFTER = 10 * MINUTE;

export interface Violation {
  readonly rule: string;
  readonly detail: string;
  readonly at: number;
}

export interface NotAccepted {
  readonly from: number;
  readonly until: number;
  readonly cause: string;
  readonly allowedMs: number;
}

/** All that struck in the episodes of a span, and so may be what was the matter in it. */
interface Troubles {
  readonly strikes: readonly Strike[];
  readonly outages: readonly ServiceOutage[];
  readonly outageMs: number;
}

const CACHED_TOO_LONG = "cached longer than the old key lives";
const UNEXPLAINED = "unexplained";

export class Judge {
  constructor(
    private readonly history: History,
    private readonly configuration: Configuration,
    private readonly weather: Weather,
  ) {}

  /** Spans in which the key under AWSCURRENT was not accepted. */
  notAccepted(): readonly NotAccepted[] {
    const { current, keys } = this.history;
    const spans: { from: number; until: number }[] = [];
    for (const span of current) {
      const diesAt = keys[span.key]?.diesAt ?? Number.POSITIVE_INFINITY;
      const from = Math.max(span.from, diesAt);
      if (from >= span.until) continue;
      const last = spans.at(-1);
      if (last?.until === from) last.until = span.until;
      else spans.push({ from, until: span.until });
    }
    return spans.map((span) => {
      const troubles = this.troubles(span.from, span.until);
      return { ...span, cause: causeOf(troubles), allowedMs: this.allowedOutage(troubles) };
    });
  }

  /** Why a consumer's calls failed; `UNEXPLAINED` is what this project would have to answer for. */
  causeOfFailure({ consumer, key, leftAt, from, delayed }: Failure): string {
    const life = this.history.keys[key];
    const diesAt = life?.diesAt ?? from;
    const lived = diesAt - leftAt;
    const full = promisedPrevious(this.configuration, []);
    if (lived + CALLS_TAKE >= full) {
      if (consumer.cacheMs === undefined) return "read at its start, not started again in time";
      if (consumer.cacheMs + CALLS_TAKE >= lived) return CACHED_TOO_LONG;
      return delayed ? "Secrets Manager was down when the key was to be read again" : UNEXPLAINED;
    }
    // It died under AWSCURRENT: how long that may last is judged there.
    if (lived <= 0) return causeOf(this.troubles(diesAt, leftAt));
    const replacedAt = this.history.keys[key + 1]?.mintedAt ?? diesAt;
    const troubles = this.troubles(Math.min(replacedAt, leftAt), Math.max(diesAt, leftAt));
    const { strikes, outages } = troubles;
    if (this.isByHand(troubles)) return causeOf(troubles);
    const faults = [...strikes, ...outages.map((): Strike => "crash-after")];
    const promised = promisedPrevious(this.configuration, faults) - troubles.outageMs;
    // While the current key lives, a refused mint is asked for again by the hour.
    const delays = faults.map((fault) => (fault === "refused" ? HOURLY : RETRY_AFTER));
    if (lived + CALLS_TAKE + delays.reduce((sum, delay) => sum + delay, 0) >= promised) {
      if (consumer.cacheMs === undefined) return "read at its start, not started again in time";
      return consumer.cacheMs >= full ? CACHED_TOO_LONG : causeOf(troubles);
    }
    return UNEXPLAINED;
  }

  violations(
    failures: readonly { readonly failure: Failure; readonly cause: string }[],
  ): readonly Violation[] {
    const { history } = this;
    const found: Violation[] = [];
    for (const { from, until, cause, allowedMs } of this.notAccepted()) {
      if (until - from <= allowedMs) continue;
      const detail = `${duration(until - from)} not, promised at most ${duration(allowedMs)} (${cause})`;
      found.push({ rule: "AWSCURRENT is accepted, outside the promise's gaps", detail, at: from });
    }
    for (const { failure, cause } of failures) {
      if (cause !== UNEXPLAINED) continue;
      const detail = `one that ${failure.consumer.name}, ${failure.calls} calls, key ${failure.key}`;
      found.push({ rule: "a consumer fails for a named cause only", detail, at: failure.from });
    }
    const own = history.keys.filter(({ by }) => by !== "hand");
    const lost = own.filter(({ isStored }) => !isStored).length;
    const { mints, promoted } = history.intents;
    const at = history.until;
    if (own.length > mints) {
      found.push({
        rule: "no mint that nobody decided",
        detail: `${own.length} minted, ${mints} decided`,
        at,
      });
    }
    if (lost > mints - promoted) {
      const detail = `${lost} never stored, ${mints - promoted} accounted for`;
      found.push({ rule: "every key stored or accounted for", detail, at });
    }
    if (!history.hasConverged) {
      found.push({ rule: "converges once faults stop", detail: "not after the years' end", at });
    }
    for (const detail of history.crashes) found.push({ rule: "no crash of its own", detail, at });
    return found;
  }

  isByHand({ strikes }: Pick<Troubles, "strikes">): boolean {
    return strikes.includes("click") || strikes.includes("outside-put");
  }

  troubles(from: number, until: number): Troubles {
    const episodes = this.history.episodes.filter((each) => each.from <= until && each.until >= from);
    const strikes = episodes.flatMap((episode) => this.strikesIn(episode));
    const outages = episodes.flatMap((each) => this.weather.within(each.from, each.until, SERVICES));
    const outageMs = outages.reduce((sum, outage) => sum + outage.until - outage.from, 0);
    return { strikes, outages, outageMs };
  }

  private strikesIn({ from, until }: Episode): readonly Strike[] {
    return this.history.struck.filter(({ at }) => at >= from && at <= until).map(({ strike }) => strike);
  }

  /** For how long AWSCURRENT may not be accepted, with these troubles. */
  private allowedOutage(troubles: Troubles): number {
    const { configuration } = this;
    const { strikes, outages, outageMs } = troubles;
    const faults: Strike[] = [...strikes, ...outages.map((): Strike => "crash-after")];
    // To the key under AWSCURRENT, an old one stored by hand is the same as a click: its last hours began without us.
    if (strikes.includes("outside-put")) faults.push("click");
    const mayDieAtOnce = configuration.graceHours === 0 || configuration.secondRefresh === "B";
    const promised = promisedOutage(configuration, faults);
    if (promised === 0) return mayDieAtOnce ? CALLS_TAKE : 0;
    const look = this.isByHand(troubles) ? HOURLY : 0;
    return promised + CALLS_TAKE + faults.length * RETRY_AFTER + look + outageMs;
  }
}

const WORTH_NAMING: readonly FaultClass[] = ["crash", "lost", "late", "paused", "standstill"];

function causeOf({ strikes, outages }: Pick<Troubles, "strikes" | "outages">): string {
  if (strikes.includes("click")) return FAULT_CLASSES.clicked;
  if (strikes.includes("outside-put")) return "somebody stores an old key again";
  const services = [...new Set(outages.map(({ service }) => service))];
  if (services.length > 0) return `outage of ${services.sort().join(" and ")}`;
  const classes = WORTH_NAMING.filter((each) => classesOf(strikes).includes(each));
  const [only] = classes;
  if (only === undefined) return "calls take time";
  return classes.length === 1 ? FAULT_CLASSES[only] : "several faults at once";
}
