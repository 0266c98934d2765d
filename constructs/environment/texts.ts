import * as v from "valibot";
import { ARN_PATTERNS, brokenRule, type Rule, shownText } from "../../core/rules";
import { message, type Schema, text } from "./schema";

/** The kinds of texts that more than one setting holds. */

/** Fits construct ids, names of functions, roles, tables and secrets alike. */
export const isSlug = (value: string) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(value);
export const SLUG_RULE = "lower-case letters, digits and single hyphens between them";
export const slug = text(`must be ${SLUG_RULE}`, isSlug);

export const region = text("must be an AWS region, such as eu-central-1", /^[a-z]{2}(-[a-z]+)+-\d$/);

export const arn = (what: string, kind: keyof typeof ARN_PATTERNS) =>
  text(`must be the ARN of ${what}`, ARN_PATTERNS[kind], "copy the whole ARN, from `arn:` on");
export const roleArn = arn("an IAM role", "role");
export const keyArn = arn("a KMS key", "kmsKey");

/** A text by the rules by which a function reads it later. */
export function byRules(rules: readonly Rule[], fix: string): Schema {
  // What is no text breaks the rule that an empty one breaks.
  const brokenBy = (value: unknown) => brokenRule(rules, typeof value === "string" ? value : "");
  return v.custom(
    (value) => brokenBy(value) === undefined,
    ({ input }) => {
      const broken = brokenBy(input);
      const shown =
        broken && typeof input === "string" ? shownText(input, broken) : `a value of type ${typeof input}`;
      return message(broken?.says ?? "", fix, broken?.isHidden ? shown : "");
    },
  );
}
