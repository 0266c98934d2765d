import * as v from "valibot";
import { schemaOf } from "../../core/schema";

interface Example {
  readonly id: string;
  readonly note?: string;
  readonly kind: "a" | "b";
  readonly of?: { readonly id: string } | { readonly names: readonly string[] };
}

const fields = {
  id: v.string(),
  note: v.exactOptional(v.string()),
  kind: v.picklist(["a", "b"]),
  of: v.exactOptional(v.union([v.object({ id: v.string() }), v.object({ names: v.array(v.string()) })])),
};

test("a schema that reads exactly the type is given back", () => {
  const schema = v.object(fields);
  expect(schemaOf<Example>()(schema)).toBe(schema);
});

// `npm run types` fails on each of these lines if the compiler takes the schema for the type's.
test("the compiler refuses a schema that differs", () => {
  const { note: _, ...withoutNote } = fields;
  const of = schemaOf<Example>();
  // @ts-expect-error an optional field is missing
  of(v.object(withoutNote));
  // @ts-expect-error a field is one too many
  of(v.object({ ...fields, more: v.exactOptional(v.string()) }));
  // @ts-expect-error a required field is optional
  of(v.object({ ...fields, id: v.exactOptional(v.string()) }));
  // @ts-expect-error one of the values is refused
  of(v.object({ ...fields, kind: v.picklist(["a"]) }));
  // @ts-expect-error a value is accepted that the type has not
  of(v.object({ ...fields, kind: v.picklist(["a", "b", "c"]) }));
  // @ts-expect-error a field is missing further down
  of(v.object({ ...fields, of: v.exactOptional(v.object({ id: v.string() })) }));
  expect(fields).toHaveProperty("note");
});
