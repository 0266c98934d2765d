import { ControlPlaneError } from "../../core/control-plane/errors";
import type { AuditedWorld } from "../stuck/audited-world";
import { named } from "../stuck/audited-world";

/** A path of rotation, or of the watch over it, that is broken from one moment on. */
export interface Breakage {
  readonly name: string;
  readonly breaks: (audited: AuditedWorld) => void;
  /** Who has to notice: a page by this name, an alarm by the end of its name, or the heartbeat's silence. */
  readonly noticedBy: `page ${string}` | `alarm ${string}` | "heartbeat";
}

const operatorCalls = (error: Error) => (audited: AuditedWorld) => {
  audited.broken.befall = ({ kind, label }) =>
    kind.startsWith("control") && !label.startsWith("check") ? error : undefined;
};

export const BREAKAGES: readonly Breakage[] = [
  {
    name: "the rotation role lost its rights on the secrets",
    breaks: (audited) => {
      audited.broken.befall = ({ by, kind }) =>
        by === "rotation" && kind.startsWith("secret") ? named("AccessDeniedException") : undefined;
    },
    noticedBy: "page self-test-failed",
  },
  {
    name: "the rotation role may not write values any more",
    breaks: (audited) => {
      audited.broken.befall = ({ by, label }) =>
        by === "rotation" && label.startsWith("PutSecretValue") ? named("AccessDeniedException") : undefined;
    },
    noticedBy: "page self-test-failed",
  },
  {
    name: "the rotation role may not write intents any more",
    breaks: (audited) => {
      audited.broken.befall = ({ by, kind }) =>
        by === "rotation" && kind === "intent-write" ? named("AccessDeniedException") : undefined;
    },
    noticedBy: "page self-test-failed",
  },
  {
    name: "the KMS grant of the rotation role was taken back",
    breaks: (audited) => {
      audited.broken.befall = ({ by, label }) =>
        by === "rotation" && /^(Get|Put)SecretValue/.test(label) ? named("DecryptionFailure") : undefined;
    },
    noticedBy: "page self-test-failed",
  },
  {
    name: "the KMS key was disabled, for the auditor too",
    breaks: (audited) => {
      audited.broken.befall = ({ label }) =>
        /^(Get|Put)SecretValue/.test(label) ? named("DecryptionFailure") : undefined;
    },
    noticedBy: "page secrets-unreadable",
  },
  {
    name: "the operator's API key was revoked",
    breaks: operatorCalls(new ControlPlaneError("unauthorized", "401", "no")),
    noticedBy: "page operator-key-refused",
  },
  {
    name: "the operator's API key has expired, or lost a right",
    breaks: operatorCalls(new ControlPlaneError("forbidden", "403", "no")),
    noticedBy: "page operator-key-refused",
  },
  {
    name: "the operator's API key was deleted",
    breaks: ({ world }) =>
      void world.call("PutSecretValue", { SecretId: world.operatorKeyArn, SecretString: "-" }),
    noticedBy: "page operator-key-missing",
  },
  {
    name: "no network to the Control Plane",
    breaks: (audited) => {
      audited.broken.befall = ({ kind }) =>
        kind.startsWith("control") ? new ControlPlaneError("unreachable", "no answer", "no") : undefined;
    },
    noticedBy: "page control-plane-unavailable",
  },
  {
    name: "the rotation function was deleted",
    breaks: (audited) => {
      audited.broken.rotationFunction = named("ResourceNotFoundException");
    },
    noticedBy: "page rotation-function-unusable",
  },
  {
    name: "the schedule was switched off",
    breaks: ({ world }) => void world.call("CancelRotateSecret", { SecretId: world.secretArn }),
    noticedBy: "page rotation-off",
  },
  {
    name: "Secrets Manager may not invoke the function any more",
    breaks: (audited) => {
      audited.broken.mayNotBeInvoked = true;
    },
    noticedBy: "page invoke-permission-missing",
  },
  {
    name: "nobody is subscribed to the topic any more",
    breaks: (audited) => {
      audited.broken.route = "nobody has confirmed a subscription";
    },
    noticedBy: "heartbeat",
  },
  {
    name: "the topic is gone: publishing fails",
    breaks: (audited) => {
      audited.broken.publish = named("NotFoundException");
      audited.broken.route = "NotFoundException";
    },
    noticedBy: "heartbeat",
  },
  {
    name: "the auditor ends by an error each time",
    breaks: (audited) => {
      audited.broken.auditor = named("AccessDeniedException");
    },
    noticedBy: "alarm auditor-silent",
  },
  {
    name: "the auditor is not started any more",
    breaks: (audited) => {
      audited.audit = async () => {};
    },
    noticedBy: "alarm auditor-silent",
  },
];
