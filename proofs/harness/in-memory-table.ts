import { AwsRefusal } from "./in-memory-aws";

type Attribute = Record<string, unknown>;
export type Item = Record<string, Attribute>;

interface WriteInput {
  readonly TableName: string;
  readonly Item?: Item;
  readonly Key?: Item;
  readonly ConditionExpression?: string;
  readonly UpdateExpression?: string;
  readonly ExpressionAttributeNames?: Record<string, string>;
  readonly ExpressionAttributeValues?: Item;
  readonly ReturnValuesOnConditionCheckFailure?: string;
}

/** Of https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html, what our names might meet. */
const RESERVED_WORDS = ["OWNER", "TIME", "VALUE", "TOKEN", "STATUS", "NAME", "STATE"];

/**
 * One DynamoDB table, with what the intent store needs: `GetItem`, and `PutItem` and `UpdateItem` with conditions of
 * `attribute_not_exists(a)` and `a = :v` joined by AND, updates by SET (also of `if_not_exists(a, :v)`), REMOVE, and ADD to a set
 * of numbers. As strict as DynamoDB on reserved words and on
 * placeholders that no expression uses.
 */
export class InMemoryTable {
  readonly items = new Map<string, Item>();

  constructor(
    readonly name: string,
    private readonly keyNames: readonly string[],
  ) {}

  readonly perform = (operation: string, given: Record<string, unknown>): object => {
    const input = given as unknown as WriteInput;
    if (input.TableName !== this.name) throw new AwsRefusal("ResourceNotFoundException", "No such table");
    if (operation === "GetItem") {
      const item = this.items.get(this.keyOf(input.Key ?? {}));
      return item ? { Item: structuredClone(item) } : {};
    }
    if (operation !== "PutItem" && operation !== "UpdateItem") {
      throw new AwsRefusal("UnknownOperationException", `${operation} is not imitated`);
    }
    const expressions = new Expressions(input);
    const key = this.keyOf(input.Item ?? input.Key ?? {});
    const present = this.items.get(key);
    const holds = input.ConditionExpression === undefined || expressions.holds(present);
    const written =
      operation === "PutItem" ? (input.Item ?? {}) : expressions.update(present ?? input.Key ?? {});
    expressions.refuseUnused();
    if (!holds) {
      throw new AwsRefusal("ConditionalCheckFailedException", "The conditional request failed", 400, {
        ...(input.ReturnValuesOnConditionCheckFailure === "ALL_OLD" && present ? { Item: present } : {}),
      });
    }
    this.items.set(key, structuredClone(written));
    return {};
  };

  private keyOf(item: Item): string {
    return this.keyNames
      .map((name) => {
        const text = item[name]?.S;
        if (typeof text !== "string" || text === "") {
          throw new AwsRefusal(
            "ValidationException",
            `One of the required keys was not given a value: ${name}`,
          );
        }
        return text;
      })
      .join(" ");
  }
}

/** The expressions of one write, and which of their placeholders were used. */
class Expressions {
  private readonly used = new Set<string>();

  constructor(private readonly input: WriteInput) {}

  holds(item: Item | undefined): boolean {
    const terms = (this.input.ConditionExpression ?? "").split(" AND ").map((term) => {
      const absent = /^attribute_not_exists\((\S+)\)$/.exec(term);
      if (absent) {
        const attribute = this.nameOf(absent[1] ?? "");
        return item?.[attribute] === undefined;
      }
      const [, name, value] = /^(\S+) = (:\w+)$/.exec(term) ?? refuse(`Invalid ConditionExpression: ${term}`);
      const attribute = this.nameOf(name ?? "");
      return JSON.stringify(this.valueOf(value ?? "")) === JSON.stringify(item?.[attribute]);
    });
    return terms.every(Boolean);
  }

  update(item: Item): Item {
    const updated = { ...item };
    const clauses = (this.input.UpdateExpression ?? "").matchAll(
      /(SET|REMOVE|ADD) (.+?)(?= (?:SET|REMOVE|ADD) |$)/g,
    );
    for (const [, verb, terms = ""] of clauses) {
      for (const term of terms.split(/, (?![^(]*\))/)) {
        if (verb === "REMOVE") delete updated[this.nameOf(term)];
        else if (verb === "ADD") this.add(updated, term);
        else this.assign(updated, item, term);
      }
    }
    return updated;
  }

  private assign(updated: Item, before: Item, term: string): void {
    const [, name = "", kept, value = ""] =
      /^(\S+) = (?:if_not_exists\((\S+), )?(:\w+)\)?$/.exec(term) ??
      refuse(`Invalid UpdateExpression: ${term}`);
    const given = this.valueOf(value);
    updated[this.nameOf(name)] = (kept === undefined ? undefined : before[this.nameOf(kept)]) ?? given;
  }

  private add(updated: Item, term: string): void {
    const [, name = "", value = ""] =
      /^(\S+) (:\w+)$/.exec(term) ?? refuse(`Invalid UpdateExpression: ${term}`);
    const attribute = this.nameOf(name);
    const numbers = (of: Attribute | undefined) => (of?.NS ?? []) as string[];
    updated[attribute] = {
      NS: [...new Set([...numbers(updated[attribute]), ...numbers(this.valueOf(value))])],
    };
  }

  refuseUnused(): void {
    const { ExpressionAttributeNames = {}, ExpressionAttributeValues = {} } = this.input;
    for (const placeholder of [
      ...Object.keys(ExpressionAttributeNames),
      ...Object.keys(ExpressionAttributeValues),
    ]) {
      if (!this.used.has(placeholder)) refuse(`Value unused in expressions: ${placeholder}`);
    }
  }

  private nameOf(name: string): string {
    if (!name.startsWith("#")) {
      return RESERVED_WORDS.includes(name.toUpperCase())
        ? refuse(`Attribute name is a reserved keyword: ${name}`)
        : name;
    }
    this.used.add(name);
    return this.input.ExpressionAttributeNames?.[name] ?? refuse(`Name not defined: ${name}`);
  }

  private valueOf(placeholder: string): Attribute {
    this.used.add(placeholder);
    return this.input.ExpressionAttributeValues?.[placeholder] ?? refuse(`Value not defined: ${placeholder}`);
  }
}

function refuse(message: string): never {
  throw new AwsRefusal("ValidationException", message);
}
