import { invalidParameter } from "../errors";
import { type Input, list, oneOf, structure, text } from "../input";
import type { Secret } from "../model";

/*
 * The filters of ListSecrets and BatchGetSecretValue.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/manage_search-secret.html
 */

const MAX_FILTERS = 10;
const MAX_VALUES = 10;
const KEYS = [
  "description",
  "name",
  "tag-key",
  "tag-value",
  "primary-region",
  "owning-service",
  "all",
] as const;
type Key = (typeof KEYS)[number];

/** Negated or not, with the signs that a name, a tag or an ARN can have: no other letters, no wildcards. */
const VALUE = /^!?[a-zA-Z0-9 :_@/+=.\-!]*$/;

export type Predicate = (secret: Secret) => boolean;

/** Throws what AWS answers if a filter is not one. Without any, every secret is found. */
export function filtersOf(input: Input): Predicate {
  const given = list(input, "Filters") ?? [];
  if (given.length > MAX_FILTERS) {
    throw invalidParameter(`Filters can have at most ${MAX_FILTERS} members, got: ${given.length}.`);
  }
  const filters = given.map(filterOf);
  return (secret) => filters.every((filter) => filter(secret));
}

/** The values of one filter are alternatives; `!` in front of one negates it. */
function filterOf(given: unknown, index: number): Predicate {
  const filter = structure(given, "Filters");
  const place = `filters.${index + 1}.member`;
  if (text(filter, "Key", 0, 64) === null) throw invalidParameter("Invalid filter key");
  const key = oneOf(filter, "Key", KEYS, `${place}.key`);
  const values = list(filter, "Values") ?? [];
  if (values.length < 1) throw invalidParameter(`Invalid filter values for key: ${key}`);
  if (values.length > MAX_VALUES) {
    throw invalidParameter(`Filters can have at most ${MAX_VALUES} values each, got: ${values.length}.`);
  }
  const terms = values.map((value, at) =>
    text({ Values: value }, "Values", 0, 512, { pattern: VALUE, place: `${place}.values.${at + 1}.member` }),
  );
  return (secret) =>
    terms.some((term) =>
      term?.startsWith("!") ? !matches(key, term.slice(1), secret) : matches(key, term ?? "", secret),
    );
}

/** Names and tags match from their beginning, everything else by words. */
function matches(key: Key, value: string, secret: Secret): boolean {
  const { name, description } = secret;
  const tags = secret.tags ?? [];
  switch (key) {
    case "name":
      return name.startsWith(value);
    case "tag-key":
      return tags.some(({ Key }) => Key.startsWith(value));
    case "tag-value":
      return tags.some(({ Value }) => Value.startsWith(value));
    case "description":
      return hasWords([description], value);
    case "all":
      return hasWords([name, description, ...tags.flatMap(({ Key, Value }) => [Key, Value])], value);
    default:
      // The secrets here have neither replicas nor an owning service.
      return false;
  }
}

/** Whether each word of a value is the beginning of a word of the texts. A value without a word matches nothing. */
function hasWords(texts: readonly string[], value: string): boolean {
  const present = texts.flatMap(wordsOf);
  const wanted = wordsOf(value);
  return wanted.length > 0 && wanted.every((word) => present.some((each) => each.startsWith(word)));
}

/**
 * A text's words in lower case. They end at signs, before a number, and before a capital that small letters follow:
 * `uat/COMPANYthings` is `uat`, `compan`, `ythings`.
 */
function wordsOf(text: string): string[] {
  const words = text.match(/\d+[a-z]*|[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g) ?? [];
  return words.map((word) => word.toLowerCase());
}
