import { Lazy } from "cdktf";
import { withoutTokenTraces } from "../../constructs/token-traces";

const traceOfToken = () => Lazy.anyValue({ produce: () => 1 }).creationStack;

class OwnError extends Error {
  constructor() {
    super("failed");
    Error.captureStackTrace(this, OwnError);
  }
}

test("tokens have no traces meanwhile, and have them again afterwards, also after a failure", () => {
  const { captureStackTrace } = Error;
  expect(withoutTokenTraces(traceOfToken)).toEqual([]);
  expect(() =>
    withoutTokenTraces(() => {
      throw new Error("failed");
    }),
  ).toThrow("failed");
  expect(Error.captureStackTrace).toBe(captureStackTrace);
  expect(traceOfToken()).not.toEqual([]);
});

test("errors keep theirs", () => {
  function fail() {
    return new OwnError();
  }
  for (const error of withoutTokenTraces(() => [new Error("failed"), fail()]))
    expect(error.stack).toContain(__filename);
  expect(withoutTokenTraces(fail).stack?.split("\n")[1]).toContain("fail");
});
