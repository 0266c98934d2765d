import { randomUUID } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { descendantsOf, exitOf, signalProcess, startProcess, waitForEnd } from "./processes";

/** Credentials that every AWS client of the local run uses: no emulator checks them, and no AWS account has them. */
export const LOCAL_CREDENTIALS = {
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
} as const;

/** Settings of the AWS SDK of whoever takes part in a local run. */
export const LOCAL_SDK = {
  /** From 2027 the SDK asks for Node 22; until then each process on Node 20 would print eight lines about it. */
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  /** The SDK takes a clock that was moved for its own being wrong, and sends again whatever is answered by an error. */
  AWS_DISABLE_CLOCK_SKEW_CORRECTION: "true",
} as const;

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 2_000;

export interface EmulatorOptions {
  /** Python of the virtual environment that holds MiniStack. */
  readonly python: string;
  /** Folder of this run; the emulator's log and everything it writes stay below it. */
  readonly folder: string;
  readonly region: string;
  /** Base URL of the local Secrets Manager. The functions reach it by the emulator's environment, which they inherit. */
  readonly secretsManagerUrl: string;
  /** Where the functions reach DynamoDB. @default - the emulator's own */
  readonly dynamoDbUrl?: string;
  /** @default process.env - what isn't about AWS is passed on: PATH, proxies, locale */
  readonly env?: NodeJS.ProcessEnv;
}

export interface Emulator {
  readonly url: string;
  readonly pid: number;
  /** Ends it and the functions' processes, and removes what they wrote. Safe to repeat. */
  close(): Promise<void>;
}

/**
 * Starts MiniStack on a free loopback port and waits until it answers.
 *
 * @throws Error with the end of the emulator's log where it ends or doesn't answer within 30 s.
 */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const temporary = join(options.folder, "emulator");
  const logFile = join(options.folder, "emulator.log");
  await mkdir(temporary, { recursive: true });

  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  // The port was free a moment ago. Should another run's emulator have taken it, the health check would be answered
  // all the same; its answer repeats this name, and theirs has another.
  const edition = randomUUID();
  const child = startProcess(options.python, ["-m", "ministack"], {
    cwd: temporary,
    logFile,
    env: {
      ...withoutAws(options.env ?? process.env),
      ...LOCAL_CREDENTIALS,
      ...regionVariables(options.region),
      AWS_ENDPOINT_URL: url,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: options.secretsManagerUrl,
      ...(options.dynamoDbUrl === undefined ? {} : { AWS_ENDPOINT_URL_DYNAMODB: options.dynamoDbUrl }),
      BIND_HOST: "127.0.0.1",
      GATEWAY_PORT: String(port),
      LAMBDA_EXECUTOR: "local",
      MINISTACK_EDITION: edition,
      MINISTACK_REGION: options.region,
      // Listeners that nothing here uses.
      IOT_MTLS_ENABLED: "0",
      SFTP_ENABLED: "0",
      PERSIST_STATE: "0",
      STATE_DIR: temporary,
      TMPDIR: temporary,
      PYTHONUNBUFFERED: "1",
      PYTHONDONTWRITEBYTECODE: "1",
    },
  });
  let ended: number | string | undefined;
  exitOf(child).then(
    (code) => {
      ended = `ended with ${code}`;
    },
    (error: Error) => {
      ended = `can't be started: ${error.message}`;
    },
  );

  const close = async (): Promise<void> => {
    if (child.pid !== undefined && ended === undefined) {
      const workers = descendantsOf(child.pid).map(({ pid }) => pid);
      signalProcess(child.pid, "SIGTERM");
      for (const pid of await waitForEnd([child.pid, ...workers], STOP_LIMIT_MS))
        signalProcess(pid, "SIGKILL");
    }
    await rm(temporary, { recursive: true, force: true, maxRetries: 3 });
  };

  const deadline = Date.now() + START_LIMIT_MS;
  while (!(await answersAs(url, edition))) {
    if (ended !== undefined || Date.now() > deadline) {
      await close();
      const end = (await readFile(logFile, "utf8")).trim().split("\n").slice(-3).join(" | ");
      throw new Error(`the emulator ${ended ?? `didn't answer at ${url} within 30 s`}: ${end} (${logFile})`);
    }
    await delay(50);
  }
  return { url, pid: child.pid as number, close };
}

/** An environment without any setting of AWS: no profile, credentials, endpoint or file of the user can reach a child. */
export function withoutAws(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith("AWS_"));
  return {
    ...Object.fromEntries(kept),
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
    ...LOCAL_SDK,
  };
}

export function regionVariables(region: string): { AWS_REGION: string; AWS_DEFAULT_REGION: string } {
  return { AWS_REGION: region, AWS_DEFAULT_REGION: region };
}

async function answersAs(url: string, edition: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/_ministack/health`, { signal: AbortSignal.timeout(2_000) });
    return ((await response.json()) as { edition?: string }).edition === edition;
  } catch {
    return false;
  }
}

/** A port that was free at the time of asking. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
