import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * CloudWatch's alarms and dashboards as Terraform needs them: put, given back as they were put, tagged, deleted. MiniStack
 * keeps alarms too, but gives back only half of each, so that a plan would never be empty. Nothing is evaluated here: an alarm
 * is proven by `npm run test:detection`. Speaks the query protocol; any other call is refused.
 */
export interface LocalCloudwatch {
  readonly url: string;
  /** What is deployed now. */
  alarms(): readonly Tree[];
  close(): Promise<void>;
}

/** Parameters as they are nested by the dots in their names; a list where a part is called `member`. */
export type Tree = { readonly [name: string]: string | Tree | readonly Tree[] | readonly string[] };

/** @param location what the ARNs of alarms say */
export async function startCloudwatch(location: {
  readonly region: string;
  readonly accountId: string;
}): Promise<LocalCloudwatch> {
  const alarms = new Alarms(location);
  const dashboards = new Dashboards(location);
  const server = createServer(async (request, response) => {
    const input = parseQuery(await bodyOf(request));
    try {
      const action = String(input.Action);
      const result = (action.includes("Dashboard") ? dashboards : alarms).call(action, input);
      response.writeHead(200, { "content-type": "text/xml" });
      response.end(
        `<${input.Action}Response><${input.Action}Result>${toXml(result)}</${input.Action}Result></${input.Action}Response>`,
      );
    } catch (error) {
      const message = error instanceof Error ? error.message : "unknown";
      const isMissing = error instanceof DashboardNotFound;
      const Code = isMissing ? "ResourceNotFound" : "InvalidAction";
      response.writeHead(isMissing ? 404 : 400, { "content-type": "text/xml" });
      response.end(
        `<ErrorResponse><Error>${toXml({ Type: "Sender", Code, Message: message })}</Error></ErrorResponse>`,
      );
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    alarms: () => alarms.all(),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

class Alarms {
  private readonly alarms = new Map<string, Tree>();
  private readonly tags = new Map<string, Map<string, string>>();

  constructor(private readonly location: { readonly region: string; readonly accountId: string }) {}

  all(): readonly Tree[] {
    return [...this.alarms.values()];
  }

  call(action: string, input: Tree): Tree {
    switch (action) {
      case "PutMetricAlarm":
        return this.put(input);
      case "DescribeAlarms": {
        const names = (input.AlarmNames ?? []) as readonly string[];
        const found = this.all().filter(
          ({ AlarmName }) => names.length === 0 || names.includes(String(AlarmName)),
        );
        return { MetricAlarms: found, CompositeAlarms: [] };
      }
      case "DeleteAlarms":
        for (const name of (input.AlarmNames ?? []) as readonly string[]) {
          this.tags.delete(String(this.alarms.get(name)?.AlarmArn));
          this.alarms.delete(name);
        }
        return {};
      case "TagResource":
        this.tag(String(input.ResourceARN), (input.Tags ?? []) as readonly Tree[]);
        return {};
      case "UntagResource":
        for (const key of (input.TagKeys ?? []) as readonly string[])
          this.tags.get(String(input.ResourceARN))?.delete(key);
        return {};
      case "ListTagsForResource": {
        const tags = this.tags.get(String(input.ResourceARN)) ?? new Map<string, string>();
        return { Tags: [...tags].map(([Key, Value]) => ({ Key, Value })) };
      }
      default:
        throw new Error(`${action} is not imitated`);
    }
  }

  private put({ Action: _, Version: __, Tags, ...alarm }: Tree): Tree {
    const { region, accountId } = this.location;
    const arn = `arn:aws:cloudwatch:${region}:${accountId}:alarm:${alarm.AlarmName}`;
    const now = new Date().toISOString();
    const state = {
      StateValue: "INSUFFICIENT_DATA",
      StateUpdatedTimestamp: now,
      AlarmConfigurationUpdatedTimestamp: now,
    };
    this.alarms.set(String(alarm.AlarmName), { ActionsEnabled: "true", ...alarm, ...state, AlarmArn: arn });
    this.tag(arn, (Tags ?? []) as readonly Tree[]);
    return {};
  }

  private tag(arn: string, tags: readonly Tree[]): void {
    const present = this.tags.get(arn) ?? new Map<string, string>();
    for (const { Key, Value } of tags) present.set(String(Key), String(Value));
    this.tags.set(arn, present);
  }
}

class DashboardNotFound extends Error {
  override readonly name = "DashboardNotFound";
}

class Dashboards {
  private readonly bodies = new Map<string, string>();

  constructor(private readonly location: { readonly accountId: string }) {}

  call(action: string, { DashboardName, DashboardBody, DashboardNames }: Tree): Tree {
    const name = String(DashboardName);
    switch (action) {
      case "PutDashboard":
        this.bodies.set(name, String(DashboardBody));
        return { DashboardValidationMessages: [] };
      case "GetDashboard": {
        const body = this.bodies.get(name);
        if (body === undefined) throw new DashboardNotFound(`Dashboard ${name} does not exist`);
        const arn = `arn:aws:cloudwatch::${this.location.accountId}:dashboard/${name}`;
        return { DashboardArn: arn, DashboardBody: body, DashboardName: name };
      }
      case "DeleteDashboards":
        for (const each of (DashboardNames ?? []) as readonly string[]) this.bodies.delete(each);
        return {};
      default:
        throw new Error(`${action} is not imitated`);
    }
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonParameters.html: lists as `Name.member.1`. */
export function parseQuery(body: string): Tree {
  const root: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(body)) {
    const parts = name.split(".");
    const last = parts.pop() as string;
    let place = root;
    for (const part of parts) {
      place[part] ??= {};
      place = place[part] as Record<string, unknown>;
    }
    place[last] = value;
  }
  return withLists(root) as Tree;
}

function withLists(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { member, ...fields } = value as Record<string, unknown>;
  if (member !== undefined) {
    const items = Object.entries(member as Record<string, unknown>);
    return items.sort(([a], [b]) => Number(a) - Number(b)).map(([, item]) => withLists(item));
  }
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, withLists(field)]));
}

function toXml(value: Tree): string {
  return Object.entries(value)
    .map(([name, field]) => `<${name}>${contentOf(field)}</${name}>`)
    .join("");
}

function contentOf(value: Tree[string]): string {
  if (Array.isArray(value))
    return value.map((item: Tree[string]) => `<member>${contentOf(item)}</member>`).join("");
  if (typeof value === "object") return toXml(value as Tree);
  return value.replace(/[<>&]/g, (character) => `&#${character.charCodeAt(0)};`);
}
