import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Authority } from "../../proofs/harness/certificates";
import { ServedDesk } from "./cli-desk";

/** AWS and the Control Plane by TLS, with certificates of a private authority, and a proxy that asks for a password. */
let served: ServedDesk;
let proxy: Awaited<ReturnType<typeof startProxy>>;
const authority = new Authority("our CA");
const folder = mkdtempSync(path.join(tmpdir(), "valmi-network-"));
const ca = path.join(folder, "ca.pem");
writeFileSync(ca, authority.certificate);
beforeAll(async () => {
  served = await ServedDesk.open(undefined, authority.issue("DNS:localhost"));
  proxy = await startProxy();
});
beforeEach(() => {
  proxy.targets.length = 0;
});
afterAll(() => {
  served.close();
  proxy.close();
  authority.remove();
  rmSync(folder, { recursive: true });
});

async function startProxy() {
  const targets: string[] = [];
  const server = createServer();
  server.on("connect", (request, socket, head) => {
    const expected = `Basic ${Buffer.from("us er:p@ss").toString("base64")}`;
    if (request.headers["proxy-authorization"] !== expected) {
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
      return;
    }
    targets.push(request.url ?? "");
    const [host = "", port] = (request.url ?? "").split(":");
    const upstream = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      upstream.write(head);
      upstream.pipe(socket);
      socket.pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    targets,
    url: `http://us%20er:p%40ss@127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => server.close(),
  };
}

const portOf = (url: string) => new URL(url).port;

test("HTTPS_PROXY and a private CA: AWS and the Control Plane by the proxy", async () => {
  const ran = await served.run(["status"], { HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: ca });
  expect({ ...ran, out: ran.out.includes(served.desk.fingerprint) }).toEqual({ code: 0, out: true, err: "" });
  const { aws, controlPlane } = served.urls;
  expect(new Set(proxy.targets)).toEqual(
    new Set([`localhost:${portOf(aws)}`, `localhost:${portOf(controlPlane)}`]),
  );
  const { code, out } = await served.run(
    ["operator-key", "set", "--secret", "valmi/dev/by-proxy", "--control-plane", served.desk.controlPlaneUrl],
    { HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: ca },
    "token_operator123",
  );
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining("created valmi/dev/by-proxy") });
});

test("NO_PROXY: neither", async () => {
  const env = { HTTPS_PROXY: proxy.url, NO_PROXY: "localhost", NODE_EXTRA_CA_CERTS: ca };
  expect(await served.run(["status"], env)).toMatchObject({ code: 0, err: "" });
  expect(proxy.targets).toEqual([]);
});

test("a proxy that refuses is named in a sentence", async () => {
  const HTTPS_PROXY = proxy.url.replace("p%40ss", "other");
  const { code, err } = await served.run(["status"], { HTTPS_PROXY, NODE_EXTRA_CA_CERTS: ca });
  expect(code).toBe(1);
  expect(err).toContain("the proxy opens no tunnel");
  expect(err).toContain("407");
});

test("AWS_CA_BUNDLE: AWS's certificates are of that authority", async () => {
  const { code, err } = await served.run(["show", "dev/none"], { AWS_CA_BUNDLE: ca });
  expect({ code, err }).toEqual({
    code: 2,
    err: expect.stringContaining("there is no agent instance 'dev/none'"),
  });
});

test("without the authority nothing is sent", async () => {
  const { code, err } = await served.run(["status"]);
  expect(code).toBe(1);
  expect(err).toMatch(/error: .*certificate/i);
});

test("without a region: a sentence; from an ARN it is known", async () => {
  const env = { AWS_REGION: "", AWS_DEFAULT_REGION: "", HOME: folder, NODE_EXTRA_CA_CERTS: ca };
  const { code, err } = await served.run(["status"], env);
  expect({ code, err }).toEqual({
    code: 2,
    err: expect.stringContaining("error: no AWS region is known: give --region"),
  });
  expect(await served.run(["show", served.desk.world.secretArn], env)).toMatchObject({ code: 0, err: "" });
});

test("what AWS says is told, and not the name of a class", async () => {
  served.desk.world.aws.refuse("ListSecrets", "AccessDeniedException");
  const { code, err } = await served.run(["status"], { NODE_EXTRA_CA_CERTS: ca });
  expect({ code, err }).toEqual({
    code: 1,
    err: "error: AccessDeniedException: Ordered: AccessDeniedException\n",
  });
});
