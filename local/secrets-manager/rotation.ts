import type {
  PendingRotation,
  RotationRules,
  RotationSettings,
  RotationWindow,
  Secret,
  SecretValue,
  Step,
} from "./model";
import { STEPS } from "./model";
import { daysUntil, lastInstant, nextWindow, windowAfterMissed } from "./schedule";
import type { Store } from "./store";
import { byId, CURRENT, dropLabel, moveLabel, PENDING, prune, unfinished } from "./versions";

/*
 * How a rotation runs: registered, its steps handed out one by one, repeated as a whole after a failure, ended.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda.html
 */

/** One call of a rotation function that is due. */
export interface Invocation {
  /** Names it to `invocationSucceeded` and `invocationFailed`. */
  readonly id: string;
  readonly secretArn: string;
  readonly functionArn: string;
  readonly event: {
    readonly Step: Step;
    readonly SecretId: string;
    readonly ClientRequestToken: string;
    readonly RotationToken: string;
  };
}

const invocationId = ({ rotationToken, attempt, step }: PendingRotation) =>
  `${rotationToken}/${attempt}/${step}`;

/** Registers a version without a value, or for a test run with a copy of the current one, under AWSPENDING. */
export function registerPending(
  store: Store,
  secret: Secret,
  token: string,
  value: SecretValue | null,
): Secret {
  const now = store.clock.now();
  const versions = [
    // RotateSecret has no LimitExceededException among its errors.
    ...prune(secret.versions, now, Number.POSITIVE_INFINITY),
    { id: token, createdAt: now, labels: [], value, kmsKeyId: secret.kmsKeyId, lastAccessedDay: null },
  ];
  return store.save({ ...secret, versions: moveLabel(versions, PENDING, token), lastChangedAt: now });
}

/** Queues the steps for the version labelled AWSPENDING. */
export function startRotation(
  store: Store,
  secret: Secret,
  functionArn: string,
  kind: PendingRotation["kind"],
  token: string,
  retryUntil: number,
): void {
  store.rotations.set(secret.name, {
    secretArn: secret.arn,
    functionArn,
    kind,
    token,
    rotationToken: store.uuid(),
    step: kind === "test" ? "testSecret" : "createSecret",
    attempt: 1,
    notBefore: store.clock.now(),
    retryUntil,
    running: false,
  });
  store.reportRotation(kind === "test" ? "TestRotationStarted" : "RotationStarted", secret.arn, token);
}

/** Until when a rotation that starts now may be repeated: only while a window is open. */
export function retryUntil(store: Store, { window }: RotationSettings): number {
  const now = store.clock.now();
  const open = window !== null && window.opensAt <= now && now < window.closesAt;
  return Math.max(now + store.undocumented.retryOnDemandForMs, open ? window.closesAt : 0);
}

/** Runs the rotation that was left unfinished again, under its token, unless it is running or queued already. */
export function reattempt(store: Store, secret: Secret): void {
  const pending = unfinished(secret.versions);
  if (!pending || !secret.rotation?.enabled || store.rotations.has(secret.name)) return;
  const { functionArn } = secret.rotation;
  startRotation(store, secret, functionArn, "rotation", pending.id, retryUntil(store, secret.rotation));
}

/** Ends a rotation because somebody else made a new version. */
export function abandon(store: Store, secret: Secret, token: string): void {
  store.rotations.delete(secret.name);
  store.reportRotation("RotationAbandoned", secret.arn, token);
}

/** The scheduler: moves on from windows that are over, and starts what a window has opened for. */
export function tick(store: Store): void {
  const now = store.clock.now();
  for (const due of store.takeDue()) {
    const secret = leaveClosedWindow(store, due, now);
    const { rotation } = secret;
    if (rotation?.window && !rotation.window.used && store.startOf(rotation.window) <= now) {
      rotateInWindow(store, secret, rotation, rotation.window);
    }
  }
}

function leaveClosedWindow(store: Store, secret: Secret, now: number): Secret {
  const { rotation } = secret;
  if (!rotation?.window || now < rotation.window.closesAt) return secret;
  const span = windowAfterMissed(rotation.rules, rotation.window.opensAt, now);
  return store.save({ ...secret, rotation: { ...rotation, window: span && { ...span, used: false } } });
}

function rotateInWindow(
  store: Store,
  secret: Secret,
  settings: RotationSettings,
  window: RotationWindow,
): void {
  const live = store.rotations.get(secret.name);
  if (live?.kind === "test") {
    // It is over in a moment: the secret stays due.
    store.save(secret);
    return;
  }
  const used = store.save({ ...secret, rotation: { ...settings, window: { ...window, used: true } } });
  if (live) {
    store.rotations.set(secret.name, { ...live, retryUntil: Math.max(live.retryUntil, window.closesAt) });
  } else if (unfinished(used.versions)) {
    reattempt(store, used);
  } else {
    const token = store.uuid();
    const registered = registerPending(store, used, token, null);
    startRotation(store, registered, settings.functionArn, "rotation", token, retryUntil(store, settings));
  }
}

/** Hands out the next step that is due, of a secret none of whose steps is running; `null` if there is none. */
export function nextInvocation(store: Store): Invocation | null {
  const now = store.clock.now();
  for (const [name, rotation] of store.rotations) {
    if (rotation.running || rotation.notBefore > now) continue;
    if (!mayGoOn(store, name, rotation, now)) {
      store.rotations.delete(name);
      continue;
    }
    store.rotations.set(name, { ...rotation, running: true });
    return {
      id: invocationId(rotation),
      secretArn: rotation.secretArn,
      functionArn: rotation.functionArn,
      event: {
        Step: rotation.step,
        SecretId: rotation.secretArn,
        ClientRequestToken: rotation.token,
        RotationToken: rotation.rotationToken,
      },
    };
  }
  return null;
}

/** A rotation ends without a word where its version has neither label any more, or its time for retries is over. */
function mayGoOn(store: Store, name: string, rotation: PendingRotation, now: number): boolean {
  if (rotation.attempt > 1 && rotation.step === STEPS[0] && now >= rotation.retryUntil) return false;
  const secret = store.find(name);
  if (secret === null || secret.deletionAt !== null) return false;
  const labels = byId(secret.versions, rotation.token)?.labels ?? [];
  const started = rotation.step !== STEPS[0];
  return started || labels.includes(PENDING) || labels.includes(CURRENT);
}

/** The rotation that waits for this invocation's answer; `null` once it was cancelled, abandoned or deleted. */
function awaiting(store: Store, id: string): { secret: Secret; rotation: PendingRotation } | null {
  for (const [name, rotation] of store.rotations) {
    if (!rotation.running || invocationId(rotation) !== id) continue;
    const secret = store.find(name);
    return secret && { secret, rotation };
  }
  return null;
}

export function invocationSucceeded(store: Store, id: string): void {
  const found = awaiting(store, id);
  if (found === null) return;
  const { secret, rotation } = found;
  const next = rotation.kind === "test" ? undefined : STEPS[STEPS.indexOf(rotation.step) + 1];
  if (next !== undefined) {
    store.rotations.set(secret.name, { ...rotation, step: next, running: false });
  } else if (rotation.kind === "test") {
    endTest(store, secret, rotation, true);
  } else if (isPromoted(store, secret, rotation.token)) {
    complete(store, secret, rotation);
  } else {
    failAttempt(store, secret, rotation);
  }
}

function isPromoted({ undocumented }: Store, secret: Secret, token: string): boolean {
  const labels = byId(secret.versions, token)?.labels ?? [];
  return (
    labels.includes(CURRENT) &&
    (labels.includes(PENDING) || undocumented.currentWithoutPending === "completes")
  );
}

export function invocationFailed(store: Store, id: string): void {
  const found = awaiting(store, id);
  if (found === null) return;
  const { secret, rotation } = found;
  if (rotation.kind === "test") endTest(store, secret, rotation, false);
  else failAttempt(store, secret, rotation);
}

const failure = ({ functionArn, step }: PendingRotation) =>
  `Error when executing lambda ${functionArn} during ${step} step`;

function endTest(store: Store, secret: Secret, rotation: PendingRotation, passed: boolean): void {
  store.rotations.delete(secret.name);
  const keep = !passed && store.undocumented.pendingAfterFailedTest === "kept";
  if (!keep && byId(secret.versions, rotation.token)?.labels.includes(PENDING)) {
    store.save({ ...secret, versions: dropLabel(secret.versions, PENDING) });
  }
  const name = passed ? "TestRotationSucceeded" : "TestRotationFailed";
  store.reportRotation(name, secret.arn, rotation.token, passed ? null : failure(rotation));
}

function complete(store: Store, secret: Secret, rotation: PendingRotation): void {
  const now = store.clock.now();
  store.rotations.delete(secret.name);
  const own = byId(secret.versions, rotation.token);
  const strip = store.undocumented.pendingAfterRotation === "removed" && own?.labels.includes(PENDING);
  store.save({
    ...secret,
    versions: strip ? dropLabel(secret.versions, PENDING) : secret.versions,
    lastRotatedAt: now,
    lastChangedAt: now,
    rotation: secret.rotation && scheduleFrom(secret.rotation, now),
  });
  store.reportRotation("RotationSucceeded", secret.arn, rotation.token);
}

/** The settings after a rotation, or what counts as one, at `now`. */
export function scheduleFrom(settings: RotationSettings, now: number): RotationSettings {
  if (!settings.enabled) return settings;
  const span = nextWindow(settings.rules, now, now);
  const rules: RotationRules =
    span === null
      ? settings.rules
      : { ...settings.rules, AutomaticallyAfterDays: daysUntil(span.opensAt, now) };
  return {
    ...settings,
    rules,
    countedFrom: now,
    window: span && { ...span, used: false },
    nextRotationAt: span && lastInstant(span),
  };
}

function failAttempt(store: Store, secret: Secret, rotation: PendingRotation): void {
  const now = store.clock.now();
  const { attempts, retryAfterMs, retryToken } = store.undocumented;
  store.reportRotation("RotationFailed", secret.arn, rotation.token, failure(rotation));
  const notBefore = now + retryAfterMs;
  if (rotation.attempt >= attempts || notBefore >= rotation.retryUntil) {
    store.rotations.delete(secret.name);
    return;
  }
  // AWSPENDING may have gone to AWSCURRENT's version by now: then there is nothing left to register anew.
  const token = retryToken === "new" && unfinished(secret.versions) ? store.uuid() : rotation.token;
  if (token !== rotation.token) registerPending(store, secret, token, null);
  store.rotations.set(secret.name, {
    ...rotation,
    token,
    rotationToken: store.uuid(),
    step: STEPS[0],
    attempt: rotation.attempt + 1,
    notBefore,
    running: false,
  });
}
