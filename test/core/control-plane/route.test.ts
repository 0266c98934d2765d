import { once } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { createControlPlane } from "../../../core/control-plane/client";
import { ControlPlaneError } from "../../../core/control-plane/errors";
import { createFetch, type Route } from "../../../core/control-plane/route";
import { AgentKey, ControlPlaneApiKey } from "../../../core/key/credential";
import { FrozenClock } from "../../../local/clock";
import { Authority, type Certificate } from "../../../proofs/harness/certificates";

/** Real TLS with certificates made for this run, and a real proxy, all on loopback. */

const API_KEY = "token_operator123";
const authority = new Authority("our CA");
const other = new Authority("somebody else's CA");
const localhost = authority.issue("DNS:localhost");
afterAll(() => {
  authority.remove();
  other.remove();
});

const open: { close(): void }[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of open.splice(0)) server.close();
});

async function listen(server: http.Server | https.Server): Promise<number> {
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(server);
  return (server.address() as AddressInfo).port;
}

/** Answers as the Control Plane does, and keeps what it was sent. */
async function controlPlane(certificate: Certificate, answer?: http.RequestListener) {
  const requests: {
    readonly method?: string;
    readonly url?: string;
    readonly headers: http.IncomingHttpHeaders;
    body: string;
  }[] = [];
  let connections = 0;
  const server = https.createServer(certificate, (request, response) => {
    const seen = { ...pick(request), body: "" };
    requests.push(seen);
    request.on("data", (text) => {
      seen.body += text;
    });
    request.on("end", () =>
      answer
        ? answer(request, response)
        : response.end('{"id":"ai_1","name":"a","workspace_name":"ours","secret":"agent_new12345"}'),
    );
  });
  server.on("connection", () => (connections += 1));
  return { port: await listen(server), requests, connections: () => connections };
}

const pick = ({ method, url, headers }: http.IncomingMessage) => ({
  ...(method === undefined ? {} : { method }),
  ...(url === undefined ? {} : { url }),
  headers,
});

/** A proxy that opens tunnels to wherever it is asked to, or answers something else. */
async function proxy({ status = 200, certificate }: { status?: number; certificate?: Certificate } = {}) {
  const heard: string[] = [];
  let passed = "";
  const server = certificate ? https.createServer(certificate) : http.createServer();
  server.on("request", (request, response) => {
    heard.push(`${request.method} ${request.url}`);
    response.end();
  });
  server.on("connect", ({ url = "", headers }: http.IncomingMessage, client: Socket) => {
    heard.push(`CONNECT ${url} ${Object.keys(headers).join()}`);
    if (status !== 200) {
      client.end(`HTTP/1.1 ${status} No\r\ncontent-length: 2\r\n\r\n{}`);
      return;
    }
    const [, port] = url.split(":");
    const target = connect(Number(port), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      client.on("data", (bytes) => {
        passed += bytes.toString("latin1");
      });
      client.pipe(target).pipe(client);
    });
    for (const socket of [client, target]) socket.on("error", () => socket.destroy());
  });
  return { port: await listen(server), heard, passed: () => passed };
}

function client(port: number, route: Route | undefined, options: { host?: string; timeoutMs?: number } = {}) {
  return createControlPlane({
    baseUrl: `https://${options.host ?? "localhost"}:${port}/api/v1`,
    auth: "api-key",
    apiKey: new ControlPlaneApiKey(API_KEY),
    clock: new FrozenClock(),
    budget: { remainingMs: () => 180_000 },
    sleep: async () => {},
    random: () => 0,
    attempts: 1,
    ...(route ? { fetch: createFetch(route) } : {}),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  });
}

async function failureOf(call: Promise<unknown>): Promise<ControlPlaneError> {
  const outcome = await call.catch((error: unknown) => error);
  if (outcome instanceof ControlPlaneError) return outcome;
  throw new Error("expected a ControlPlaneError", { cause: outcome });
}

describe("a Control Plane whose certificate a private CA signed", () => {
  test("is answered by where that CA is given, each call on a connection of its own", async () => {
    const server = await controlPlane(localhost);
    const ours = client(server.port, { caCertificate: authority.certificate });
    await expect(ours.workspaceName()).resolves.toBe("ours");
    await ours.updateInstance("ai_1", { name: "é" });
    await expect(ours.refreshAgentKey("ai_1", "key-1")).resolves.toMatchObject({ agentInstanceId: "ai_1" });
    await expect(ours.checkAgentKey(new AgentKey("agent_abc12345"))).resolves.toMatchObject({
      accepted: true,
    });
    expect(server.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "GET /api/v1/auth/me",
      "PUT /api/v1/agent_instance/ai_1",
      "POST /api/v1/agent_instance/ai_1/refresh",
      "GET /api/v1/agent_instance/info",
    ]);
    expect(server.requests[0]?.headers).toMatchObject({
      host: `localhost:${server.port}`,
      "api-key": API_KEY,
    });
    expect(server.requests[1]).toMatchObject({
      headers: { "content-type": "application/json", "content-length": "13" },
    });
    expect(server.requests[3]?.headers).toMatchObject({ "x-agent-secret": "agent_abc12345" });
    expect(server.connections()).toBe(4);
  });

  test("may come with a second CA, while one follows the other", async () => {
    const server = await controlPlane(localhost);
    const caCertificate = `${other.certificate}${authority.certificate}`;
    await expect(client(server.port, { caCertificate }).workspaceName()).resolves.toBe("ours");
  });

  test.each<[string, Route | undefined, Certificate, string, string]>([
    ["no CA", undefined, localhost, "localhost", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    [
      "another CA",
      { caCertificate: other.certificate },
      localhost,
      "localhost",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    ],
    [
      "another name",
      { caCertificate: authority.certificate },
      localhost,
      "127.0.0.1",
      "ERR_TLS_CERT_ALTNAME_INVALID",
    ],
    [
      "a certificate for another name",
      { caCertificate: authority.certificate },
      authority.issue("DNS:other.example"),
      "localhost",
      "ERR_TLS_CERT_ALTNAME_INVALID",
    ],
    [
      "an expired certificate",
      { caCertificate: authority.certificate },
      authority.issue("DNS:localhost", { expired: true }),
      "localhost",
      "CERT_HAS_EXPIRED",
    ],
  ])("is sent nothing with %s", async (_, route, certificate, host, code) => {
    const server = await controlPlane(certificate);
    const error = await failureOf(client(server.port, route, { host }).workspaceName());
    expect(error).toMatchObject({ kind: "unreachable", message: `GET /auth/me: no answer (${code})` });
    expect(server.requests).toEqual([]);
  });

  test("is sent nothing unchecked, whatever Node.js is told", async () => {
    const server = await controlPlane(localhost);
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
    try {
      const route = { caCertificate: other.certificate };
      await expect(failureOf(client(server.port, route).workspaceName())).resolves.toMatchObject({
        kind: "unreachable",
      });
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    }
    expect(server.requests).toEqual([]);
  });

  test("may be an address", async () => {
    const server = await controlPlane(authority.issue("IP:127.0.0.1"));
    const ours = client(server.port, { caCertificate: authority.certificate }, { host: "127.0.0.1" });
    await expect(ours.workspaceName()).resolves.toBe("ours");
  });
});

describe("by this route, too,", () => {
  const route = { caCertificate: authority.certificate };

  test("a redirect is refused and not followed", async () => {
    const server = await controlPlane(localhost, (_, response) => {
      response.writeHead(307, { location: "/elsewhere" }).end();
    });
    await expect(failureOf(client(server.port, route).workspaceName())).resolves.toMatchObject({
      kind: "unreadable",
    });
    expect(server.requests).toHaveLength(1);
  });

  test("an answer that is too large is refused, and not read to its end", async () => {
    let sent = 0;
    const server = await controlPlane(localhost, (_, response) => {
      const more = () => {
        while (sent < 64 * 1_048_576 && response.write("x".repeat(65_536))) sent += 65_536;
      };
      response.on("drain", more);
      more();
    });
    const error = await failureOf(client(server.port, route).workspaceName());
    expect(error).toMatchObject({
      kind: "unreadable",
      message: "GET /auth/me: the answer is larger than 1048576 bytes",
    });
    expect(sent).toBeLessThan(64 * 1_048_576);
  });

  test.each<[string, http.RequestListener]>([
    ["that never comes", () => {}],
    ["that never ends", (_, response) => void response.write("{")],
  ])("an answer %s is waited for no longer than the limit", async (_, answer) => {
    const server = await controlPlane(localhost, answer);
    const error = await failureOf(client(server.port, route, { timeoutMs: 200 }).workspaceName());
    expect(error.kind).toBe("unreachable");
    expect(error.message).toMatch(/^GET \/auth\/me: no answer \((TimeoutError|ECONNRESET)\)$/);
  });

  test("an answer without a body is one", async () => {
    const server = await controlPlane(localhost, (_, response) => void response.writeHead(204).end());
    await expect(client(server.port, route).deleteInstance("ai_1")).resolves.toBeUndefined();
  });

  test("an answer that breaks off is none", async () => {
    const server = await controlPlane(localhost, (request, response) => {
      response.writeHead(200, { "content-length": 100 }).write("{");
      setImmediate(() => request.socket.destroy());
    });
    await expect(failureOf(client(server.port, route).workspaceName())).resolves.toMatchObject({
      kind: "unreachable",
    });
  });
});

describe("through a proxy", () => {
  test("the Control Plane is reached, and the proxy learns its name and nothing else", async () => {
    const server = await controlPlane(localhost);
    const between = await proxy();
    const route = { caCertificate: authority.certificate, proxyUrl: `http://127.0.0.1:${between.port}` };
    const ours = client(server.port, route);
    await expect(ours.workspaceName()).resolves.toBe("ours");
    await expect(ours.refreshAgentKey("ai_1", "key-1")).resolves.toMatchObject({ agentInstanceId: "ai_1" });
    const tunnel = `CONNECT localhost:${server.port} host,connection`;
    expect(between.heard).toEqual([tunnel, tunnel]);
    expect(between.passed().length).toBeGreaterThan(500);
    expect(between.passed()).not.toContain(API_KEY);
    expect(server.requests[1]).toMatchObject({ method: "POST", headers: { "api-key": API_KEY } });
  });

  test("that has a certificate of the same CA itself", async () => {
    const server = await controlPlane(localhost);
    const between = await proxy({ certificate: localhost });
    const route = { caCertificate: authority.certificate, proxyUrl: `https://localhost:${between.port}` };
    await expect(client(server.port, route).workspaceName()).resolves.toBe("ours");
    expect(between.heard).toHaveLength(1);
  });

  test("whose certificate is nobody's, nothing is asked for", async () => {
    const server = await controlPlane(localhost);
    const between = await proxy({ certificate: other.issue("DNS:localhost") });
    const route = { caCertificate: authority.certificate, proxyUrl: `https://localhost:${between.port}` };
    await expect(failureOf(client(server.port, route).workspaceName())).resolves.toMatchObject({
      kind: "unreachable",
    });
    expect(between.heard).toEqual([]);
  });

  test("a Control Plane with the wrong certificate is sent nothing", async () => {
    const server = await controlPlane(other.issue("DNS:localhost"));
    const between = await proxy();
    const route = { caCertificate: authority.certificate, proxyUrl: `http://127.0.0.1:${between.port}` };
    const error = await failureOf(client(server.port, route).workspaceName());
    expect(error.message).toBe("GET /auth/me: no answer (UNABLE_TO_VERIFY_LEAF_SIGNATURE)");
    expect(between.heard).toHaveLength(1);
    expect(server.requests).toEqual([]);
  });

  // Taken for the Control Plane's, a 404 would say that an instance is gone, and a 401 that a key is refused.
  test.each([401, 403, 404, 407, 502])(
    "that answers %d itself, nothing is taken for the Control Plane's answer",
    async (status) => {
      const server = await controlPlane(localhost);
      const between = await proxy({ status });
      const route = { caCertificate: authority.certificate, proxyUrl: `http://127.0.0.1:${between.port}` };
      const ours = client(server.port, route);
      for (const call of [ours.getInstance("ai_1"), ours.checkAgentKey(new AgentKey("agent_abc12345"))]) {
        const error = await failureOf(call);
        expect(error.kind).toBe("unreachable");
        expect(error.message).toContain(`no answer (PROXY_STATUS_${status})`);
      }
      expect(server.requests).toEqual([]);
    },
  );

  test("that never answers is waited for no longer than the limit, and let go", async () => {
    const silent = http.createServer();
    let ended: Promise<unknown> | undefined;
    silent.on("connect", (_, socket) => {
      ended = once(socket, "end");
      socket.resume();
    });
    const port = await listen(silent);
    const ours = client(9, { proxyUrl: `http://127.0.0.1:${port}` }, { timeoutMs: 200 });
    const error = await failureOf(ours.workspaceName());
    expect(error.message).toBe("GET /auth/me: no answer (TimeoutError)");
    await ended;
  });

  test("that is not there", async () => {
    const error = await failureOf(client(9, { proxyUrl: "http://127.0.0.1:9" }).workspaceName());
    expect(error.message).toBe("GET /auth/me: no answer (ECONNREFUSED)");
  });
});

test("a CA or a proxy never makes a request in clear text", async () => {
  const between = await proxy();
  const plain = createFetch({ proxyUrl: `http://127.0.0.1:${between.port}` });
  await expect(plain(`http://localhost:${between.port}/`)).rejects.toThrow("fetch failed");
  expect(between.heard).toEqual([]);
});
