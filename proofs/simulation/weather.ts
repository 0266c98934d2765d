import { DAY, HOUR, MINUTE } from "../../local/clock";
import type { CallKind } from "../explorer/ports";
import { Random } from "../harness/random";

export const SERVICES = ["Secrets Manager", "intent table", "Control Plane", "Lambda"] as const;
export type Service = (typeof SERVICES)[number];

/** A service is out of order, for every agent at once. */
export interface ServiceOutage {
  readonly service: Service;
  readonly from: number;
  readonly until: number;
  /** Share of the calls that fail. */
  readonly severity: number;
}

/** Of each service: how far its outages are apart on average, and how long they last. */
const BETWEEN = 180 * DAY;
const SHORTEST = 5 * MINUTE;
const LONGEST = 12 * HOUR;

const SERVICE_OF: Record<Exclude<CallKind, "time">, Service> = {
  "secret-read": "Secrets Manager",
  "secret-write": "Secrets Manager",
  "intent-read": "intent table",
  "intent-write": "intent table",
  "control-read": "Control Plane",
  "control-write": "Control Plane",
};

export const serviceOf = (kind: CallKind): Service => (kind === "time" ? "Lambda" : SERVICE_OF[kind]);

/** The outages of all services. They depend on the seed and not on the agent: what is down is down for all. */
export class Weather {
  /** By service, earliest first; none overlaps another of its service. */
  private readonly outages: ReadonlyMap<Service, readonly ServiceOutage[]>;
  private readonly cursors = new Map<Service, number>();

  constructor(seed: number, from: number, until: number, faultRate: number) {
    this.outages = new Map(
      SERVICES.map((service) => [service, outagesOf(service, seed, from, until, faultRate)]),
    );
  }

  /** The outage of a service that is going on. To be asked with times that never go back. */
  over(service: Service, now: number): ServiceOutage | undefined {
    const outages = this.outages.get(service) ?? [];
    let cursor = this.cursors.get(service) ?? 0;
    while ((outages[cursor]?.until ?? Number.POSITIVE_INFINITY) <= now) cursor++;
    this.cursors.set(service, cursor);
    const outage = outages[cursor];
    return outage && outage.from <= now ? outage : undefined;
  }

  all(): readonly ServiceOutage[] {
    return [...this.outages.values()].flat();
  }

  /** Those that touch a span of time. */
  within(from: number, until: number, services: readonly Service[] = SERVICES): readonly ServiceOutage[] {
    return services.flatMap((service) =>
      (this.outages.get(service) ?? []).filter((outage) => outage.from < until && outage.until > from),
    );
  }
}

function outagesOf(
  service: Service,
  seed: number,
  from: number,
  until: number,
  faultRate: number,
): readonly ServiceOutage[] {
  if (faultRate === 0) return [];
  const random = new Random(`${seed}/weather/${service}`);
  const outages: ServiceOutage[] = [];
  for (let time = from; ; ) {
    const start = time + Math.round(random.wait(BETWEEN / faultRate));
    if (start >= until) return outages;
    time = start + Math.round(random.magnitude(SHORTEST, LONGEST));
    outages.push({ service, from: start, until: Math.min(time, until), severity: random.between(0.5, 1) });
  }
}
