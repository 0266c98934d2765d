import { invalidParameter, invalidRequest, notSupported } from "../errors";
import { clientRequestToken, flag, type Input, integer, list, secretId, structure, text } from "../input";
import type { RotationRules, RotationSettings, Secret } from "../model";
import { reattempt, registerPending, retryUntil, startRotation } from "../rotation";
import { checkRules, lastInstant, nextWindow } from "../schedule";
import type { Store } from "../store";
import { byId, CURRENT, holderOf, unfinished } from "../versions";

function rotationRules(input: Input): RotationRules | null {
  if ((input.RotationRules ?? null) === null) return null;
  const given = structure(input.RotationRules, "RotationRules");
  const days = integer(given, "AutomaticallyAfterDays");
  const duration = text(given, "Duration", 2, 3);
  const expression = text(given, "ScheduleExpression", 1, 256);
  return checkRules({
    ...(days === null ? {} : { AutomaticallyAfterDays: days }),
    ...(duration === null ? {} : { Duration: duration }),
    ...(expression === null ? {} : { ScheduleExpression: expression }),
  });
}

const configuredFunction = (input: Input, secret: Secret): string | null =>
  text(input, "RotationLambdaARN", 0, 2_048) || (secret.rotation?.functionArn ?? null);

/** The function that a RotateSecret request is about; `null` where the request is going to be refused. */
export function functionToRotateWith(store: Store, input: Input): string | null {
  const id = text(input, "SecretId", 0, 2_048);
  const secret = id === null ? null : store.find(id);
  return secret && configuredFunction(input, secret);
}

/** Days count on from the last rotation, also where the rules change or rotation was off for a while. */
function settingsFor(
  store: Store,
  secret: Secret,
  functionArn: string,
  rules: RotationRules | null,
): RotationSettings {
  const now = store.clock.now();
  const present = secret.rotation;
  if (present?.enabled && rules === null) return { ...present, functionArn };
  const applied = rules ?? present?.rules ?? {};
  const countedFrom = present?.countedFrom ?? now;
  const countsDays =
    applied.ScheduleExpression === undefined || applied.ScheduleExpression.startsWith("rate");
  const span = nextWindow(applied, countsDays ? countedFrom : now, now);
  return {
    enabled: true,
    functionArn,
    rules: applied,
    countedFrom,
    window: span && { ...span, used: false },
    nextRotationAt: span && lastInstant(span),
  };
}

export function rotateSecret(store: Store, input: Input): object {
  const token = clientRequestToken(input, invalidParameter);
  if (
    list(input, "ExternalSecretRotationMetadata") ??
    text(input, "ExternalSecretRotationRoleArn", 20, 2_048)
  ) {
    throw notSupported("Rotation of a managed external secret");
  }
  const rules = rotationRules(input);
  const immediately = flag(input, "RotateImmediately") ?? true;
  const secret = store.getUsable(secretId(input));
  const functionArn = configuredFunction(input, secret);
  if (functionArn === null) {
    throw invalidRequest("No Lambda rotation function ARN is associated with this secret.");
  }
  const answer = { ARN: secret.arn, Name: secret.name, VersionId: token };
  // The same request again, its answer having been lost.
  if (store.rotations.get(secret.name)?.token === token) return answer;
  if (unfinished(secret.versions)) {
    reattempt(store, secret);
    throw invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.");
  }
  if (byId(secret.versions, token)) return answer;

  const settings = settingsFor(store, secret, functionArn, rules);
  const copied = immediately ? null : (holderOf(secret.versions, CURRENT)?.value ?? null);
  const registered = registerPending(store, { ...secret, rotation: settings }, token, copied);
  const kind = immediately ? "rotation" : "test";
  startRotation(store, registered, functionArn, kind, token, retryUntil(store, settings));
  return answer;
}

export function cancelRotateSecret(store: Store, input: Input): object {
  const secret = store.getUsable(secretId(input));
  if (secret.rotation === null) {
    throw invalidRequest("No Lambda rotation function ARN is associated with this secret.");
  }
  const pending = unfinished(secret.versions);
  store.rotations.delete(secret.name);
  store.save({
    ...secret,
    lastChangedAt: store.clock.now(),
    rotation: { ...secret.rotation, enabled: false },
  });
  return { ARN: secret.arn, Name: secret.name, ...(pending ? { VersionId: pending.id } : {}) };
}
