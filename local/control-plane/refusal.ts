/** One faulty field of a request, in the form that FastAPI gives it. */
export interface FieldProblem {
  /** Where it is, such as `["body", "account_id"]`. */
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly type: string;
}

/** The Control Plane's "no": nothing was changed. The HTTP face turns it into an answer of this status. */
export class Refusal extends Error {
  override readonly name = "Refusal";

  constructor(
    readonly status: 401 | 403 | 404 | 409 | 422,
    readonly detail: string | readonly FieldProblem[],
  ) {
    super(typeof detail === "string" ? detail : detail.map((p) => `${p.loc.join(".")}: ${p.msg}`).join("; "));
  }
}

/** 422 for one field. */
export function invalidField(loc: readonly (string | number)[], msg: string, type = "value_error"): Refusal {
  return new Refusal(422, [{ loc, msg, type }]);
}
