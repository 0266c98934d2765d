import { once } from "node:events";
import { writeFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { type AddressInfo, connect, type Server } from "node:net";
import * as path from "node:path";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { awsClientOptions, proxyFor } from "../../core/aws-client";
import { Authority } from "../../proofs/harness/certificates";
import { removeFolders, temporaryFolder } from "../local/programs";

const ARN = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:valmi/dev/support/agent-key-AbCdEf";
const before = { ...process.env };
afterEach(() => {
  process.env = { ...before };
  removeFolders();
});

/** A profile of the AWS configuration, which the SDK itself reads. */
function profile(text: string): void {
  const file = path.join(temporaryFolder(), "config");
  writeFileSync(file, text);
  Object.assign(process.env, { AWS_CONFIG_FILE: file, AWS_SHARED_CREDENTIALS_FILE: `${file}-none` });
}

describe("the region", () => {
  const ENV = { AWS_REGION: "eu-north-1", AWS_DEFAULT_REGION: "eu-south-1" };

  test.each<[string, Parameters<typeof awsClientOptions>, string]>([
    ["as it was given", [{ region: "us-east-1", arn: ARN }, ENV], "us-east-1"],
    ["of the ARN", [{ arn: ARN }, ENV], "eu-west-1"],
    ["of an ARN in China", [{ arn: ARN.replace("arn:aws:", "arn:aws-cn:") }, ENV], "eu-west-1"],
    ["AWS_REGION, where the secret is named", [{ arn: "valmi/dev/support/agent-key" }, ENV], "eu-north-1"],
    ["AWS_DEFAULT_REGION", [{}, { AWS_DEFAULT_REGION: "eu-south-1" }], "eu-south-1"],
    ["what is empty is none", [{ region: "" }, { ...ENV, AWS_REGION: "" }], "eu-south-1"],
    ["of the profile", [{}, { AWS_REGION: "", AWS_DEFAULT_REGION: "" }], "ap-south-1"],
  ])("%s", async (_, given, expected) => {
    profile("[default]\nregion = ap-south-1\n");
    expect(await awsClientOptions(...given).region()).toBe(expected);
  });

  test.each(["", "[default]\nregion =\n"])(
    "without one, a sentence says how to give it: %j",
    async (config) => {
      profile(config);
      delete process.env.AWS_REGION;
      await expect(awsClientOptions({}, {}).region()).rejects.toThrow(
        /^no AWS region is known: .*AWS_REGION/,
      );
      const client = new SecretsManagerClient(awsClientOptions({}, {}));
      await expect(client.send(new GetSecretValueCommand({ SecretId: "x" }))).rejects.toThrow(
        "no AWS region",
      );
    },
  );
});

test.each<[string, Record<string, string>, string | undefined]>([
  ["https://a.example.com", {}, undefined],
  ["https://a.example.com", { HTTPS_PROXY: "http://proxy:3128" }, "http://proxy:3128"],
  ["https://a.example.com", { https_proxy: "http://lower", HTTPS_PROXY: "http://upper" }, "http://lower"],
  ["https://a.example.com", { HTTPS_PROXY: "proxy:3128" }, "http://proxy:3128"],
  ["https://a.example.com", { HTTPS_PROXY: "" }, undefined],
  ["https://a.example.com", { HTTP_PROXY: "http://proxy" }, undefined],
  ["http://a.example.com", { HTTPS_PROXY: "http://proxy" }, undefined],
  ["https://a.example.com", { HTTPS_PROXY: "http://proxy", NO_PROXY: "example.com" }, undefined],
  ["https://a.example.com", { HTTPS_PROXY: "http://proxy", NO_PROXY: "x.org, .example.com" }, undefined],
  ["https://a.example.com", { HTTPS_PROXY: "http://proxy", NO_PROXY: "*.Example.com" }, undefined],
  ["https://a.example.com", { HTTPS_PROXY: "http://proxy", NO_PROXY: "a.example.com:443" }, undefined],
  ["https://a.example.com", { HTTPS_PROXY: "http://proxy", NO_PROXY: "a.example.com:8443" }, "http://proxy"],
  ["https://a.example.com", { HTTPS_PROXY: "http://proxy", NO_PROXY: "ample.com" }, "http://proxy"],
  ["https://a.example.com", { HTTPS_PROXY: "http://proxy", NO_PROXY: "" }, "http://proxy"],
  ["https://a.example.com", { HTTPS_PROXY: "http://proxy", no_proxy: "*" }, undefined],
  ["https://10.0.0.1:8443", { HTTPS_PROXY: "http://proxy", NO_PROXY: "10.0.0.1" }, undefined],
])("the proxy for %s with %j", (url, env, expected) => {
  expect(proxyFor(new URL(url), env)).toBe(expected);
});

describe("calls of AWS", () => {
  const authority = new Authority("our CA");
  const { cert, key } = authority.issue("DNS:localhost");
  const open: (Server | http.Server)[] = [];
  afterAll(() => authority.remove());
  afterEach(() => {
    for (const server of open.splice(0)) server.close();
  });

  async function listen(server: http.Server | https.Server): Promise<number> {
    server.unref();
    await once(server.listen(0, "127.0.0.1"), "listening");
    open.push(server);
    return (server.address() as AddressInfo).port;
  }

  /** Secrets Manager by https, with a certificate that nobody else trusts, and a proxy that tells what it was asked for. */
  async function stage() {
    const aws = https.createServer({ cert, key }, (_, response) => {
      response.writeHead(200, { "content-type": "application/x-amz-json-1.1" });
      response.end(JSON.stringify({ SecretString: "value" }));
    });
    const port = await listen(aws);
    const asked: string[] = [];
    const users: (string | undefined)[] = [];
    const proxy = http.createServer();
    proxy.on("connect", (request, socket) => {
      asked.push(String(request.url));
      users.push(request.headers["proxy-authorization"]);
      const target = connect(port, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
        target.pipe(socket).pipe(target);
      });
      target.on("error", () => socket.destroy());
      socket.on("error", () => target.destroy());
    });
    const proxyPort = await listen(proxy);
    const bundle = path.join(temporaryFolder(), "ca.pem");
    writeFileSync(bundle, authority.certificate);
    const get = async (env: Record<string, string>) => {
      const client = new SecretsManagerClient({
        ...awsClientOptions({ region: "eu-west-1" }, { AWS_CA_BUNDLE: bundle, ...env }),
        credentials: { accessKeyId: "local", secretAccessKey: "local" },
        endpoint: `https://localhost:${port}`,
        maxAttempts: 1,
      });
      try {
        return (await client.send(new GetSecretValueCommand({ SecretId: "x" }))).SecretString;
      } finally {
        client.destroy();
      }
    };
    return { port, proxyPort, asked, users, get };
  }

  test("go by HTTPS_PROXY, with its user, and trust AWS_CA_BUNDLE", async () => {
    const { port, proxyPort, asked, users, get } = await stage();
    expect(await get({ HTTPS_PROXY: `http://me:p%40ss@127.0.0.1:${proxyPort}` })).toBe("value");
    expect(asked).toEqual([`localhost:${port}`]);
    expect(users).toEqual([`Basic ${Buffer.from("me:p@ss").toString("base64")}`]);
  });

  test("go past it where NO_PROXY says so", async () => {
    const { proxyPort, asked, get } = await stage();
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxyPort}`, NO_PROXY: "localhost" };
    expect(await get(env)).toBe("value");
    expect(asked).toEqual([]);
  });

  test("check the certificate behind the proxy", async () => {
    const { proxyPort, get } = await stage();
    await expect(get({ HTTPS_PROXY: `http://127.0.0.1:${proxyPort}`, AWS_CA_BUNDLE: "" })).rejects.toThrow(
      /self.signed|unable to verify/,
    );
  });

  test("fail with a reason where the proxy is not there, and where the bundle is not", async () => {
    const { get } = await stage();
    await expect(get({ HTTPS_PROXY: "http://127.0.0.1:9" })).rejects.toThrow("connect ECONNREFUSED");
    await expect(get({ AWS_CA_BUNDLE: "/nowhere" })).rejects.toThrow(
      "AWS_CA_BUNDLE: must be a file of certificates in PEM; it can't be read: ENOENT",
    );
  });
});
