import { ControlPlaneError } from "../../core/control-plane/errors";
import { DAY, HOUR, MINUTE } from "../../local/clock";
import { SAMPLE_WORKSPACE_ID } from "../../local/control-plane/seed";
import { storeCurrentAgain } from "../explorer/ports";
import { type AuditedWorld, type Befall, named } from "./audited-world";

/** A state in which a rotation is stuck, by the name that the protocol or the auditor has for it. */
export interface Shape {
  readonly name: string;
  /** Brings it about. */
  readonly occurs: (audited: AuditedWorld) => Promise<void> | void;
  /** `healed`: the current key is accepted, no label is left, and a new key is current where one was due. */
  readonly ends: "healed" | "paged";
  /** The page that tells it, where it is paged; for healed ones, what may be paged meanwhile. */
  readonly page?: string;
  /** How long the auditor may take. @default 15 minutes: one audit, and one more where an attempt may still be alive */
  readonly withinMs?: number;
  /** Keys minted since the first one, the clicked ones included. */
  readonly minted: number;
}

/** The rotation function dies at the n-th call that fits, once. */
export function dieAt(label: RegExp, when: "dies-before" | "dies-after"): Befall {
  let isDead = false;
  return ({ by, label: called }) => {
    if (isDead || by !== "rotation" || !label.test(called)) return undefined;
    isDead = true;
    return when;
  };
}

async function rotateAndDie(audited: AuditedWorld, befall: Befall): Promise<void> {
  audited.broken.befall = befall;
  audited.world.requestRotation();
  await audited.rotate();
  delete audited.broken.befall;
}

const instanceId = ({ world }: AuditedWorld) => world.controlPlane.allInstances()[0]?.id ?? "";
const click = (audited: AuditedWorld) =>
  void audited.world.controlPlane.refresh(SAMPLE_WORKSPACE_ID, instanceId(audited));
const refused = (by: Befall): Befall => by;

export const SHAPES: readonly Shape[] = [
  {
    name: "the function died before it did anything (pending-empty)",
    occurs: (audited) => rotateAndDie(audited, dieAt(/^DescribeSecret/, "dies-before")),
    ends: "healed",
    minted: 1,
  },
  {
    name: "it died with its intent written, and nothing minted (mint-in-flight, timed out)",
    occurs: (audited) => rotateAndDie(audited, dieAt(/^PutItem/, "dies-after")),
    ends: "healed",
    minted: 1,
  },
  {
    name: "it died with a key minted that nobody has (timed out)",
    occurs: (audited) => rotateAndDie(audited, dieAt(/^refresh/, "dies-after")),
    ends: "healed",
    minted: 2,
  },
  {
    name: "it died with the key stored, and not promoted",
    occurs: (audited) => rotateAndDie(audited, dieAt(/^PutSecretValue/, "dies-after")),
    ends: "healed",
    minted: 1,
  },
  {
    name: "it died with the key tested, and not promoted (promotion-failed)",
    occurs: (audited) => rotateAndDie(audited, dieAt(/^UpdateSecretVersionStage/, "dies-before")),
    ends: "healed",
    minted: 1,
  },
  {
    name: "it died with the key promoted, and its record open",
    occurs: (audited) => rotateAndDie(audited, dieAt(/^UpdateItem/, "dies-before")),
    ends: "healed",
    minted: 1,
  },
  {
    name: "the Put was refused to the attempt's end (store-failed)",
    occurs: (audited) =>
      rotateAndDie(audited, ({ by, label }) =>
        by === "rotation" && label.startsWith("PutSecretValue") ? named("InternalServiceError") : undefined,
      ),
    ends: "healed",
    minted: 2,
  },
  {
    name: "the answer to the mint was lost (mint-unanswered)",
    occurs: (audited) =>
      rotateAndDie(audited, ({ by, label }) =>
        by === "rotation" && label === "refresh"
          ? new ControlPlaneError("unreachable", "no answer", "unknown")
          : undefined,
      ),
    ends: "healed",
    minted: 1,
  },
  {
    name: "the Control Plane refused to mint (mint-refused)",
    occurs: (audited) =>
      rotateAndDie(audited, ({ by, label }) =>
        by === "rotation" && label === "refresh" ? new ControlPlaneError("conflict", "409", "no") : undefined,
      ),
    ends: "healed",
    withinMs: HOUR + 15 * MINUTE,
    minted: 1,
  },
  {
    name: "a stored key was outrun by a click (pending-key-dead)",
    async occurs(audited) {
      await rotateAndDie(audited, dieAt(/^UpdateSecretVersionStage/, "dies-before"));
      // Of a key that is old enough to be live the refusal is final; a second click ends it at once.
      audited.world.clock.time += 2 * MINUTE;
      click(audited);
      audited.world.clock.time += 25 * HOUR;
    },
    ends: "healed",
    // For 25 hours nobody ran.
    page: "promotion-overdue",
    minted: 3,
  },
  {
    name: "somebody stored the old value again while a key was minted",
    async occurs(audited) {
      await rotateAndDie(audited, dieAt(/^PutSecretValue/, "dies-after"));
      storeCurrentAgain(audited.world);
    },
    ends: "healed",
    // Upon another current version: another intent.
    minted: 2,
  },
  {
    name: "AWSPENDING was left on a version with an older token",
    async occurs(audited) {
      await rotateAndDie(audited, dieAt(/^PutSecretValue/, "dies-after"));
      audited.world.clock.time += 3 * HOUR;
    },
    ends: "healed",
    page: "promotion-overdue",
    minted: 1,
  },
  {
    name: "somebody clicked Rotate, and the stored key has died (key-refused)",
    occurs(audited) {
      click(audited);
      audited.world.clock.time += 24 * HOUR;
    },
    ends: "healed",
    page: "key-refused",
    withinMs: 24 * HOUR + 15 * MINUTE,
    minted: 2,
  },
  {
    name: "AWSCURRENT was moved back after a rotation (key-on-fuse)",
    async occurs(audited) {
      const { world } = audited;
      const from = world.versionWith("AWSCURRENT");
      await rotateAndDie(audited, () => undefined);
      world.call("UpdateSecretVersionStage", {
        SecretId: world.secretArn,
        VersionStage: "AWSCURRENT",
        MoveToVersionId: from,
        RemoveFromVersionId: world.versionWith("AWSCURRENT"),
      });
    },
    ends: "paged",
    page: "key-on-fuse",
    withinMs: HOUR + 15 * MINUTE,
    minted: 1,
  },
  {
    name: "the current value is another kind of text (current-unreadable)",
    occurs: ({ world }) =>
      void world.call("PutSecretValue", { SecretId: world.secretArn, SecretString: "something else" }),
    ends: "paged",
    page: "current-unreadable",
    withinMs: DAY,
    minted: 0,
  },
  {
    name: "the instance was deleted (instance-gone)",
    occurs: (audited) => audited.world.controlPlane.deleteInstance(SAMPLE_WORKSPACE_ID, instanceId(audited)),
    ends: "paged",
    page: "instance-gone",
    withinMs: DAY,
    minted: -1,
  },
  {
    name: "the instance was deactivated (instance-inactive)",
    occurs: (audited) =>
      void audited.world.controlPlane.updateInstance(SAMPLE_WORKSPACE_ID, instanceId(audited), {
        isActive: false,
      }),
    ends: "paged",
    page: "instance-inactive",
    withinMs: DAY,
    minted: 0,
  },
  {
    name: "the marker names another secret (wrong-instance)",
    occurs: (audited) =>
      void audited.world.controlPlane.updateInstance(SAMPLE_WORKSPACE_ID, instanceId(audited), {
        description: "[valmi-agent-keys 000000000000/eu-west-1/valmi/dev/other/agent-key]",
      }),
    ends: "paged",
    page: "wrong-instance",
    withinMs: DAY,
    minted: 0,
  },
  {
    name: "rotation was switched off with a key stored (rotation-disabled)",
    async occurs(audited) {
      await rotateAndDie(audited, dieAt(/^UpdateSecretVersionStage/, "dies-before"));
      audited.world.call("CancelRotateSecret", { SecretId: audited.world.secretArn });
    },
    ends: "paged",
    page: "rotation-off",
    minted: 1,
  },
  {
    name: "the operator's API key is not readable (operator-key-missing)",
    async occurs(audited) {
      audited.world.call("PutSecretValue", {
        SecretId: audited.world.operatorKeyArn,
        SecretString: "token_other",
      });
      audited.world.requestRotation();
    },
    ends: "paged",
    page: "operator-key-missing",
    minted: 0,
  },
  {
    name: "the operator's API key is refused (operator-key-refused)",
    async occurs(audited) {
      audited.world.requestRotation();
      audited.broken.befall = refused(({ kind, label }) =>
        kind.startsWith("control") && !label.startsWith("check")
          ? new ControlPlaneError("unauthorized", "401", "no")
          : undefined,
      );
    },
    ends: "paged",
    page: "operator-key-refused",
    minted: 0,
  },
];
