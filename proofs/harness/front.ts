import {
  createServer,
  request as forward,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { Front } from "../../local/local-run";

/** One call of Terraform, or of Secrets Manager upon a function, as it went. */
export interface Call {
  /** Of AWS, as the signature names it, such as `iam`. */
  readonly service: string;
  readonly userAgent: string;
  /** HTTP method and path. */
  readonly route: string;
  /** Such as `CreateRole`, `CreateFunction`, `Invoke`. */
  readonly operation: string;
  /** What it is about: the function's name; else "". */
  readonly subject: string;
  readonly request: string;
  readonly status: number;
  readonly answer: string;
  readonly answerHeaders: IncomingHttpHeaders;
}

export interface RecordingFront extends Front {
  /** The calls that were answered, oldest first; those held back are among them. */
  readonly calls: readonly Call[];
  /**
   * AWS carries the next such call out, and the caller gets no answer: neither to this one nor to any other, until
   * `letPass`. Resolves when it has been carried out.
   */
  holdBack(isMeant: (call: Call) => boolean): Promise<Call>;
  /** Cuts what is held back, waits for what AWS is still at, and lets everything pass again. */
  letPass(): Promise<void>;
  close(): Promise<void>;
}

/** Records what Terraform and Secrets Manager ask of the local AWS and are answered. */
export async function startFront(): Promise<RecordingFront> {
  const calls: Call[] = [];
  const held: ServerResponse[] = [];
  let holding = false;
  let meant: { isMeant: (call: Call) => boolean; resolve: (call: Call) => void } | undefined;
  let services: Parameters<Front["forwardTo"]>[0] | undefined;

  async function pass(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await textOf(incoming);
    const { method = "GET", url = "/" } = incoming;
    // Answers are to be read as they are.
    const { "accept-encoding": _packed, ...headers } = incoming.headers;
    const isSecrets = String(headers["x-amz-target"] ?? "").startsWith("secretsmanager.");
    const target = isSecrets ? services?.secretsManagerUrl : services?.emulatorUrl;
    if (target === undefined) {
      response.writeHead(503).end();
      return;
    }
    const answered = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = forward(new URL(url, target), { method, headers }, resolve);
      outgoing.once("error", reject);
      outgoing.end(request);
    });
    const answer = await textOf(answered);
    const call: Call = {
      service: /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(headers.authorization ?? "")?.[1] ?? "",
      userAgent: headers["user-agent"] ?? "",
      route: `${method} ${decodeURIComponent(url.split("?")[0] ?? "")}`,
      ...operationOf(method, url, headers, request.toString()),
      request: request.toString(),
      status: answered.statusCode ?? 502,
      answer: answer.toString(),
      answerHeaders: answered.headers,
    };
    calls.push(call);
    if (meant?.isMeant(call)) {
      holding = true;
      meant.resolve(call);
      meant = undefined;
    }
    if (holding) {
      held.push(response);
      return;
    }
    const { "transfer-encoding": _, ...kept } = answered.headers;
    response.writeHead(call.status, { ...kept, "content-length": answer.length });
    response.end(answer);
  }

  const underWay = new Set<Promise<void>>();
  const server = createServer((incoming, response) => {
    const passing = pass(incoming, response)
      .catch((error: Error) => void response.destroy(error))
      .finally(() => underWay.delete(passing));
    underWay.add(passing);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const letPass = async () => {
    meant = undefined;
    await Promise.all(underWay);
    holding = false;
    for (const response of held.splice(0)) response.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    forwardTo(given) {
      services = given;
    },
    holdBack: (isMeant) =>
      new Promise((resolve) => {
        meant = { isMeant, resolve };
      }),
    letPass,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** AWS names an operation in a header, in a form, or, where it speaks REST, by method and path. */
function operationOf(
  method: string,
  url: string,
  headers: IncomingHttpHeaders,
  body: string,
): Pick<Call, "operation" | "subject"> {
  const target = headers["x-amz-target"];
  if (typeof target === "string") return { operation: target.split(".").at(-1) ?? target, subject: "" };
  const form = new URLSearchParams(body).get("Action");
  if (form !== null) return { operation: form, subject: "" };
  const [ofLambda, subject = "", rest] =
    /^\/\d{4}-\d{2}-\d{2}\/functions(?:\/([^/?]+))?(?:\/([^?]*))?/.exec(url) ?? [];
  const name = decodeURIComponent(subject).split(":").at(-1) ?? "";
  if (ofLambda && method === "POST" && subject === "")
    return { operation: "CreateFunction", subject: JSON.parse(body).FunctionName };
  if (rest === "invocations") return { operation: "Invoke", subject: name };
  if (method === "POST" && rest === "policy") return { operation: "AddPermission", subject: name };
  return { operation: `${method} ${url.split("?")[0]}`, subject: name };
}

async function textOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
