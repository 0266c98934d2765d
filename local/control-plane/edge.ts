import type { Clock } from "../../core/clock";
import { SECOND } from "../clock";

/** A cache in front of one call: what was answered for a key is answered again without asking, for a while. */
export class Edge<T> {
  private readonly answers = new Map<string, { readonly answer: T; readonly until: number }>();

  constructor(private readonly clock: Clock) {}

  /** Answers by `ask`, which throws if there is nothing to be cached. */
  answer(key: string, cacheSeconds: number, ask: () => T): T {
    const now = this.clock.now();
    const cached = this.answers.get(key);
    if (cached && now < cached.until) return cached.answer;
    const answer = ask();
    if (cacheSeconds > 0) this.answers.set(key, { answer, until: now + cacheSeconds * SECOND });
    return answer;
  }
}
