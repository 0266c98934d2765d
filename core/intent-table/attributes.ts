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
export const text = v.pipe(
  v.object({ S: v.string() }),
  v.transform(({ S }) => S),
);
export const texts = v.pipe(
  v.object({ L: v.array(text) }),
  v.transform(({ L }) => L),
);
export const flag = v.pipe(
  v.object({ BOOL: v.boolean() }),
  v.transform(({ BOOL }) => BOOL),
);

export function toAttribute(value: string | number | boolean | readonly string[]): AttributeValue {
  if (typeof value === "string") return { S: value };
  if (typeof value === "number") return { N: String(value) };
  if (typeof value === "boolean") return { BOOL: value };
  return { L: value.map((item) => ({ S: item })) };
}
