import { FrozenClock } from "../../../local/clock";
import {
  type ControlPlaneServerOptions,
  type LocalControlPlane,
  startControlPlane,
} from "../../../local/control-plane/server";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the wire holds; each test says what it expects
  readonly body: any;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

export interface RunningControlPlane extends LocalControlPlane {
  /** One request below the base URL; with the operator's API key unless other headers are given. */
  call(route: string, options?: CallOptions): Promise<Answer>;
  /** Creates an instance and gives its id and key. */
  createInstance(name: string): Promise<{ id: string; agentKey: string }>;
  /** The status that `GET /agent_instance/info` answers this key with. */
  infoStatus(agentKey: string): Promise<number>;
}

const running: LocalControlPlane[] = [];

/** A Control Plane whose clock stands still; `stopAll` ends it. */
export async function run(options: ControlPlaneServerOptions = {}): Promise<RunningControlPlane> {
  const controlPlane = await startControlPlane({ clock: new FrozenClock(), ...options });
  running.push(controlPlane);

  const call: RunningControlPlane["call"] = async (route, { body, headers, signal } = {}) => {
    const [method = "", path] = route.split(" ");
    const response = await fetch(`${controlPlane.url}${path}`, {
      method,
      headers: headers ?? { "api-key": controlPlane.apiKey },
      redirect: "manual",
      ...(signal && { signal }),
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: parsed(text) };
  };
  return {
    ...controlPlane,
    call,
    async createInstance(name) {
      const { body } = await call("POST /agent_instance/create", {
        body: { name, agent_type_id: "at_support" },
      });
      return { id: body.id ?? body.agent_instance_id, agentKey: body.secret ?? body.secret_token };
    },
    async infoStatus(agentKey) {
      return (await call("GET /agent_instance/info", { headers: { "X-Agent-Secret": agentKey } })).status;
    },
  };
}

export async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((controlPlane) => controlPlane.close()));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
