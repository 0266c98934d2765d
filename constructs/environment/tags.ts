import * as v from "valibot";
import { SECRET_TAGS } from "../../core/contract";
import { isRecord, message, type Schema, text } from "./schema";

// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Tag.html
const MAX_TAG_KEY_LENGTH = 128;
export const MAX_TAG_VALUE_LENGTH = 256;
const MAX_TAGS = 50;
const MAPPING_TAGS = Object.keys(SECRET_TAGS).length;
const MAX_OWN_TAGS = MAX_TAGS - MAPPING_TAGS;

export const TAG_CHARACTERS = "letters, digits, spaces and _ . : / = + - @";
const isTagText = (value: string) => /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(value);

/** Whether a text can be the value of a tag. */
export const isTagValue = (value: unknown): value is string =>
  typeof value === "string" && value.length <= MAX_TAG_VALUE_LENGTH && isTagText(value);

const isTagKey = (key: string) =>
  key !== "" && key.length <= MAX_TAG_KEY_LENGTH && isTagText(key) && !/^(aws|valmi):/i.test(key);

/** What is recorded in the secret's tags. */
export const tagged = text(
  `must be 1–${MAX_TAG_VALUE_LENGTH} ${TAG_CHARACTERS}, without a space at its ends, since it is recorded in a tag`,
  (value) => value !== "" && isTagValue(value) && value.trim() === value,
  "leave it out if there is none, or write it in these characters",
);

const ANOTHER = "choose another tag";

/** The user's own tags. */
export const tags: Schema = v.pipe(
  v.custom<Record<string, unknown>>(isRecord, message("must be an object of texts", "write it as { … }")),
  v.intersect([
    v.record(
      v.custom<string>(
        (key) => isTagKey(String(key)),
        message(
          `must be 1–${MAX_TAG_KEY_LENGTH} ${TAG_CHARACTERS}, and begin with neither aws: nor valmi:`,
          ANOTHER,
        ),
      ),
      v.custom(isTagValue, message(`must hold up to ${MAX_TAG_VALUE_LENGTH} ${TAG_CHARACTERS}`, ANOTHER)),
    ),
    v.pipe(
      v.record(v.string(), v.unknown()),
      v.maxEntries(MAX_OWN_TAGS, ({ received }) =>
        message(
          `must be at most ${MAX_OWN_TAGS} tags, as AWS allows ${MAX_TAGS} and a secret has up to ${MAPPING_TAGS} of ours`,
          "remove some",
          received,
        ),
      ),
    ),
  ]),
);
