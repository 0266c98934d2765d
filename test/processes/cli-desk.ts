import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { Certificate } from "../../proofs/harness/certificates";
import { expectNoKeyIn, OperatorWorld } from "../cli/operator-world";
import { NODE } from "./stage";

const ROOT = path.join(__dirname, "../..");

interface Started {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  /** The exit code, once all output is there. */
  readonly ended: Promise<number | null>;
}

/** A deployed environment whose services listen on loopback, and the command line as a process of its own. */
export class ServedDesk {
  private readonly started: ChildProcess[] = [];

  private constructor(
    readonly desk: OperatorWorld,
    readonly urls: { readonly aws: string; readonly controlPlane: string },
    private readonly closers: readonly (() => void)[],
  ) {}

  /** @param certificate for TLS. @default - clear text */
  static async open(desk?: OperatorWorld, certificate?: Certificate): Promise<ServedDesk> {
    const served = desk ?? (await OperatorWorld.ready());
    const aws = await listen(async (request, body) => {
      const { statusCode, headers, text } = await served.answerOfAws(
        {
          method: request.method ?? "GET",
          path: request.url ?? "/",
          headers: request.headers as Record<string, string>,
        },
        body,
      );
      return { status: statusCode, headers, text };
    }, certificate);
    const controlPlane = await listen(async (request, body) => {
      const answer = await served.world.fetch(`https://value.valmi.io${request.url}`, {
        method: request.method ?? "GET",
        headers: request.headers as Record<string, string>,
        ...(body !== "" && { body }),
      });
      return {
        status: answer.status,
        headers: Object.fromEntries(answer.headers.entries()),
        text: await answer.text(),
      };
    }, certificate);
    served.controlPlaneUrl = `${controlPlane.url}/api/v1`;
    return new ServedDesk(served, { aws: aws.url, controlPlane: controlPlane.url }, [
      aws.close,
      controlPlane.close,
    ]);
  }

  close(): void {
    for (const child of this.started) child.kill("SIGKILL");
    for (const close of this.closers) close();
  }

  environment(): NodeJS.ProcessEnv {
    const { PATH, HOME } = process.env;
    return {
      PATH,
      HOME,
      TERM: "xterm",
      AWS_REGION: "eu-west-1",
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      AWS_ENDPOINT_URL: this.urls.aws,
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    };
  }

  /** What starts the command line. */
  words(...args: readonly string[]): string[] {
    return [NODE, "--import", "tsx", path.join(ROOT, "cli/main.ts"), ...args];
  }

  /** Without a terminal. */
  start(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = ROOT): Started {
    return this.spawn(this.words(...args), env, cwd);
  }

  /** At a terminal of so many columns: what is written to it is typed, and what is shown comes out. */
  atTerminal(args: readonly string[], env: NodeJS.ProcessEnv = {}, columns = 200): Started {
    const line = `stty cols ${columns} rows 50; exec "$@"`;
    const terminal = path.join(__dirname, "terminal.py");
    return this.spawn(["python3", terminal, "sh", "-c", line, "sh", ...this.words(...args)], env);
  }

  /** Runs the command line to its end, without a terminal. */
  async run(args: readonly string[], env: NodeJS.ProcessEnv = {}, input = "") {
    const { child, out, err, ended } = this.start(args, env);
    child.stdin?.end(input);
    const code = await ended;
    expectNoKeyIn(out() + err(), [...this.desk.world.credentials, input]);
    return { code, out: out(), err: err() };
  }

  /** Starts any program beside the environment's services. */
  spawn([program = "", ...args]: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = ROOT): Started {
    const child = spawn(program, args, { cwd, env: { ...this.environment(), ...env } });
    this.started.push(child);
    const texts = { out: "", err: "" };
    child.stdout.on("data", (text) => {
      texts.out += text;
    });
    child.stderr.on("data", (text) => {
      texts.err += text;
    });
    child.stdin.on("error", () => {});
    const ended = once(child, "close").then(([code]) => code as number | null);
    return { child, out: () => texts.out, err: () => texts.err, ended };
  }
}

async function listen(
  answer: (
    request: IncomingMessage,
    body: string,
  ) => Promise<{ status: number; headers: Record<string, string>; text: string }>,
  certificate: Certificate | undefined,
) {
  const respond: RequestListener = async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { status, headers, text } = await answer(request, body);
    const { "content-encoding": _, "content-length": __, "transfer-encoding": ___, ...sent } = headers;
    response.writeHead(status, sent);
    response.end(text);
  };
  const server = certificate ? createSecureServer(certificate, respond) : createServer(respond);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `${certificate ? "https://localhost" : "http://127.0.0.1"}:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

jest.setTimeout(120_000);
