import {
  CreateSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { HOUR, MINUTE, SettableClock } from "../../../local/clock";
import { type LocalControlPlane, startControlPlane } from "../../../local/control-plane/server";
import { ClockMoves } from "../../../local/demo/clock-moves";
import { Consumer } from "../../../local/demo/consumers";
import { type SecretsManager, startSecretsManager } from "../../../local/secrets-manager/server";

const region = "eu-west-1";
const credentials = { accessKeyId: "test", secretAccessKey: "test" };

let clock: SettableClock;
let controlPlane: LocalControlPlane;
let secretsManager: SecretsManager;
let secrets: SecretsManagerClient;
let consumers: Consumer[];

beforeEach(async () => {
  clock = new SettableClock();
  controlPlane = await startControlPlane({ clock });
  secretsManager = await startSecretsManager({ clock, region });
  secrets = new SecretsManagerClient({ endpoint: secretsManager.url, region, credentials });
  consumers = [];
});

afterEach(async () => {
  await Promise.all(consumers.map((consumer) => consumer.stop()));
  secrets.destroy();
  await secretsManager.close();
  await controlPlane.close();
});

async function start(reads: "again" | "once"): Promise<Consumer> {
  const consumer = await Consumer.start({
    instanceId: "support",
    secretId: "agent-key",
    controlPlaneUrl: controlPlane.url,
    reads,
    awsVariables: {
      AWS_ENDPOINT_URL: secretsManager.url,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
    },
  });
  consumers.push(consumer);
  return consumer;
}

it("keeps calling through a rotation where it reads again, and fails after the grace where it doesn't", async () => {
  const { state } = controlPlane;
  const [type] = state.snapshot().agentTypes;
  const workspaceId = type?.workspaceId ?? "";
  const input = {
    name: "support",
    description: "",
    agentTypeId: type?.id ?? "",
    accountId: null,
    contactId: null,
  };
  const value = (agentKey: string) => JSON.stringify({ VALMI_AGENT_KEY: agentKey });
  const { instance, agentKey } = state.createInstance(workspaceId, input);
  await secrets.send(new CreateSecretCommand({ Name: "agent-key", SecretString: value(agentKey) }));
  const [again, once] = await Promise.all([start("again"), start("once")]);
  const moves = new ClockMoves({ clock, secretsManager }, consumers, 24 * HOUR);
  const firstKey = (await once.beat()).fingerprint;

  const fresh = state.refresh(workspaceId, instance.id).agentKey;
  await secrets.send(new PutSecretValueCommand({ SecretId: "agent-key", SecretString: value(fresh) }));
  await moves.advanceBy(24 * HOUR - MINUTE);
  const [againBefore, onceBefore] = await Promise.all([again.beat(), once.beat()]);
  await moves.advanceBy(2 * MINUTE);
  const [againAfter, onceAfter] = await Promise.all([again.beat(), once.beat()]);

  expect(onceBefore).toMatchObject({ failedCalls: 0, fingerprint: firstKey, reads: 1 });
  expect(onceAfter).toMatchObject({ fingerprint: firstKey, reads: 1 });
  expect(onceAfter.failedCalls).toBeGreaterThan(0);
  expect(onceAfter.firstRefusedAt).toBeGreaterThan(onceBefore.lastAcceptedAt ?? 0);
  expect(againBefore.fingerprint).not.toBe(firstKey);
  expect(againAfter).toMatchObject({ failedCalls: 0, fingerprint: againBefore.fingerprint });
});

it("says that a consumer has ended instead of waiting for it", async () => {
  await secrets.send(
    new CreateSecretCommand({ Name: "agent-key", SecretString: '{"VALMI_AGENT_KEY":"agent_x1y2z3"}' }),
  );
  const consumer = await start("again");
  await consumer.stop();

  await expect(consumer.beat()).rejects.toThrow("the consumer of support has ended");
});
