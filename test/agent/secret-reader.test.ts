import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { SecretsManager, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { AgentKeyUnreadableError, type SecretSource, secretReader } from "../../agent/secret-reader";
import { serialiseRecord } from "../../core/key/stored-value";
import { record } from "../../proofs/harness/builders";
import { connectionReset, InMemoryAws } from "../../proofs/harness/in-memory-aws";

const NAME = "valmi/dev/support/agent-key";
const KEY = "agent_abc123xyz";
const settings = {
  region: "eu-west-1",
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
  maxAttempts: 1,
};

/** What the reader throws when Secrets Manager answers like this. */
async function failure(listener: RequestListener): Promise<AgentKeyUnreadableError> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new SecretsManagerClient({ ...settings, endpoint });
  try {
    return await secretReader(
      client,
      NAME,
    )("AWSCURRENT").then(
      () => Promise.reject(new Error("it was read")),
      (error) => error,
    );
  } finally {
    client.destroy();
    server.closeAllConnections();
    server.close();
  }
}

test("reads by staging label, with the one permission that readers have", async () => {
  const inputs: unknown[] = [];
  const aws = new InMemoryAws((operation, input) => {
    inputs.push([operation, input]);
    return { SecretString: serialiseRecord(record()) };
  });
  const client = new SecretsManagerClient({ ...settings, requestHandler: aws.requestHandler });
  const { agentKey } = await secretReader(client, NAME)("AWSPREVIOUS");
  expect(agentKey.reveal()).toBe(KEY);
  expect(inputs).toEqual([["GetSecretValue", { SecretId: NAME, VersionStage: "AWSPREVIOUS" }]]);
});

describe("a source is told by its method", () => {
  const answer = { SecretString: serialiseRecord(record()) };

  test("`getSecretValue`, of whatever version of the SDK", async () => {
    const inputs: unknown[] = [];
    const source = {
      async getSecretValue(input: object) {
        inputs.push(input);
        return answer;
      },
    };
    const { agentKey } = await secretReader(source, NAME)("AWSCURRENT");
    expect([agentKey.reveal(), inputs]).toEqual([KEY, [{ SecretId: NAME, VersionStage: "AWSCURRENT" }]]);
  });

  test("`send`, of another copy of the SDK", async () => {
    const source = { send: async (command: { input: object }) => ({ ...answer, asked: command.input }) };
    expect((await secretReader(source, NAME)("AWSCURRENT")).agentKey.reveal()).toBe(KEY);
  });

  test("the SDK's own clients fit", () => {
    const sources: SecretSource[] = [new SecretsManager(settings), new SecretsManagerClient(settings)];
    expect(sources).toHaveLength(2);
  });

  test("its errors are told by their form: another copy has other classes", async () => {
    const refusal = {
      name: "AccessDeniedException",
      message: `no ${KEY} for you`,
      $fault: "client",
      $metadata: {},
    };
    const source = { getSecretValue: () => Promise.reject(Object.assign(new Error(), refusal)) };
    const error = await secretReader(source, NAME)("AWSCURRENT").catch((each) => each);
    expect(error.message).toBe(`secret '${NAME}', AWSCURRENT: AccessDeniedException: no [masked] for you`);
    expect(error.cause).toMatchObject({ name: "AccessDeniedException" });
  });
});

test("a read that hangs ends with what it was made for", async () => {
  const over = new AbortController();
  const reading = secretReader(
    { getSecretValue: () => new Promise(() => {}) },
    NAME,
    over.signal,
  )("AWSCURRENT");
  over.abort();
  await expect(reading).rejects.toThrow(`secret '${NAME}', AWSCURRENT: the read was ended`);
});

test("passes AWS's reason on", async () => {
  const error = await failure((_, response) => {
    response.writeHead(400, { "content-type": "application/x-amz-json-1.1" });
    response.end(
      JSON.stringify({ __type: "AccessDeniedException", message: "not authorized to perform it" }),
    );
  });
  expect(error).toBeInstanceOf(AgentKeyUnreadableError);
  expect(error.message).toBe(
    `secret '${NAME}', AWSCURRENT: AccessDeniedException: not authorized to perform it`,
  );
  expect(error.cause).toMatchObject({ name: "AccessDeniedException" });
});

test.each<[string, Error, string]>([
  ["a failed connection", connectionReset(), "ECONNRESET: socket hang up"],
  [
    "an answer that does not come",
    Object.assign(new Error(), { name: "AbortError" }),
    "no answer within 10 s",
  ],
  [
    "missing credentials",
    Object.assign(new Error("Could not load credentials from any providers"), {
      name: "CredentialsProviderError",
    }),
    "Could not load credentials from any providers",
  ],
  ["a key in what somebody else says", new Error(`bad header: ${KEY}`), "bad header: [masked]"],
  [
    "an answer that is not JSON",
    new SyntaxError("Unexpected token in oddly-shaped"),
    "AWS's answer can't be read (SyntaxError)",
  ],
  [
    "an answer of another form",
    new TypeError("Expected string, got object: oddly-shaped"),
    "AWS's answer can't be read (TypeError)",
  ],
])("tells the reason of %s, and no part of a value", async (_, thrown, reason) => {
  const handle = () => Promise.reject(thrown);
  const client = new SecretsManagerClient({ ...settings, requestHandler: { handle } });
  const reading = secretReader(client, NAME)("AWSCURRENT");
  await expect(reading).rejects.toThrow(
    new AgentKeyUnreadableError(`secret '${NAME}', AWSCURRENT: ${reason}`),
  );
});

test.each<[string, string]>([
  ["an answer that is cut off", `{"SecretString":"{\\"VALMI_AGENT_KEY\\":\\"${KEY}`],
  ["an answer that is not JSON", KEY],
  ["a value that is not JSON", JSON.stringify({ SecretString: KEY })],
  ["a value of another form", JSON.stringify({ SecretString: JSON.stringify({ key: KEY }) })],
])("shows nothing of %s", async (_, body) => {
  const error = await failure((__, response) => {
    response.writeHead(200, { "content-type": "application/x-amz-json-1.1" });
    response.end(body);
  });
  expect(error).toBeInstanceOf(AgentKeyUnreadableError);
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(KEY);
});
