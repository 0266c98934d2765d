import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ListTopicsCommand, PublishCommand, type SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";

/** Whoever is paged: subscribes to the environment's topic, and keeps what comes. */
export class Subscriber {
  readonly messages: string[] = [];
  private topicArn: string | undefined;
  private readonly server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.end();
    const text = Buffer.concat(chunks).toString();
    const { Type, SubscribeURL } = JSON.parse(text) as { Type?: string; SubscribeURL?: string };
    if (Type === "SubscriptionConfirmation") {
      const { pathname, search } = new URL(SubscribeURL ?? "");
      await fetch(new URL(pathname + search, this.emulatorUrl));
      this.isConfirmed = true;
    } else {
      this.messages.push(text);
    }
  });
  isConfirmed = false;

  constructor(
    private readonly client: SNSClient,
    private readonly emulatorUrl: string,
  ) {}

  async subscribe(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    const { Topics = [] } = await this.client.send(new ListTopicsCommand({}));
    this.topicArn = Topics[0]?.TopicArn;
    if (this.topicArn === undefined) throw new Error("the environment has no topic");
    const Endpoint = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    await this.client.send(new SubscribeCommand({ TopicArn: this.topicArn, Protocol: "http", Endpoint }));
  }

  async publish(Message: string): Promise<void> {
    await this.client.send(new PublishCommand({ TopicArn: this.topicArn, Message }));
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}
