import type { Budget, Sleep } from "../budget";
import type { Clock } from "../clock";
import { type ControlPlane, type InstanceDirectory, PAGE_SIZE } from "../control-plane/client";
import { isControlPlaneError } from "../control-plane/errors";
import type { IntentReader, IntentRecord } from "../intent-table/intent-reader";
import { ownerOf, type SecretLocation } from "../key/ownership";
import type { Log } from "../log";
import { Stop } from "../protocol/stops";
import type { SelfTest } from "../rotation/self-test";
import type { Fleet, ListedSecret } from "../secrets/fleet";
import type { SecretStore } from "../secrets/secret-store";
import {
  graceEndsAt,
  type InstanceFacts,
  instanceIdOf,
  intentsBySecret,
  keyIssuedAt,
  lookAt,
  lookDeeply,
  shallowFacts,
} from "./facts";
import {
  type EnvironmentFacts,
  environmentFindings,
  type Finding,
  type FindingName,
  findingsOf,
  isAskDue,
  isWatchedHourly,
  needsValue,
  pauseOf,
  type Thresholds,
  unspentIntent,
  unusedNotedAfter,
} from "./findings";
import {
  dueIn,
  firstSlotDue,
  HOURLY_MS,
  isDue,
  isNight,
  KEY_CHECK_MS,
  slotOf,
  type Turn,
  WATCHDOG_MS,
} from "./intervals";
import type { AuditJournal } from "./journal";
import { type AuditMemory, type HourlyLook, type Memory, NOTHING, type Remembered } from "./memory";
import { composePage, type Page } from "./page";
import type { Alerts, RotationFunction } from "./ports";
import { Use } from "./use";

export interface AuditDeps {
  readonly fleet: Fleet;
  readonly secrets: Pick<SecretStore, "readVersion">;
  readonly intents: Pick<IntentReader, "all">;
  readonly memory: AuditMemory;
  readonly journal: AuditJournal;
  readonly rotationFunction: RotationFunction;
  readonly alerts: Alerts;
  /** Throws the `Stop` `operator-key-missing` where there is none. */
  readonly connect: () => Promise<Directory>;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly budget: Budget;
  readonly log: Log;
}

type Directory = Pick<ControlPlane, "now" | "workspaceName" | "getInstance" | "checkAgentKey"> &
  InstanceDirectory;

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

export interface AuditReport {
  /** Secrets of the environment, all of which were looked at in the list. */
  readonly audited: number;
  /** Of these, looked at by value and at the Control Plane. */
  readonly checked: number;
  readonly findings: readonly Remembered[];
  /** Ids of the instances whose rotation was asked for. */
  readonly asked: readonly string[];
  readonly pages: readonly Page[];
  readonly oldestKeyAgeMs?: number;
  /** Of the keys that were replaced and may still be in use. */
  readonly leastGraceLeftMs?: number;
  /** Whether pages reach somebody: only then the heartbeat goes out. */
  readonly canPage: boolean;
}

/** Rotations asked for in one run: each costs Secrets Manager two of its 50 writes a second, and the Control Plane five calls. */
const ASKS = 50;
/** Calls of the Control Plane, which documents 1,000 a minute for each operator's key: rotations go first. */
export const CONTROL_PLANE_CALLS_PER_MINUTE = 240;
/** Pages of 100 secrets; Secrets Manager documents 100 calls a second. */
export const LISTS_PER_SECOND = 10;
/** Kept back from the checks: to heal, to page and to write down how far they came. */
const RESERVE_MS = 45_000;
const DAY_MS = 24 * 60 * 60_000;
/** A page that could not be sent is tried again in the next run, one that lasts is sent again after a day. */
const PAGED_AGAIN_MS = DAY_MS - WATCHDOG_MS / 2;
/** More are counted, and not told one from the other: a record of DynamoDB has 400 kB. */
const REMEMBERED = 1_000;
const TEXT_LENGTH = 200;

/** What only a look at the value and at the Control Plane shows: it stays found until the next such look. */
const DEEP: readonly FindingName[] = [
  "current-unreadable",
  "key-refused",
  "key-on-fuse",
  "wrong-instance",
  "instance-gone",
  "instance-inactive",
  "mapping-differs",
  "grace-cut-short",
  "old-key-still-accepted",
  "secrets-unreadable",
];

/**
 * One run, every 5 minutes: lists the fleet, looks at the intents, looks deeply at the keys whose turn it is and at those with
 * which something is the matter, asks for the rotations that are due, and pages. Writes no value and moves no label.
 */
export async function audit(deps: AuditDeps, settings: AuditSettings): Promise<AuditReport> {
  return new Run(deps, settings).run();
}

class Run {
  /** On the Control Plane's clock, as everything in intents and values is; on the machine's where it doesn't answer. */
  private now: number;
  private slot: number;
  private before: Memory = NOTHING;
  private hasMemory = true;
  private trouble: EnvironmentFacts["controlPlane"];
  private unreadable: string | undefined;
  private lastCallAt = 0;
  private canNote = true;
  private use: Use;
  private readonly heard: Finding[] = [];

  constructor(
    private readonly deps: AuditDeps,
    private readonly settings: AuditSettings,
  ) {
    this.now = deps.clock.now();
    this.slot = slotOf(this.now);
    this.use = this.recallUse();
  }

  async run(): Promise<AuditReport> {
    await this.recall();
    const controlPlane = await this.connect();
    const intents = await this.readIntents();
    const listed = await this.list();
    const shallow = await this.lookAtAll(listed, intents);
    const looked = await this.lookDeeply(shallow, controlPlane);
    const { checkedThrough } = looked;
    await this.noteProbes(looked.facts);
    const hourly = await this.hourly(controlPlane, listed, intents);
    const { facts, selfTest, unusable } = await this.selfTest(looked.facts, controlPlane);

    const findings = facts.flatMap((each) => this.findingsOf(each));
    const askedAt = await this.heal(facts, findings);
    const environment: EnvironmentFacts = {
      environment: this.settings.environment,
      orphans: hourly?.orphans ?? [],
      behindMs: this.trouble || !controlPlane ? 0 : Math.max(0, this.slot - checkedThrough) * WATCHDOG_MS,
      ...(this.trouble ? { controlPlane: this.trouble } : {}),
      ...(this.unreadable === undefined ? {} : { intentsUnreadable: this.unreadable }),
      ...(selfTest ? { selfTest } : {}),
      ...(unusable === undefined ? {} : { rotationFunctionUnusable: unusable }),
      ...(hourly?.mayBeInvoked === undefined ? {} : { mayBeInvoked: hourly.mayBeInvoked }),
      ...(hourly?.alertRouteBroken === undefined ? {} : { alertRouteBroken: hourly.alertRouteBroken }),
    };
    const all = [...environmentFindings(environment, this.now), ...this.heard, ...findings];
    const found = this.remember(all);
    const { pages, sent, canPage } = await this.page(found);
    await this.writeDown({
      checkedThrough,
      found: sent,
      askedAt: Object.fromEntries(askedAt),
      ...(selfTest ? { selfTest } : {}),
      ...(hourly ? { hourly } : {}),
      use: this.use.remembered(new Set(facts.map(({ id }) => id))),
    });

    const ages = facts.map((each) => this.now - keyIssuedAt(each));
    const graces = facts.flatMap((each) => graceEndsAt(each) ?? []).filter((end) => end > this.now);
    return {
      audited: listed.length,
      checked: facts.filter(({ deep }) => deep !== undefined).length,
      findings: sent,
      asked: facts.filter(({ secretArn }) => askedAt.get(secretArn) === this.now).map(({ id }) => id),
      pages,
      canPage: canPage && hourly?.alertRouteBroken === undefined,
      ...(ages.length > 0 ? { oldestKeyAgeMs: Math.max(...ages) } : {}),
      ...(graces.length > 0 ? { leastGraceLeftMs: Math.min(...graces) - this.now } : {}),
    };
  }

  // What the last run left, and what is there now

  private async recall(): Promise<void> {
    try {
      this.before = await this.deps.memory.read();
      this.use = this.recallUse();
    } catch (error) {
      this.hasMemory = false;
      this.unreadable = nameOf(error);
    }
  }

  private recallUse(): Use {
    return new Use(this.before.use, unusedNotedAfter(this.settings.thresholds));
  }

  private async readIntents(): Promise<ReadonlyMap<string, readonly IntentRecord[]>> {
    try {
      return await intentsBySecret(this.deps.intents);
    } catch (error) {
      this.unreadable = nameOf(error);
      return new Map();
    }
  }

  private async list(): Promise<ListedSecret[]> {
    const { fleet, sleep } = this.deps;
    const listed: ListedSecret[] = [];
    for await (const page of fleet.list(this.settings.nameStart, this.settings.nameEnd)) {
      listed.push(...page);
      await sleep(1_000 / LISTS_PER_SECOND);
    }
    return listed;
  }

  private async lookAtAll(
    listed: readonly ListedSecret[],
    intents: ReadonlyMap<string, readonly IntentRecord[]>,
  ): Promise<InstanceFacts[]> {
    const looks: InstanceFacts[] = [];
    for (const secret of listed) {
      const records = intents.get(secret.secretArn) ?? [];
      const askedAt = this.before.askedAt[secret.secretArn];
      const remembered = { askedAt, unused: this.use.of(instanceIdOf(secret)) };
      let look = shallowFacts(secret, records, remembered);
      if (look.pendingVersionId !== undefined || unspentIntent(look) !== undefined) {
        // The list may be minutes behind: whatever is to be acted upon is looked at as it is now.
        look = await lookAt(this.deps, await this.deps.fleet.describe(secret.secretArn), records, remembered);
      }
      looks.push(look);
    }
    return looks;
  }

  private async connect(): Promise<Directory | undefined> {
    try {
      const controlPlane = await this.deps.connect();
      // Whether the operator's key is accepted, and what time it is.
      await controlPlane.workspaceName();
      this.now = controlPlane.now();
      this.slot = slotOf(this.now);
      return controlPlane;
    } catch (error) {
      this.noteTrouble(error);
      return undefined;
    }
  }

  // Looks at values and at the Control Plane

  private async lookDeeply(
    shallow: readonly InstanceFacts[],
    controlPlane: Directory | undefined,
  ): Promise<{ facts: InstanceFacts[]; checkedThrough: number }> {
    const { budget, secrets } = this.deps;
    const from = firstSlotDue(this.before.checkedThrough, this.now);
    const due = shallow
      .map((look) => {
        const turn = this.turnOf(look);
        return { look, turn, slots: turn === "now" ? 0 : dueIn(look.secretName, turn, from) };
      })
      .filter(({ slots }) => from + slots <= this.slot)
      .sort((a, b) => a.slots - b.slots);
    const deep = new Map<string, InstanceFacts>();
    const asked = controlPlane && { secrets, controlPlane: this.paced(controlPlane), clock: controlPlane };
    let checkedThrough = this.slot;
    for (const { look, turn, slots } of due) {
      try {
        if (asked && budget.remainingMs() >= RESERVE_MS) {
          // What is made up for may have been read already.
          if (turn === "evening" && from + slots === this.slot) this.use.beforeTurn(look, asked.clock.now());
          else this.use.beforeAnotherRead(look.id, asked.clock.now());
          deep.set(look.secretArn, await lookDeeply(asked, look));
          continue;
        }
      } catch (error) {
        if (!isControlPlaneError(error)) {
          this.hear("secrets-unreadable", look.id, nameOf(error));
          continue;
        }
        this.noteTrouble(error);
      }
      // The next run goes on here.
      checkedThrough = from + slots - 1;
      break;
    }
    return { facts: shallow.map((look) => deep.get(look.secretArn) ?? look), checkedThrough };
  }

  /** When it is a key's turn; at once, before all others, where something is the matter with it. */
  private turnOf(look: InstanceFacts): Turn | "now" {
    const carried = this.carried(look);
    const askedAt = this.before.askedAt[look.secretArn] ?? 0;
    const isBeingHealed = carried.some(({ heals }) => heals) && this.now - askedAt < HOURLY_MS;
    if (needsValue(look) || isBeingHealed || this.hasPauseEnded(look)) return "now";
    const isHourly = isWatchedHourly(look, carried.length > 0 || look.askedAt !== undefined, this.now);
    return isHourly ? "hourly" : "evening";
  }

  /** What was found during a pause was left alone. */
  private hasPauseEnded(look: InstanceFacts): boolean {
    const wasPaused = this.before.found.some(
      ({ instance, name }) => instance === look.id && name === "paused",
    );
    return wasPaused && pauseOf(look, this.now) === undefined;
  }

  private carried({ id }: InstanceFacts): Remembered[] {
    return this.before.found.filter(({ instance, name }) => instance === id && DEEP.includes(name));
  }

  /** Calls of the Control Plane no faster than the auditor's share of its rate. */
  private paced(controlPlane: Directory): Directory {
    const wait = async () => {
      const { clock, sleep } = this.deps;
      const next = this.lastCallAt + 60_000 / CONTROL_PLANE_CALLS_PER_MINUTE;
      if (next > clock.now()) await sleep(next - clock.now());
      this.lastCallAt = clock.now();
    };
    return {
      ...controlPlane,
      getInstance: (id) => wait().then(() => controlPlane.getInstance(id)),
      checkAgentKey: (key) => wait().then(() => controlPlane.checkAgentKey(key)),
      instances: async function* () {
        let count = 0;
        for await (const instance of controlPlane.instances()) {
          if (count++ % PAGE_SIZE === 0) await wait();
          yield instance;
        }
      },
    };
  }

  private findingsOf(facts: InstanceFacts): Finding[] {
    const fresh = findingsOf(facts, this.settings.thresholds, this.now);
    if (facts.deep) return fresh;
    // Its heals were decided when it was found; a pause that began since ends them.
    const isPaused = pauseOf(facts, this.now) !== undefined;
    const isHeard = (name: FindingName) =>
      this.heard.some((each) => each.name === name && each.instance === facts.id);
    const kept = this.carried(facts)
      .filter(({ name }) => !isHeard(name) && !fresh.some((each) => each.name === name))
      .map(({ since: _, pagedAt: __, ...found }) => found);
    return [...fresh, ...kept.map((each) => ({ ...each, heals: each.heals && !isPaused }))];
  }

  // What concerns the environment

  /** Once an hour: do pages arrive, may the function be invoked, is anybody orphaned. */
  private async hourly(
    controlPlane: Directory | undefined,
    listed: readonly ListedSecret[],
    intents: ReadonlyMap<string, readonly IntentRecord[]>,
  ): Promise<HourlyLook | undefined> {
    const before = this.before.hourly;
    const isDueNow =
      before === undefined || this.slot - before.slot >= HOURLY_MS / WATCHDOG_MS || before.slot > this.slot;
    if (!isDueNow || this.deps.budget.remainingMs() < RESERVE_MS) return before;
    const [alertRouteBroken, mayBeInvoked] = [
      await this.deps.alerts.brokenRoute().catch((error) => nameOf(error)),
      await this.deps.rotationFunction.mayBeInvoked().catch(() => undefined),
    ];
    const orphans =
      controlPlane && !this.trouble
        ? await this.orphans(controlPlane, listed, intents, before)
        : (before?.orphans ?? []);
    return {
      slot: this.slot,
      orphans,
      ...(alertRouteBroken === undefined ? {} : { alertRouteBroken }),
      ...(mayBeInvoked === undefined ? {} : { mayBeInvoked }),
    };
  }

  /** Instances that carry this environment's marker, and whose secret is gone. Each unknown one is asked about once a day. */
  private async orphans(
    controlPlane: Directory,
    listed: readonly ListedSecret[],
    intents: ReadonlyMap<string, readonly IntentRecord[]>,
    before: HourlyLook | undefined,
  ): Promise<HourlyLook["orphans"]> {
    const { nameStart, nameEnd, location } = this.settings;
    const names = new Set(listed.map(({ secretName }) => secretName));
    const known = new Set(
      listed.flatMap(({ secretArn }) =>
        (intents.get(secretArn) ?? []).map(({ agentInstanceId }) => agentInstanceId),
      ),
    );
    const from = firstSlotDue(before?.slot, this.now);
    const kept = new Map((before?.orphans ?? []).map((orphan) => [orphan.agentInstanceId, orphan]));
    const orphans: HourlyLook["orphans"][number][] = [];
    const asked = this.paced(controlPlane);
    try {
      for await (const { id } of asked.instances()) {
        if (known.has(id)) continue;
        const last = kept.get(id);
        if (before && !last && !isDue(id, "daily", from, this.slot)) continue;
        if (this.deps.budget.remainingMs() < RESERVE_MS) {
          if (last) orphans.push(last);
          continue;
        }
        const owner = ownerOf((await asked.getInstance(id))?.description);
        const isHere = owner?.accountId === location.accountId && owner.region === location.region;
        if (!isHere || !owner.secretName.startsWith(nameStart) || !owner.secretName.endsWith(nameEnd))
          continue;
        if (!names.has(owner.secretName)) orphans.push({ agentInstanceId: id, secretName: owner.secretName });
      }
    } catch (error) {
      this.noteTrouble(error);
      return before?.orphans ?? [];
    }
    return orphans;
  }

  /** Once a day, upon another secret each day, at night after its turn; by the hour while it fails. */
  private async selfTest(
    facts: InstanceFacts[],
    controlPlane: Directory | undefined,
  ): Promise<{ facts: InstanceFacts[]; selfTest?: Memory["selfTest"]; unusable?: string }> {
    const before = this.before.selfTest;
    const often = before && before.failures.length > 0 ? HOURLY_MS : KEY_CHECK_MS;
    const since = this.now - (before?.at ?? 0);
    const isDueNow = since >= often - WATCHDOG_MS / 2 || (isNight(this.now) && since > HOURLY_MS);
    const hasTime = this.deps.budget.remainingMs() >= RESERVE_MS;
    const chosen = isDueNow && hasTime ? this.ableToRotate(facts) : undefined;
    if (!chosen) {
      const unusable = this.before.found.find(({ name }) => name === "rotation-function-unusable")?.text;
      return {
        facts,
        ...(before ? { selfTest: before } : {}),
        ...(unusable === undefined ? {} : { unusable }),
      };
    }
    try {
      this.use.beforeAnotherRead(chosen.id, this.now);
      const failures = await this.deps.rotationFunction.selfTest(chosen.secretArn);
      this.deps.log.info("self-test", { secret: chosen.secretArn, failures });
      const ofFunction = failures.filter((each) => !OF_THE_INSTANCE.includes(each));
      const selfTest = { at: this.now, failures: ofFunction };
      if (ofFunction.length === failures.length || !controlPlane) return { facts, selfTest };
      // The function is able; the instance is what has to be looked at.
      const look = await lookDeeply(
        { ...this.deps, controlPlane: this.paced(controlPlane), clock: controlPlane },
        chosen,
      );
      return { facts: facts.map((each) => (each === chosen ? look : each)), selfTest };
    } catch (error) {
      if (isControlPlaneError(error)) {
        this.noteTrouble(error);
        return { facts, ...(before ? { selfTest: before } : {}) };
      }
      const unusable = `${nameOf(error)}: ${error instanceof Error ? error.message.slice(0, TEXT_LENGTH) : ""}`;
      // Asked again in an hour.
      return { facts, selfTest: { at: this.now - KEY_CHECK_MS + HOURLY_MS, failures: [] }, unusable };
    }
  }

  /** Another secret each day, of those with which nothing is the matter. */
  private ableToRotate(facts: readonly InstanceFacts[]): InstanceFacts | undefined {
    const able = facts.filter(
      (each) =>
        each.currentVersionId !== undefined &&
        each.pendingVersionId === undefined &&
        each.rotation.enabled &&
        this.findingsOf(each).every(({ name }) => OF_USE.includes(name)),
    );
    return able[Math.floor(this.now / DAY_MS) % Math.max(1, able.length)];
  }

  private noteTrouble(error: unknown): void {
    const isKey = isControlPlaneError(error, "unauthorized", "forbidden");
    const trouble = isKey
      ? "operator-key-refused"
      : error instanceof Stop && error.state === "operator-key-missing"
        ? "operator-key-missing"
        : "control-plane-unavailable";
    if (!isControlPlaneError(error) && !(error instanceof Stop)) {
      this.hear("secrets-unreadable", this.settings.environment, nameOf(error));
      return;
    }
    const since = this.before.found.find(({ name }) => name === trouble)?.since ?? this.now;
    this.trouble ??= { trouble, since, detail: error.message.slice(0, TEXT_LENGTH) };
  }

  private hear(name: FindingName, instance: string, text: string): void {
    const found = { name, instance, severity: "page", heals: false, text } as const;
    if (!this.heard.some((each) => each.name === name && each.instance === instance)) this.heard.push(found);
  }

  // What is done about it

  /** Asks Secrets Manager, which has the rotation function decide: one writer, one decision. */
  private async heal(
    facts: readonly InstanceFacts[],
    findings: readonly Finding[],
  ): Promise<ReadonlyMap<string, number>> {
    const { fleet, log } = this.deps;
    const asked = new Map<string, number>();
    const byInstance = new Map<string, Finding[]>();
    for (const each of findings)
      byInstance.set(each.instance, [...(byInstance.get(each.instance) ?? []), each]);
    let asks = 0;
    for (const each of facts) {
      const own = byInstance.get(each.id) ?? [];
      if (!own.some(({ heals }) => heals)) continue;
      if (each.askedAt !== undefined) asked.set(each.secretArn, each.askedAt);
      if (!isAskDue(each, own, this.settings.thresholds, this.now) || asks >= ASKS) {
        const refused = this.before.found.find(
          ({ name, instance }) => name === "heal-refused" && instance === each.id,
        );
        if (refused) this.hear("heal-refused", each.id, refused.text);
        continue;
      }
      asks++;
      const because = own.filter(({ heals }) => heals).map(({ name }) => name);
      if (!this.settings.heals) {
        log.info("would ask for a rotation", { instance: each.id, secret: each.secretArn, because });
        continue;
      }
      let answer: string;
      try {
        answer = await fleet.rotate(each.secretArn);
        log.info("asked for a rotation", { instance: each.id, secret: each.secretArn, because, answer });
      } catch (error) {
        answer = nameOf(error);
        log.error("Secrets Manager refuses the rotation", { instance: each.id, because, reason: answer });
        this.hear("heal-refused", each.id, answer);
      }
      await this.note((journal) => journal.asked(each.secretArn, { at: this.now, because, answer }));
      asked.set(each.secretArn, this.now);
    }
    return asked;
  }

  // What is kept for the history

  /** How long the key before really lives; the refusals of an instance that is inactive say nothing of it. */
  private async noteProbes(facts: readonly InstanceFacts[]): Promise<void> {
    for (const { secretArn, currentVersionId: versionId, deep } of facts) {
      const promisedUntil = deep?.key?.previousKeyExpiresAt;
      if (!deep?.previousKey || !deep.instance?.isActive) continue;
      if (versionId === undefined || promisedUntil === undefined) continue;
      const probe = { ...deep.previousKey, versionId, promisedUntil, at: deep.lookedAt };
      await this.note((journal) => journal.probed(secretArn, probe));
    }
  }

  /** What can't be written is in the log, and for this run nothing more is tried. */
  private async note(write: (journal: AuditJournal) => Promise<void>): Promise<void> {
    if (!this.canNote) return;
    try {
      await write(this.deps.journal);
    } catch (error) {
      this.canNote = false;
      this.deps.log.error("the journal could not be written", { reason: nameOf(error) });
    }
  }

  private remember(findings: readonly Finding[]): Remembered[] {
    const before = new Map(this.before.found.map((each) => [keyOf(each), each]));
    const byUrgency = [...findings].sort((a, b) => URGENCY[a.severity] - URGENCY[b.severity]);
    return byUrgency.map((each) => {
      const last = before.get(keyOf(each));
      if (last === undefined || last.severity !== each.severity) {
        this.deps.log.warn("found", { ...each });
      }
      return {
        ...each,
        text: each.text.slice(0, TEXT_LENGTH),
        since: last?.since ?? this.now,
        ...(last?.pagedAt === undefined || each.severity !== "page" ? {} : { pagedAt: last.pagedAt }),
      };
    });
  }

  /** One page for each name: where one of its instances is new, and again after a day; and one when it has ended. */
  private async page(
    found: readonly Remembered[],
  ): Promise<{ pages: Page[]; sent: Remembered[]; canPage: boolean }> {
    const paging = found.filter(({ severity }) => severity === "page");
    const lasting = new Set(paging.map(keyOf));
    const ended = this.before.found.filter((each) => each.pagedAt !== undefined && !lasting.has(keyOf(each)));
    const pages: Page[] = [];
    const pagedNow = new Set<string>();
    let canPage = true;
    const send = async (page: Page) => {
      const { environment, runbookUrl, location } = this.settings;
      try {
        await this.deps.alerts.publish(
          composePage(page, { environment, runbookUrl, region: location.region }),
        );
        pages.push(page);
        return true;
      } catch (error) {
        this.deps.log.error("a page could not be sent", { name: page.name, reason: nameOf(error) });
        canPage = false;
        return false;
      }
    };
    for (const [name, findings] of byName(paging)) {
      if (!this.isPageDue(findings)) continue;
      if (await send({ name, state: "found", findings }))
        for (const each of findings) pagedNow.add(keyOf(each));
    }
    const unsent: Remembered[] = [];
    for (const [name, findings] of byName(ended)) {
      // The cause may be over while the way to tell is not: then it is told later.
      if (!(await send({ name, state: "resolved", findings }))) unsent.push(...findings);
    }
    const sent = found.map((each) => (pagedNow.has(keyOf(each)) ? { ...each, pagedAt: this.now } : each));
    if (!canPage && !found.some(({ name }) => name === "alert-route-broken")) {
      const since = this.before.found.find(({ name }) => name === "alert-route-broken")?.since;
      sent.push({ ...routeBroken(this.settings.environment), since: since ?? this.now });
    }
    return { pages, sent, canPage };
  }

  private isPageDue(findings: readonly Remembered[]): boolean {
    // Nobody remembers whether it was sent: then by the hour.
    if (!this.hasMemory) return this.slot % (HOURLY_MS / WATCHDOG_MS) === 0;
    const isCrowded = this.before.found.length >= REMEMBERED;
    const last = Math.max(0, ...findings.map(({ pagedAt = 0 }) => pagedAt));
    return (
      this.now - last >= PAGED_AGAIN_MS ||
      (!isCrowded && findings.some(({ pagedAt }) => pagedAt === undefined))
    );
  }

  private async writeDown(memory: Memory): Promise<void> {
    try {
      await this.deps.memory.write({ ...memory, found: memory.found.slice(0, REMEMBERED) });
    } catch (error) {
      this.deps.log.error("the audit could not be written down", { reason: nameOf(error) });
    }
  }
}

const URGENCY = { page: 0, heal: 1, note: 2 };

/** Tests of the rotation function that fail where an instance is at fault. */
const OF_THE_INSTANCE: readonly string[] = ["instance", "agent-key"] satisfies SelfTest[];

/** Of a key that can rotate all the same. */
const OF_USE: readonly FindingName[] = ["key-unused", "key-used-again"];

const keyOf = ({ name, instance }: Finding) => `${name} ${instance}`;

function byName(findings: readonly Remembered[]): Map<FindingName, Remembered[]> {
  const groups = new Map<FindingName, Remembered[]>();
  for (const each of findings) groups.set(each.name, [...(groups.get(each.name) ?? []), each]);
  return groups;
}

function routeBroken(environment: string): Finding {
  return {
    name: "alert-route-broken",
    instance: environment,
    severity: "page",
    heals: false,
    text: "publishing fails",
  };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "unknown";
}
