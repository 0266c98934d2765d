import { randomInt, randomUUID } from "node:crypto";

/**
 * Where version ids, tokens and ARN suffixes come from. `drawn` counts the ids drawn before and is part of the state's
 * snapshot: a source that depends on nothing else gives a restored state the same ids again.
 */
export interface IdSource {
  uuid(drawn: number): string;
  /** The six characters that end a secret's ARN. */
  arnSuffix(drawn: number): string;
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

export const randomIds: IdSource = {
  uuid: () => randomUUID(),
  arnSuffix: () => Array.from({ length: 6 }, () => LETTERS[randomInt(LETTERS.length)]).join(""),
};

/** Numbered ids, for tests and models. */
export const countedIds: IdSource = {
  uuid: (drawn) => `00000000-0000-4000-8000-${drawn.toString(16).padStart(12, "0")}`,
  arnSuffix: (drawn) => drawn.toString(36).padStart(6, "0"),
};
