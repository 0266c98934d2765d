import { PrerequisiteError } from "./prerequisite-error";

/**
 * An emulator that the user has running. Its functions find Secrets Manager by a variable that they inherit from it, so
 * that address is fixed before the local Secrets Manager starts.
 */
export interface OwnEmulator {
  readonly url: string;
  /** Where the local Secrets Manager has to listen. */
  readonly secretsManagerPort: number;
}

/**
 * The emulator that `AWS_ENDPOINT_URL` names; undefined where it isn't set.
 *
 * @throws PrerequisiteError where a URL isn't on loopback (it could be an account of AWS), or the one of Secrets
 * Manager is missing (functions inherit it from the emulator, which can't be told any more), or nothing answers.
 */
export async function findOwnEmulator(env: NodeJS.ProcessEnv): Promise<OwnEmulator | undefined> {
  if (!env.AWS_ENDPOINT_URL) return undefined;
  const { origin } = loopbackUrl("AWS_ENDPOINT_URL", env.AWS_ENDPOINT_URL);
  const secretsManager = env.AWS_ENDPOINT_URL_SECRETS_MANAGER;
  if (!secretsManager) {
    throw new PrerequisiteError(
      "AWS_ENDPOINT_URL is set, but not AWS_ENDPOINT_URL_SECRETS_MANAGER, by which functions in that emulator reach " +
        "the local Secrets Manager",
      "start the emulator with AWS_ENDPOINT_URL_SECRETS_MANAGER=http://127.0.0.1:<a free port> in its environment " +
        "and set the same here, or unset AWS_ENDPOINT_URL",
    );
  }
  const { port } = loopbackUrl("AWS_ENDPOINT_URL_SECRETS_MANAGER", secretsManager);
  await expectAnswer(origin);
  return { url: origin, secretsManagerPort: Number(port || 80) };
}

async function expectAnswer(url: string): Promise<void> {
  await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch((cause: Error) => {
    throw new PrerequisiteError(
      `AWS_ENDPOINT_URL names ${url}, where nothing answers`,
      "start that emulator, or unset the variable",
      { cause },
    );
  });
}

function loopbackUrl(variable: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["127.0.0.1", "localhost", "[::1]"].includes(url.hostname)) {
    throw new PrerequisiteError(
      `${variable} must name an address on loopback, got: ${text}`,
      "unset it, or start the emulator on 127.0.0.1",
    );
  }
  return url;
}
