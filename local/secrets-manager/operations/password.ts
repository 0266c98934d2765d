import { randomInt } from "node:crypto";
import { invalidParameter } from "../errors";
import { flag, type Input, integer, text } from "../input";

/*
 * GetRandomPassword. Needs no state: randomness is the machine's own.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html
 */

const DEFAULT_LENGTH = 32;
const MAX_LENGTH = 4_096;

const CLASSES = [
  { excludedBy: "ExcludeLowercase", characters: "abcdefghijklmnopqrstuvwxyz" },
  { excludedBy: "ExcludeUppercase", characters: "ABCDEFGHIJKLMNOPQRSTUVWXYZ" },
  { excludedBy: "ExcludeNumbers", characters: "0123456789" },
  { excludedBy: "ExcludePunctuation", characters: "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" },
] as const;

const drawn = (characters: string) => characters.charAt(randomInt(characters.length));

export function getRandomPassword(_store: unknown, input: Input): object {
  const length = integer(input, "PasswordLength", { min: 1, max: MAX_LENGTH }) ?? DEFAULT_LENGTH;
  const excluded = text(input, "ExcludeCharacters", 0, MAX_LENGTH) ?? "";
  const allowed = (characters: string) =>
    [...characters].filter((character) => !excluded.includes(character)).join("");

  const classes = CLASSES.filter(({ excludedBy }) => flag(input, excludedBy) !== true)
    .map(({ characters }) => allowed(characters))
    .filter((characters) => characters !== "");
  const all = [...classes, flag(input, "IncludeSpace") ? allowed(" ") : ""].join("");
  if (all === "") throw invalidParameter("No characters are left to make the password of.");

  const required = (flag(input, "RequireEachIncludedType") ?? true) ? classes : [];
  if (length < required.length) {
    throw invalidParameter("Password length is too short based on the required types.");
  }
  const password = Array.from({ length }, (_, index) => drawn(required[index] ?? all));
  return { RandomPassword: shuffled(password).join("") };
}

/** So that no place is always of one class. */
function shuffled(characters: readonly string[]): string[] {
  const left = [...characters];
  return characters.flatMap(() => left.splice(randomInt(left.length), 1));
}
