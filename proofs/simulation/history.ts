import type { World } from "../explorer/world";
import type { Strike } from "./faults";
import type { Service } from "./weather";

/** By whom a key was minted. */
export type Minter = "provisioning" | "rotation" | "hand";

export interface KeyLife {
  readonly mintedAt: number;
  /** `null`: accepted to this day. */
  readonly diesAt: number | null;
  readonly by: Minter;
  /** Whether it was ever a version's value. */
  readonly isStored: boolean;
}

/** A span in which one key stood under AWSCURRENT; `key` is its number in the order of minting. */
export interface CurrentSpan {
  readonly key: number;
  readonly from: number;
  until: number;
}

/** A span in which AWSPENDING stood on a version that is not AWSCURRENT's. */
export interface PendingSpan {
  readonly from: number;
  until: number;
}

export interface Struck {
  readonly at: number;
  readonly strike: Strike;
  /** The service whose outage it was part of. */
  readonly outageOf?: Service;
  /** What it struck. */
  readonly label: string;
}

/**
 * A span in which something was under way, or not as it should be: a rotation, or a key under AWSCURRENT that is not the
 * newest one. Whatever goes wrong, it is the doing of a fault of the same episode.
 */
export interface Episode {
  readonly from: number;
  until: number;
}

/** What became of one agent's keys: enough to judge it, to count its consumers' failures and to draw it. */
export interface History {
  readonly from: number;
  /** End of the simulated years; what was under way then was followed to its end. */
  readonly until: number;
  readonly keys: readonly KeyLife[];
  readonly current: readonly CurrentSpan[];
  readonly pending: readonly PendingSpan[];
  readonly episodes: readonly Episode[];
  readonly struck: readonly Struck[];
  readonly hasConverged: boolean;
  readonly deploys: { readonly done: number; readonly failed: number };
  /** Mints that intents allowed, and those of them whose key was promoted. */
  readonly intents: { readonly mints: number; readonly promoted: number };
  /** The code's own crashes. */
  readonly crashes: readonly string[];
}

/** Watches one agent's world, and writes its history. To be called after every change. */
export class Chronicle {
  readonly current: CurrentSpan[] = [];
  readonly pending: PendingSpan[] = [];
  readonly episodes: Episode[] = [];
  readonly struck: Struck[] = [];
  private readonly minters: Minter[] = [];
  private readonly stored = new Set<string>();
  private secret: unknown;
  private currentKey: string | undefined;
  private hasUnfinished = false;
  private isOpen = false;

  constructor(private readonly world: World) {}

  /** Whether labels and keys are as they are when nothing is under way. */
  get isTidy(): boolean {
    const newest = this.keys().at(-1)?.value;
    return !this.hasUnfinished && newest !== undefined && this.currentKey === newest;
  }

  keys() {
    return this.world.controlPlane.allInstances()[0]?.keys ?? [];
  }

  strike(struck: Omit<Struck, "at">): void {
    this.struck.push({ at: this.world.clock.now(), ...struck });
  }

  /** The newest key is somebody's who refreshed by hand. */
  mintedByHand(): void {
    this.minters[this.keys().length - 1] = "hand";
  }

  /** @param isQuiet whether no attempt and no late call is under way */
  look(isQuiet: boolean): void {
    this.lookAtKeys();
    this.lookAtSecret();
    const now = this.world.clock.now();
    const isSettled = isQuiet && this.isTidy;
    if (isSettled === this.isOpen) {
      if (isSettled) (this.episodes.at(-1) as Episode).until = now;
      else this.episodes.push({ from: now, until: Number.POSITIVE_INFINITY });
      this.isOpen = !isSettled;
    }
  }

  close(end: Pick<History, "from" | "until" | "hasConverged" | "deploys" | "intents" | "crashes">): History {
    const now = this.world.clock.now();
    for (const spans of [this.current, this.pending, this.episodes]) {
      const last = spans.at(-1);
      if (last && last.until > now) last.until = now;
    }
    const { current, pending, episodes, struck } = this;
    const keys = this.keys().map(({ value, mintedAt, diesAt }, number) => ({
      mintedAt,
      diesAt,
      by: this.minters[number] as Minter,
      isStored: this.stored.has(value),
    }));
    return { ...end, keys, current, pending, episodes, struck };
  }

  private lookAtKeys(): void {
    const count = this.keys().length;
    while (this.minters.length < count) {
      this.minters.push(this.current.length === 0 ? "provisioning" : "rotation");
    }
  }

  private lookAtSecret(): void {
    const { world } = this;
    const secret = world.secret();
    if (secret === this.secret) return;
    this.secret = secret;
    const now = world.clock.now();
    const versionId = world.versionWith("AWSCURRENT");
    const pendingId = world.versionWith("AWSPENDING");
    for (const id of [versionId, pendingId]) {
      const key = world.keyUnder(id);
      if (key !== undefined) this.stored.add(key);
    }
    const key = world.keyUnder(versionId);
    if (key !== undefined && key !== this.currentKey) {
      this.currentKey = key;
      const last = this.current.at(-1);
      if (last) last.until = now;
      const number = this.keys().findIndex(({ value }) => value === key);
      this.current.push({ key: number, from: now, until: Number.POSITIVE_INFINITY });
    }
    const hasUnfinished = pendingId !== undefined && pendingId !== versionId;
    if (hasUnfinished === this.hasUnfinished) return;
    this.hasUnfinished = hasUnfinished;
    if (hasUnfinished) this.pending.push({ from: now, until: Number.POSITIVE_INFINITY });
    else (this.pending.at(-1) as PendingSpan).until = now;
  }
}
