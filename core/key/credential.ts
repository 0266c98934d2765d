import { createHash } from "node:crypto";
import { inspect } from "node:util";

/** How many hexadecimal digits of a credential's SHA-256 name it in logs, tables and the history. */
const FINGERPRINT_DIGITS = 12;

/**
 * A secret text that cannot be printed, serialised or interpolated by accident: every implicit way of making it a
 * string gives its fingerprint. The text itself leaves only through `reveal`, at the edges that send or store it.
 */
abstract class Credential {
  readonly #text: string;
  /** The first 12 hexadecimal digits of the text's SHA-256: tells two credentials apart, gives neither away. */
  readonly fingerprint: string;

  /** Throws a `TypeError`, which does not hold the text, if the text is empty or has characters that no header can carry. */
  constructor(
    private readonly noun: string,
    text: string,
  ) {
    if (typeof text !== "string" || !/^[\x21-\x7e]+$/.test(text)) {
      throw new TypeError(`${noun}: must be visible ASCII without spaces, got ${describeText(text)}`);
    }
    this.#text = text;
    this.fingerprint = createHash("sha256").update(text).digest("hex").slice(0, FINGERPRINT_DIGITS);
  }

  /** The text itself. Call it only where it goes on the wire or into the secret's value. */
  reveal(): string {
    return this.#text;
  }

  equals(other: Credential): boolean {
    return this.#text === other.#text;
  }

  toString(): string {
    return `[${this.noun} ${this.fingerprint}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.toPrimitive](): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

function describeText(text: unknown): string {
  if (typeof text !== "string") return `a value of type ${typeof text}`;
  return text.length === 0 ? "an empty text" : `${text.length} characters, some of them not allowed`;
}

/** The credential of one agent instance, minted by the Control Plane. */
export class AgentKey extends Credential {
  /** For the compiler only, which would otherwise take one credential for the other. */
  declare readonly kind: "agent key";

  constructor(text: string) {
    super("agent key", text);
  }

  /**
   * Whether the key has the shape that Valmi documents (`agent_abc123xyz`). Only ever reported: the Control Plane
   * decides what is a key, and a freshly minted one of another shape is never thrown away.
   */
  get hasKnownFormat(): boolean {
    return /^(?:agent|secret)_[A-Za-z0-9_-]{6,}$/.test(this.reveal());
  }
}

/** The operator's credential for the Control Plane. */
export class ControlPlaneApiKey extends Credential {
  declare readonly kind: "Control Plane API key";

  constructor(text: string) {
    super("Control Plane API key", text);
  }
}
