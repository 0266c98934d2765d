import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { type Clock, systemClock } from "../../core/clock";

// From 2027 the SDK asks for Node 22; each test file on Node 20 would print eight lines about it.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

/** An AWS service's refusal, as its JSON protocol carries it. */
export class AwsRefusal extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly statusCode = 400,
    /** Fields beside code and text, such as DynamoDB's `Item`. */
    readonly fields: object = {},
  ) {
    super(message);
  }
}

type Input = Record<string, unknown>;

interface Answer {
  readonly status: number;
  readonly body: object;
}

interface Order {
  readonly operation: string;
  readonly befall: (carryOut: () => Answer) => Answer | Promise<Answer>;
}

/**
 * An AWS service in this process, met by the SDK's real clients: give `requestHandler` to a client, or `serve` it over
 * HTTP. Counts its calls; what is ordered befalls the next call of an operation, first ordered, first met.
 */
export class InMemoryAws {
  readonly calls: string[] = [];
  private readonly orders: Order[] = [];

  /** @param perform carries one operation out; throws an error with `code`, `message` and `statusCode` */
  constructor(private readonly perform: (operation: string, input: Input) => object) {}

  /** For a client's `requestHandler`. */
  get requestHandler() {
    return {
      handle: async (request: { headers: Record<string, string>; body: string | Uint8Array }) => {
        const { status, body } = await this.answer(
          String(request.headers["x-amz-target"]),
          typeof request.body === "string" ? request.body : new TextDecoder().decode(request.body),
        );
        return {
          response: {
            statusCode: status,
            headers: { "content-type": "application/x-amz-json-1.1" },
            body: Readable.from([Buffer.from(JSON.stringify(body))]),
          },
        };
      },
    };
  }

  /** The call is carried out, and its answer never arrives. */
  loseAnswer(operation: string, times = 1): void {
    this.order(operation, times, (carryOut) => {
      carryOut();
      throw connectionReset();
    });
  }

  /** The call is refused, and nothing is carried out. */
  refuse(operation: string, code: string, times = 1): void {
    this.order(operation, times, () => {
      throw new AwsRefusal(code, `Ordered: ${code}`, code === "InternalServiceError" ? 500 : 400);
    });
  }

  /** Takes back whatever was ordered and has not happened yet. */
  clear(): void {
    this.orders.length = 0;
  }

  /** Something else happens first, while the call is on its way. */
  meanwhile(operation: string, happens: () => Promise<unknown>): void {
    this.order(operation, 1, async (carryOut) => {
      await happens();
      return carryOut();
    });
  }

  /** Listens on 127.0.0.1, on a free port. `clock` dates the answers, as AWS's own does. */
  async serve(clock: Clock = systemClock): Promise<{ readonly url: string; close(): Promise<void> }> {
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { status, body } = await this.answer(
        String(request.headers["x-amz-target"]),
        Buffer.concat(chunks).toString(),
      );
      const date = new Date(clock.now()).toUTCString();
      response.writeHead(status, { "content-type": "application/x-amz-json-1.1", date });
      response.end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      close: () =>
        new Promise((resolve) => {
          server.closeAllConnections();
          server.close(() => resolve());
        }),
    };
  }

  private order(operation: string, times: number, befall: Order["befall"]): void {
    for (let count = 0; count < times; count++) this.orders.push({ operation, befall });
  }

  private async answer(target: string, body: string): Promise<Answer> {
    const operation = target.slice(target.indexOf(".") + 1);
    this.calls.push(operation);
    const carryOut = (): Answer => ({ status: 200, body: this.perform(operation, JSON.parse(body || "{}")) });
    const index = this.orders.findIndex((order) => order.operation === operation);
    const [order] = index < 0 ? [] : this.orders.splice(index, 1);
    try {
      return await (order ? order.befall(carryOut) : carryOut());
    } catch (error) {
      const { code, message, statusCode, fields } = error as AwsRefusal;
      if (statusCode === undefined) throw error;
      return { status: statusCode, body: { __type: code, message, ...fields } };
    }
  }
}

export function connectionReset(): Error {
  return Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
}
