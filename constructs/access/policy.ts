/** A statement of an IAM policy, a resource policy or a key policy, in the spelling of AWS. */
export type PolicyStatement = {
  readonly Sid: string;
  readonly Effect: "Allow" | "Deny";
  readonly Principal?: "*" | Readonly<Record<string, string | readonly string[]>>;
  readonly Resource: string | readonly string[];
  readonly Condition?: Condition;
} & (
  | { readonly Action: string | readonly string[]; readonly NotAction?: never }
  | { readonly NotAction: string | readonly string[]; readonly Action?: never }
);

/** By operator, such as `StringEquals`, and by key, such as `aws:SourceAccount`. */
export type Condition = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

/** A statement of an IAM policy that allows something. */
export function allow(
  Sid: string,
  Action: string | readonly string[],
  Resource: string | readonly string[],
  Condition?: Condition,
): PolicyStatement {
  return { Sid, Effect: "Allow", Action, Resource, ...(Condition && { Condition }) };
}

export function policyDocument(statements: readonly PolicyStatement[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}

/** What a function needs to use one thing: environment and permissions together, so that one never comes without the other. */
export interface FunctionAccess {
  readonly environment?: Readonly<Record<string, string>>;
  readonly statements: readonly PolicyStatement[];
}
