import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** An endpoint for a topic's messages, which confirms its subscription and keeps what comes. */
export class Pager {
  /** What SNS has sent, without its request for confirmation. */
  readonly messages: string[] = [];
  private readonly server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.end();
    const text = Buffer.concat(chunks).toString();
    const { Type, SubscribeURL } = JSON.parse(text) as { Type?: string; SubscribeURL?: string };
    if (Type === "SubscriptionConfirmation") {
      const { pathname, search } = new URL(SubscribeURL ?? "");
      await fetch(new URL(pathname + search, this.emulatorUrl));
    } else {
      this.messages.push(text);
    }
  });

  constructor(private readonly emulatorUrl: string) {}

  /** Its URL, from when on it listens. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}
