import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** An endpoint that confirms its subscription to the topic of pages, and keeps what comes. */
export class Pager {
  private pages: string[] = [];
  private readonly server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.end();
    const { Type, SubscribeURL, Message } = JSON.parse(Buffer.concat(chunks).toString());
    if (Type === "SubscriptionConfirmation") {
      const { pathname, search } = new URL(SubscribeURL);
      await fetch(new URL(pathname + search, this.emulatorUrl));
    } else {
      const { name, state } = JSON.parse(Message).metadata.additionalContext;
      this.pages.push(`${state} ${name}`);
    }
  });

  constructor(private readonly emulatorUrl: string) {}

  /** Its URL, from when on it listens. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** How many pages have come that were not taken yet. */
  get waiting(): number {
    return this.pages.length;
  }

  /** Such as `found key-refused` and `resolved key-refused`. */
  take(): string[] {
    const taken = this.pages.sort();
    this.pages = [];
    return taken;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
