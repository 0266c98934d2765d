import { invalidParameter, invalidRequest, SecretsManagerError, validation } from "./errors";
import type { SecretValue, Tag } from "./model";

/*
 * Reading of requests. Lengths, patterns and enumerations are those of the service's API model (botocore,
 * secretsmanager 2017-10-17). Whatever is kept of a request is copied here.
 */

export type Input = Readonly<Record<string, unknown>>;

const MAX_VALUE_BYTES = 65_536;
const MAX_TAGS = 50;

const wireName = (field: string) => field.charAt(0).toLowerCase() + field.slice(1);

/** @param place how AWS names the field. @default - the field, with a small first letter */
function constraint(
  field: string,
  value: unknown,
  rule: string,
  place = wireName(field),
): SecretsManagerError {
  const got = value === undefined ? "" : ` '${String(value).slice(0, 100)}'`;
  return validation(
    `1 validation error detected: Value${got} at '${place}' failed to satisfy constraint: Member must ${rule}`,
  );
}

const wrongType = (field: string, type: string) =>
  new SecretsManagerError("SerializationException", `${field} must be ${type}.`);

/** A string between two lengths, and of a pattern if there is one; `null` if it isn't given. */
export function text(
  input: Input,
  field: string,
  min: number,
  max: number,
  { pattern, place }: { readonly pattern?: RegExp; readonly place?: string } = {},
): string | null {
  const value = input[field];
  if (value === undefined || value === null) return null;
  if (typeof value !== "string") throw wrongType(field, "a string");
  if (value.length < min)
    throw constraint(field, value, `have length greater than or equal to ${min}`, place);
  if (value.length > max) throw constraint(field, value, `have length less than or equal to ${max}`, place);
  if (pattern?.test(value) === false)
    throw constraint(field, value, `satisfy regular expression pattern: ${pattern.source}`, place);
  return value;
}

/** One of a few texts, which has to be given. */
export function oneOf<T extends string>(
  input: Input,
  field: string,
  allowed: readonly T[],
  place?: string,
): T {
  const value = requiredText(input, field, 1, 64);
  const found = allowed.find((each) => each === value);
  if (found === undefined)
    throw constraint(field, value, `satisfy enum value set: [${allowed.join(", ")}]`, place);
  return found;
}

export function requiredText(input: Input, field: string, min: number, max: number): string {
  const value = text(input, field, min, max);
  if (value === null) throw constraint(field, undefined, "not be null");
  return value;
}

export function flag(input: Input, field: string): boolean | null {
  const value = input[field];
  if (value === undefined || value === null) return null;
  if (typeof value !== "boolean") throw wrongType(field, "a boolean");
  return value;
}

/** An integer, within the bounds if there are any; `null` if it isn't given. */
export function integer(
  input: Input,
  field: string,
  { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = {},
): number | null {
  const value = input[field];
  if (value === undefined || value === null) return null;
  if (typeof value !== "number" || !Number.isInteger(value)) throw wrongType(field, "an integer");
  if (value < min) throw constraint(field, value, `have value greater than or equal to ${min}`);
  if (value > max) throw constraint(field, value, `have value less than or equal to ${max}`);
  return value;
}

export function list(input: Input, field: string): readonly unknown[] | null {
  const value = input[field];
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value)) throw wrongType(field, "a list");
  return value;
}

export function structure(value: unknown, field: string): Input {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrongType(field, "a structure");
  return value as Input;
}

/** The name or ARN of a secret. What is neither is refused before the secret is looked up. */
export function secretId(input: Input): string {
  const id = requiredText(input, "SecretId", 1, 2_048);
  if (!id.startsWith("arn:")) checkName(id);
  return id;
}

export const pageSize = (input: Input, max: number): number =>
  integer(input, "MaxResults", { min: 1, max }) ?? max;

/** SDKs fill the token in; a call without one is refused before the secret is looked up. */
export function clientRequestToken(
  input: Input,
  missing: (message: string) => SecretsManagerError = invalidRequest,
): string {
  const token = input.ClientRequestToken;
  if (token === undefined || token === null) {
    throw missing("You must provide a ClientRequestToken value. We recommend a UUID-type value.");
  }
  if (typeof token !== "string") throw wrongType("ClientRequestToken", "a string");
  if (token.length < 32 || token.length > 64) {
    throw invalidParameter("ClientRequestToken must be 32-64 characters long.");
  }
  return token;
}

export function secretName(input: Input): string {
  const name = requiredText(input, "Name", 1, 512);
  checkName(name);
  return name;
}

function checkName(name: string): void {
  if (/^[A-Za-z0-9/_+=.@!-]+$/.test(name)) return;
  throw validation(
    "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
  );
}

/** The value of a request; `null` if it has none. */
export function secretValue(input: Input): SecretValue | null {
  const given = (["SecretString", "SecretBinary"] as const).filter(
    (field) => (input[field] ?? null) !== null,
  );
  if (given.length > 1) {
    throw invalidParameter(
      "You can't specify both a binary secret value and a string secret value in the same secret.",
    );
  }
  const field = given[0];
  if (field === undefined) return null;
  const data = input[field];
  if (typeof data !== "string")
    throw wrongType(field, field === "SecretBinary" ? "a base64 string" : "a string");
  const kind = field === "SecretString" ? "string" : "binary";
  const bytes = byteLength(field, data);
  // The value itself stays out of the text: an error may be logged.
  if (bytes < 1) throw constraint(field, undefined, "have length greater than or equal to 1");
  if (bytes > MAX_VALUE_BYTES) {
    throw constraint(field, undefined, `have length less than or equal to ${MAX_VALUE_BYTES}`);
  }
  return { kind, data };
}

function byteLength(field: "SecretString" | "SecretBinary", data: string): number {
  if (field === "SecretString") return Buffer.byteLength(data);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(data)) throw wrongType(field, "a base64 string");
  return Buffer.byteLength(data, "base64");
}

/** The staging labels of a request without repetitions; `null` if it names none. */
export function versionStages(input: Input): readonly string[] | null {
  const labels = list(input, "VersionStages");
  if (labels === null) return null;
  if (labels.length < 1) throw constraint("VersionStages", "[]", "have length greater than or equal to 1");
  if (labels.length > 20) throw constraint("VersionStages", labels, "have length less than or equal to 20");
  return [...new Set(labels.map((label) => requiredText({ VersionStage: label }, "VersionStage", 1, 256)))];
}

/** Tags as they are kept, the first spelling of each key once. */
export function tags(given: readonly unknown[], present: readonly Tag[]): readonly Tag[] {
  const merged = new Map(present.map((tag) => [tag.Key, tag]));
  const keys = new Set<string>();
  for (const each of given) {
    const tag = structure(each, "Tags");
    const Key = requiredText(tag, "Key", 1, 128);
    const Value = text(tag, "Value", 0, 256) ?? "";
    if (keys.has(Key)) throw invalidParameter(`Tags must not repeat a key, got: ${Key}.`);
    keys.add(Key);
    checkTag(Key, Value);
    merged.set(Key, { Key, Value });
  }
  if (merged.size > MAX_TAGS) {
    throw invalidParameter(`A secret can have at most ${MAX_TAGS} tags, got: ${merged.size}.`);
  }
  return [...merged.values()];
}

/** https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html */
function checkTag(key: string, value: string): void {
  if (key.toLowerCase().startsWith("aws:")) {
    throw invalidParameter(`Tag keys must not start with aws:, got: ${key}.`);
  }
  for (const part of [key, value]) {
    if (!/^[\p{L}\p{N}\p{Zs}_.:/=+\-@]*$/u.test(part)) {
      throw invalidParameter(`Tags can contain letters, numbers, spaces and _ . : / = + - @, got: ${part}.`);
    }
  }
}

export function tagKeys(input: Input): ReadonlySet<string> {
  const keys = list(input, "TagKeys");
  if (keys === null) throw constraint("TagKeys", undefined, "not be null");
  return new Set(keys.map((key) => requiredText({ TagKey: key }, "TagKey", 1, 128)));
}
