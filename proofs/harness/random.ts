import { createHash } from "node:crypto";

/**
 * A seeded source of random numbers (sfc32): the same seed gives the same numbers on every machine. What a seed names
 * is its own stream, so that drawing from one never changes another.
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter: number;

  constructor(seed: string) {
    const digest = createHash("sha256").update(seed).digest();
    this.a = digest.readInt32LE(0);
    this.b = digest.readInt32LE(4);
    this.c = digest.readInt32LE(8);
    this.counter = digest.readInt32LE(12);
  }

  /** From 0 to below 1. */
  next(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum;
    return (sum >>> 0) / 4_294_967_296;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  /** Each order of magnitude as likely as another: for durations, from milliseconds to days. */
  magnitude(least: number, most: number): number {
    return least * (most / least) ** this.next();
  }

  /** The time until the next of events that come at random, `mean` apart on average. */
  wait(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }
}
