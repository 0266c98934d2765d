import * as v from "valibot";

/** Attributes of DynamoDB items, read into plain values. */
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
