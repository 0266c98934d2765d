import { awsRequestHandler, outwardFetch, proxyFor } from "../../../core/control-plane/outward";

const PROXY = "http://proxy:3128";
const via = (NO_PROXY: string) =>
  proxyFor("secretsmanager.eu-west-1.amazonaws.com", 443, { HTTPS_PROXY: PROXY, NO_PROXY });

test.each([
  "*",
  "amazonaws.com",
  ".amazonaws.com",
  "*.amazonaws.com",
  "localhost, AMAZONAWS.COM",
  "localhost amazonaws.com:443",
  "secretsmanager.eu-west-1.amazonaws.com",
])("NO_PROXY=%s: no proxy", (names) => {
  expect(via(names)).toBeUndefined();
});

test.each(["", "amazonaws.com:80", "zonaws.com", "eu-west-1", "other.amazonaws.com", ","])(
  "NO_PROXY=%s: by the proxy",
  (names) => {
    expect(via(names)).toBe(PROXY);
  },
);

test.each<[object, string | undefined]>([
  [{}, undefined],
  [{ HTTPS_PROXY: "" }, undefined],
  [{ https_proxy: PROXY, HTTPS_PROXY: "http://other" }, PROXY],
  [{ https_proxy: "", HTTPS_PROXY: PROXY }, PROXY],
  [{ ALL_PROXY: PROXY }, PROXY],
  [{ HTTP_PROXY: PROXY }, undefined],
  [{ HTTPS_PROXY: "proxy:3128" }, PROXY],
  [{ HTTPS_PROXY: PROXY, NO_PROXY: "::1" }, undefined],
])("%j: %s", (env, proxy) => {
  expect(proxyFor("::1", 443, env as Record<string, string>)).toBe(proxy);
});

test("without proxy and CA the SDK's and the platform's own ways are taken", () => {
  expect(awsRequestHandler({ NO_PROXY: "*" })).toEqual({});
  expect(outwardFetch("https://value.valmi.io/api/v1", undefined, {})).toBeUndefined();
  expect(outwardFetch("http://127.0.0.1:1/api/v1", undefined, { HTTPS_PROXY: PROXY })).toBeUndefined();
  expect(outwardFetch("https://value.valmi.io/api/v1", undefined, { HTTPS_PROXY: PROXY })).toBeInstanceOf(
    Function,
  );
  expect(awsRequestHandler({ ALL_PROXY: PROXY, NO_PROXY: "value.valmi.io" })).not.toEqual({});
});
