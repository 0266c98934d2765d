import { setTimeout as wait } from "node:timers/promises";
import type { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { agentKeys } from "../consumer/agent-keys";
import { systemClock } from "../lambda/clock";
import { AGENT_KEY_FIELD, KEY_SHAPE } from "../lambda/contract";
import { type OnNewKey, runWithKey } from "./runner";

/** The variable that the examples of Valmi's SDKs take the key from. */
const SDK_VARIABLE = "VALUE_AGENT_SECRET";

export interface ExecRequest {
  readonly secretName: string;
  /** Besides `VALMI_AGENT_KEY` and `VALUE_AGENT_SECRET`. */
  readonly variables: readonly string[];
  readonly command: readonly string[];
  readonly watchSeconds: number;
  readonly stopSeconds: number;
  readonly gracePeriodHours: number;
  readonly overlapSeconds?: number;
  readonly hook?: string;
}

/** Runs the command until it ends, and gives its exit code. */
export async function execWithKey(client: SecretsManagerClient, request: ExecRequest): Promise<number> {
  const [program, ...args] = request.command;
  if (program === undefined) throw new Error("COMMAND: missing");
  for (const name of request.variables) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      // What comes after the equals sign may be a key.
      const got = name.replace(/=.*/s, "=…").replace(KEY_SHAPE, "[masked]");
      throw new Error(`--env: must be the name of an environment variable, without a value, got: ${got}`);
    }
  }
  const { secretName: secretId, gracePeriodHours } = request;
  return runWithKey(
    {
      command: [program, ...args],
      environment: process.env,
      variables: [AGENT_KEY_FIELD, SDK_VARIABLE, ...request.variables],
      watchMs: request.watchSeconds * 1_000,
      stopMs: request.stopSeconds * 1_000,
      onNewKey: onNewKey(request),
    },
    {
      keys: agentKeys({ secretId, gracePeriodHours, secretsManager: client }),
      clock: systemClock,
      wait: (milliseconds, signal) => wait(milliseconds, undefined, { signal }),
      random: Math.random,
      tell: (line) => console.error(`valmi-agent-keys: ${line}`),
      signals: process,
      isTerminal: process.stdin.isTTY === true,
    },
  );
}

function onNewKey({ hook, overlapSeconds }: ExecRequest): OnNewKey {
  if (hook !== undefined && overlapSeconds !== undefined) {
    throw new Error("--hook, --overlap: choose one; a hook leaves the command running");
  }
  if (hook !== undefined) return { kind: "hook", hook };
  return overlapSeconds === undefined
    ? { kind: "restart" }
    : { kind: "overlap", overlapMs: overlapSeconds * 1_000 };
}
