import type { Log } from "../log";
import { DAY_MS } from "../time";
import { type FindingName, finding } from "./findings";
import { AUDIT_INTERVAL_MS, HOURLY_MS } from "./intervals";
import type { Remembered } from "./memory";
import { composePage, type Page } from "./page";
import type { Alerts } from "./ports";
import { keyOf, MOST_REMEMBERED } from "./remember";
import { nameOf, type Run, slotOfRun } from "./run";

/** A page whose cause lasts is sent again after a day; one that could not be sent is tried again in the next audit. */
const PAGED_AGAIN_MS = DAY_MS - AUDIT_INTERVAL_MS / 2;

/** The pages of this audit: those of what is found, and then those of what has ended. One page for each name. */
export function decidePages(found: readonly Remembered[], run: Run, hasMemory: boolean): Page[] {
  const paging = found.filter(({ severity }) => severity === "page");
  const lasting = new Set(paging.map(keyOf));
  const paged = run.before.found.filter(({ pagedAt }) => pagedAt !== undefined);
  const ended = [...paged, ...run.before.untold].filter((each) => !lasting.has(keyOf(each)));
  const due = [...byName(paging)].filter(([, findings]) => isPageDue(findings, run, hasMemory));
  return [
    ...due.map(([name, findings]): Page => ({ name, state: "found", findings })),
    ...[...byName(ended)].map(([name, findings]): Page => ({ name, state: "resolved", findings })),
  ];
}

/** Whether one of the instances is new, or a day has passed since the last page. */
function isPageDue(findings: readonly Remembered[], run: Run, hasMemory: boolean): boolean {
  // Nobody remembers whether it was sent: then it is sent by the hour.
  if (!hasMemory) return slotOfRun(run) % (HOURLY_MS / AUDIT_INTERVAL_MS) === 0;
  const isCrowded = run.before.found.length >= MOST_REMEMBERED;
  const last = Math.max(0, ...findings.map(({ pagedAt = 0 }) => pagedAt));
  const isNew = findings.some(({ pagedAt }) => pagedAt === undefined);
  return run.now - last >= PAGED_AGAIN_MS || (!isCrowded && isNew);
}

function byName(findings: readonly Remembered[]): Map<FindingName, Remembered[]> {
  const groups = new Map<FindingName, Remembered[]>();
  for (const each of findings) groups.set(each.name, [...(groups.get(each.name) ?? []), each]);
  return groups;
}

export interface Paged {
  /** What was sent. */
  readonly pages: readonly Page[];
  /** All that is found, with when it was paged. */
  readonly found: readonly Remembered[];
  /** What has ended, and could not be told to be over. */
  readonly untold: readonly Remembered[];
  /** Whether everything that was to be sent was taken. */
  readonly canPage: boolean;
}

/** Sends the pages. What could not be sent is logged, and itself found. */
export async function page(
  deps: { readonly alerts: Pick<Alerts, "publish">; readonly log: Log },
  pages: readonly Page[],
  found: readonly Remembered[],
  run: Run,
): Promise<Paged> {
  const sent: Page[] = [];
  for (const each of pages) if (await isSent(deps, each, run)) sent.push(each);
  const unsent = pages.filter((each) => !sent.includes(each));
  const untold = unsent.filter(({ state }) => state === "resolved").flatMap(({ findings }) => findings);
  const canPage = unsent.length === 0;
  const pagedNow = new Set(
    sent.filter(({ state }) => state === "found").flatMap(({ findings }) => findings.map(keyOf)),
  );
  const withDates = found.map((each) => (pagedNow.has(keyOf(each)) ? { ...each, pagedAt: run.now } : each));
  if (canPage || found.some(({ name }) => name === "alert-route-broken")) {
    return { pages: sent, found: withDates, untold, canPage };
  }
  const broken = finding("alert-route-broken", run.settings.environment, "publishing fails");
  const last = run.before.found.find(({ name }) => name === broken.name);
  const withBroken = [...withDates, { ...broken, since: last?.since ?? run.now }];
  return { pages: sent, found: withBroken, untold, canPage };
}

async function isSent(
  { alerts, log }: { readonly alerts: Pick<Alerts, "publish">; readonly log: Log },
  each: Page,
  { settings: { environment, runbookUrl, location } }: Run,
): Promise<boolean> {
  try {
    await alerts.publish(composePage(each, { environment, runbookUrl, region: location.region }));
    return true;
  } catch (error) {
    log.error("a page could not be sent", { name: each.name, reason: nameOf(error) });
    return false;
  }
}
