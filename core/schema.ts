import type { GenericSchema, InferOutput } from "valibot";

/** However deep it goes, without `readonly`. */
type Writable<T> = { -readonly [Key in keyof T]: Writable<T[Key]> };

/** What the compiler shows if it is not so. */
interface SchemaAndTypeDiffer<Read, Meant> {
  readonly schemaReads: Read;
  readonly typeMeans: Meant;
}

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;

type Reads<Schema extends GenericSchema, T> =
  Same<Writable<InferOutput<Schema>>, Writable<T>> extends true
    ? Schema
    : SchemaAndTypeDiffer<InferOutput<Schema>, T>;

/**
 * Ties a schema to the type of what it reads: `schemaOf<T>()(schema)` gives the schema back. It does not compile if a field
 * of the one, however deep, is missing in the other, is optional in one of them alone, or has another type. So no field that is
 * new in the type is dropped in silence.
 */
export function schemaOf<T>() {
  return <Schema extends GenericSchema>(schema: Schema & Reads<Schema, T>): Schema => schema;
}
