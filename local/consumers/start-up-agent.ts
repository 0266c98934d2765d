import { AgentKey } from "../../core/key/credential";
import { callAllTheTime } from "./calls";

/** An agent that takes its key from `VALMI_AGENT_KEY` when it starts, and knows nothing of Secrets Manager. */
async function main(): Promise<void> {
  const key = new AgentKey(process.env.VALMI_AGENT_KEY ?? "");
  const url = `${process.env.VALMI_CONTROL_PLANE_URL}/agent_instance/info`;
  await callAllTheTime(async () => {
    const response = await fetch(url, { headers: { "X-Agent-Secret": key.reveal() } }).catch(() => undefined);
    await response?.arrayBuffer();
    return { ok: response?.ok ?? false, key: key.fingerprint };
  });
}

void main();
