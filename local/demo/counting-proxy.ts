import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";

export interface CountingProxy {
  readonly url: string;
  /** Requests so far by operation, such as `PutItem`. */
  readonly calls: Readonly<Record<string, number>>;
  /** Where requests go. To be called before the first one comes. */
  forwardTo(url: string): void;
  close(): Promise<void>;
}

/**
 * Stands in front of the emulator's DynamoDB and counts, which the emulator doesn't. Only the functions are sent this
 * way: Terraform's own calls go to the emulator.
 */
export async function startCountingProxy(): Promise<CountingProxy> {
  const calls: Record<string, number> = {};
  let target: string | undefined;

  const server = createServer((incoming, answer) => {
    if (target === undefined) {
      answer.writeHead(503).end();
      return;
    }
    const operation =
      String(incoming.headers["x-amz-target"] ?? "")
        .split(".")
        .at(-1) || "unknown";
    calls[operation] = (calls[operation] ?? 0) + 1;
    const { method, url = "/", headers } = incoming;
    const outgoing = forward(new URL(url, target), { method, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    outgoing.once("error", (error) => answer.destroy(error));
    incoming.pipe(outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    forwardTo(url) {
      target = url;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
