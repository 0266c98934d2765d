import type { ControlPlane, IssuedKey } from "../../core/control-plane/client";
import { AgentKey } from "../../core/key/credential";
import { type AgentKeyRecord, parseRecord, serialiseRecord } from "../../core/key/stored-value";
import type { Intent, IntentStore, TakenIntent } from "../../core/protocol/intent";
import { Stop } from "../../core/protocol/stops";
import { LATE_APPLICATION_MS, READ_LAG_MS } from "../../core/protocol/timing";
import type { RotationDeps, RotationRequest } from "../../core/rotation/rotation";
import { runStep } from "../../core/rotation/steps";
import { type SecretStore, versionWith } from "../../core/secrets/secret-store";

/**
 * What a rotation function without one of the protocol's rules does. Each has to fail in the explorer: one that no longer
 * does says that the explorer went blind.
 */
export type Step = (deps: RotationDeps, request: RotationRequest) => Promise<void>;

type Change = (deps: RotationDeps, request: RotationRequest) => Partial<RotationDeps>;

/** The shipped steps over changed ports. */
const withPorts =
  (change: Change): Step =>
  (deps, request) =>
    runStep({ ...deps, ...change(deps, request) }, request);

const withIntents = (
  change: (intents: IntentStore, request: RotationRequest) => Partial<IntentStore>,
): Step => withPorts(({ intents }, request) => ({ intents: { ...intents, ...change(intents, request) } }));

const withSecrets = (
  change: (secrets: SecretStore, request: RotationRequest) => Partial<SecretStore>,
): Step => withPorts(({ secrets }, request) => ({ secrets: { ...secrets, ...change(secrets, request) } }));

/** No record before the mint: every attempt believes that it is the first. */
export const noIntent = withIntents(() => ({
  take: async (intent) => ({ taken: true, intent }),
  settle: async () => {},
}));

/** The record is the token's, so that a retry with a new token does not meet it. */
export const intentKeyedByToken = withIntents((intents, { token }) => {
  const keyed = (intent: Intent): Intent => ({ ...intent, baseVersionId: token });
  return {
    take: (intent) => intents.take(keyed(intent)),
    retake: (intent, previous) => intents.retake(keyed(intent), previous),
  };
});

/** Written whether one stands or not, after a look that another attempt can be faster than. */
export const intentWithoutCompareAndSet = withIntents((intents) => ({
  take: async (intent): Promise<TakenIntent> => {
    const look = await intents.take({ ...intent, owner: "look", mint: 0 });
    if (!look.taken && look.intent.mint > 0) return look;
    return overwrite(intents, intent, look.intent);
  },
}));

/** The second mint is no conditional write: two attempts that find the first one timed out both mint. */
export const secondMintWithoutCompareAndSet = withIntents((intents) => ({
  retake: (intent, previous) => overwrite(intents, intent, previous),
}));

async function overwrite(intents: IntentStore, intent: Intent, standing: Intent): Promise<TakenIntent> {
  const written = await intents.retake(intent, standing);
  if (written.taken) return written;
  return overwrite(intents, intent, written.intent);
}

/** As if an attempt could not go on after it has left its record. */
export const waitTooShort = withIntents((intents) => ({
  take: (intent) =>
    intents.take({ ...intent, attemptEndsAt: intent.takenAt - LATE_APPLICATION_MS - READ_LAG_MS }),
}));

/** AWSCURRENT moves to the new key before anybody knows whether it is accepted. */
export const promoteBeforeTest = withPorts(({ connect }) => ({
  connect: async () => {
    const controlPlane = await connect();
    const issued = new Map<string, string>();
    const remember = (key: IssuedKey): IssuedKey => {
      issued.set(key.agentKey.fingerprint, key.agentInstanceId);
      return key;
    };
    return {
      ...controlPlane,
      refreshAgentKey: async (id, key) => remember(await controlPlane.refreshAgentKey(id, key)),
      checkAgentKey: async (agentKey) => {
        const agentInstanceId = issued.get(agentKey.fingerprint);
        return agentInstanceId ? { accepted: true, agentInstanceId } : controlPlane.checkAgentKey(agentKey);
      },
    } satisfies ControlPlane;
  },
}));

/** A Put whose answer was lost is repeated under another version id, as with a token that the SDK makes up. */
export const putWithANewToken = withSecrets((secrets, { token }) => ({
  putVersion: async (version) => {
    try {
      await secrets.putVersion(version);
    } catch {
      await secrets.putVersion({ ...version, versionId: `${token.slice(0, -4)}ffff` });
    }
  },
}));

/** The value does not say until when the key before lives, so that nothing keeps a second rotation off. */
export const noGuard = withSecrets((secrets) => ({
  putVersion: (version) => {
    const { previousKeyExpiresAt: _, ...record } = parseRecord(version.value) as AgentKeyRecord;
    return secrets.putVersion({ ...version, value: serialiseRecord(record) });
  },
}));

/** By the book: createSecret mints and stores, and finishSecret promotes, each an invocation of its own. */
export const promoteInALaterInvocation: Step = async (deps, request) => {
  if (request.step === "finishSecret") return promoteStored(deps, request);
  if (request.step !== "createSecret") return;
  const later = new Stop("promotion-failed");
  const moveCurrent = async () => {
    throw later;
  };
  const sleep = async () => {
    throw later;
  };
  await runStep({ ...deps, sleep, secrets: { ...deps.secrets, moveCurrent } }, request).catch(
    (error: unknown) => {
      if (error !== later) throw error;
    },
  );
};

/** Takes AWSPENDING off the version that it has just promoted. */
export const stripPendingAtTheEnd: Step = async (deps, request) => {
  await runStep(deps, request);
  if (request.step !== "finishSecret") return;
  const { versionStages } = await deps.secrets.describe(request.secretArn);
  if (versionStages[request.token]?.includes("AWSPENDING")) {
    await deps.secrets.removePending(request.secretArn, request.token);
  }
};

/** A pending version without a value is taken as licence to mint. */
export const mintOnNotFound: Step = async (deps, request) => {
  if (request.step !== "createSecret") return promoteStored(deps, request);
  await mintUnlessStored(deps, request);
  await promoteStored(deps, request);
};

/** AWS's generic template with a refresh in the place of its random password. */
export const officialTemplate: Step = async (deps, request) => {
  switch (request.step) {
    case "createSecret":
      return mintUnlessStored(deps, request);
    case "finishSecret":
      return promoteStored(deps, request);
    default:
  }
};

async function mintUnlessStored({ secrets, connect }: RotationDeps, request: RotationRequest): Promise<void> {
  const { versionStages } = await secrets.describe(request.secretArn);
  const stages = versionStages[request.token];
  if (stages?.includes("AWSCURRENT")) return;
  if (!stages?.includes("AWSPENDING")) throw new Stop("not-pending");
  const value = await secrets.readCurrent(request.secretArn);
  if ((await secrets.readVersion(request.secretArn, request.token)) !== undefined) return;
  const current = parseRecord(value ?? "");
  const controlPlane = await connect();
  const { agentKey } = await controlPlane.refreshAgentKey(current.agentInstanceId, request.token);
  await secrets.putVersion({
    secretId: request.secretArn,
    versionId: request.token,
    stage: "AWSPENDING",
    value: serialiseRecord({
      ...current,
      agentKey: new AgentKey(agentKey.reveal()),
      issuedAt: controlPlane.now(),
    }),
  });
}

async function promoteStored({ secrets }: RotationDeps, request: RotationRequest): Promise<void> {
  if (request.step === "setSecret" || request.step === "testSecret") return;
  const { versionStages } = await secrets.describe(request.secretArn);
  const from = versionWith("AWSCURRENT", versionStages);
  if (from === request.token || from === undefined) return;
  await secrets.moveCurrent(request.secretArn, { to: request.token, from });
}
