import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import * as v from "valibot";

/**
 * Attributes of DynamoDB items, read into plain values and written from them. AWS's own utility, `@aws-sdk/util-dynamodb`, would
 * not save code: its errors quote the values that they refuse, so it needs a guard, and it is 6 kB of every function.
 */
export const number = v.pipe(
  v.object({ N: v.pipe(v.string(), v.nonEmpty()) }),
  v.transform(({ N }) => Number(N)),
  v.finite(),
);
/** A moment. The last one is so far from what a date can hold that any grace period can be added. */
export const time = v.pipe(number, v.minValue(0), v.maxValue(Date.UTC(9999, 11, 31)));
export const text = v.pipe(
  v.object({ S: v.string() }),
  v.transform(({ S }) => S),
);
export const texts = v.pipe(
  v.object({ L: v.array(text) }),
  v.transform(({ L }) => L),
);
export const numbers = v.pipe(
  v.object({ L: v.array(number) }),
  v.transform(({ L }) => L),
);
export const flag = v.pipe(
  v.object({ BOOL: v.boolean() }),
  v.transform(({ BOOL }) => BOOL),
);

type Plain = string | number | boolean;

export function toAttribute(value: Plain | readonly Plain[]): AttributeValue {
  if (typeof value === "string") return { S: value };
  if (typeof value === "number") return { N: String(value) };
  if (typeof value === "boolean") return { BOOL: value };
  return { L: value.map(toAttribute) };
}
