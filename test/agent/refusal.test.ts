import { once } from "node:events";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { isUnauthorised } from "../../agent/refusal";

let server: Server;
let url: string;
beforeAll(async () => {
  server = createServer((_, response) => {
    response.writeHead(401);
    response.end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

const error = (fields: object) => Object.assign(new Error("401"), fields);

/** What each client gives for status 401: as it was seen of the version that is named. */
test.each<[string, unknown]>([
  ["undici 7, request", { statusCode: 401, body: {} }],
  ["undici 7, interceptors.responseError", error({ statusCode: 401, code: "UND_ERR_RESPONSE" })],
  ["axios 1", error({ status: 401, code: "ERR_BAD_REQUEST", response: { status: 401 } })],
  ["axios 0", error({ code: "ERR_BAD_REQUEST", response: { status: 401 } })],
  ["axios 1, validateStatus off", { status: 401, data: "" }],
  ["got 14", error({ code: "ERR_NON_2XX_3XX_RESPONSE", response: { statusCode: 401 } })],
  ["got 14, throwHttpErrors off", { statusCode: 401, body: "" }],
  ["ky 1", error({ response: { status: 401 } })],
  ["superagent 10", error({ status: 401, response: { status: 401, statusCode: 401 } })],
  ["ofetch 1", error({ status: 401, statusCode: 401, response: { status: 401 } })],
  ["OpenAI 5 and those made like it", error({ status: 401 })],
  ["MCP's TypeScript SDK 1, streamable HTTP", error({ code: 401 })],
  ["OpenTelemetry's exporters", error({ code: 401, data: "" })],
  ["any of them, wrapped", error({ cause: error({ cause: error({ response: { statusCode: 401 } }) }) })],
])("%s", (_, outcome) => {
  expect(isUnauthorised(outcome)).toBe(true);
});

test("fetch of the platform", async () => {
  expect(isUnauthorised(await fetch(url))).toBe(true);
});

test("node:http", async () => {
  const [response] = await once(request(url).end(), "response");
  response.resume();
  expect(isUnauthorised(response)).toBe(true);
});

const circle = error({});
circle.cause = circle;

test.each<[string, unknown]>([
  ["nothing", undefined],
  ["a text", "401"],
  ["a number", 401],
  ["success", { status: 200 }],
  ["forbidden, which is no refusal of the key", { status: 403 }],
  ["a failed connection", error({ code: "ECONNREFUSED" })],
  ["a status that is a text", { status: "401" }],
  ["a body that tells of one", { status: 200, body: { status: 401 } }],
  ["an error that is its own cause", circle],
])("is not: %s", (_, outcome) => {
  expect(isUnauthorised(outcome)).toBe(false);
});
