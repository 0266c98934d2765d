import { command } from "../../core/command-line";
import type { OrderKind } from "../../core/protocol/intent";
import { orderUpon } from "../../core/protocol/orders";
import { CommandError } from "../command-error";
import type { OperatorPorts } from "../ports";
import type { Instance } from "./environment";
import { nameOf } from "./instance";
import type { StoredRecord } from "./keys";

/**
 * Writes an operator's order into the intent table, upon the version that is under AWSCURRENT. `false`: an earlier mint upon
 * it is unfinished, and the next rotation goes on with that one whatever is ordered.
 */
export async function placeOrder(
  ports: Pick<OperatorPorts, "newId">,
  instance: Instance,
  current: StoredRecord,
  order: { readonly kind: OrderKind; readonly now: number; readonly until: number },
): Promise<boolean> {
  const { intents, secretArn } = instance;
  const standing = await intents.read(secretArn, current.versionId);
  const intent = orderUpon(standing, {
    ...order,
    secretArn,
    baseVersionId: current.versionId,
    agentInstanceId: current.agentInstanceId,
    owner: ports.newId(),
  });
  if (!intent) return false;
  const { taken } = await (standing ? intents.retake(intent, standing) : intents.take(intent));
  if (taken) return true;
  throw new CommandError(
    "refused",
    `a rotation of ${nameOf(instance)} began at this very moment, and nothing was ordered`,
    `look at it, then ask again: ${command("status")}`,
  );
}
