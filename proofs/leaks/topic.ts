import { ListTopicsCommand, PublishCommand, type SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";
import { Pager } from "../harness/pager";

/** Whoever is paged: subscribes to the environment's topic, and keeps what comes. */
export class Subscriber extends Pager {
  private topicArn: string | undefined;

  constructor(
    private readonly client: SNSClient,
    emulatorUrl: string,
  ) {
    super(emulatorUrl);
  }

  async subscribe(): Promise<void> {
    const { Topics = [] } = await this.client.send(new ListTopicsCommand({}));
    this.topicArn = Topics[0]?.TopicArn;
    if (this.topicArn === undefined) throw new Error("the environment has no topic");
    const Endpoint = await this.listen();
    await this.client.send(new SubscribeCommand({ TopicArn: this.topicArn, Protocol: "http", Endpoint }));
  }

  async publish(Message: string): Promise<void> {
    await this.client.send(new PublishCommand({ TopicArn: this.topicArn, Message }));
  }
}
