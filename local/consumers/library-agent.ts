import { agentKeys } from "../../agent/agent-keys";
import { callAllTheTime } from "./calls";

/** An agent that uses the TypeScript library, with its defaults. It goes by the clock of the local services. */
async function main(): Promise<void> {
  const url = `${process.env.VALMI_CONTROL_PLANE_URL}/agent_instance/info`;
  const clockUrl = `${process.env.AWS_ENDPOINT_URL_SECRETS_MANAGER}/_local/clock`;
  let aheadMs = 0;
  const clock = { now: () => Date.now() + aheadMs };
  const keys = agentKeys({ secretId: process.env.SECRET_ID ?? "" }, { clock });
  await callAllTheTime(async () => {
    const { now } = (await (await fetch(clockUrl)).json()) as { now: number };
    aheadMs = now - Date.now();
    let used = "";
    const response = await keys
      .call((key) => {
        used = key.fingerprint;
        return fetch(url, { headers: { "X-Agent-Secret": key.reveal() } });
      })
      .catch(() => undefined);
    await response?.arrayBuffer();
    return { ok: response?.ok ?? false, key: used };
  });
}

void main();
