import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { AgentKeyUnreadableError, secretReader } from "../../agent/secret-reader";
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
  ["a failed connection", connectionReset(), "ECONNRESET"],
  [
    "an answer that does not come",
    Object.assign(new Error(), { name: "AbortError" }),
    "no answer within 10 s",
  ],
  ["what it doesn't know", new SyntaxError(KEY), "SyntaxError"],
])("names %s, and no more", async (_, thrown, reason) => {
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
