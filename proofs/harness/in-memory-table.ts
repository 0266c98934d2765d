import { AwsRefusal } from "./in-memory-aws";

interface Attribute {
  readonly S?: string;
  readonly N?: string;
  readonly SS?: readonly string[];
  readonly NS?: readonly string[];
  readonly [other: string]: unknown;
}
export type Item = Record<string, Attribute>;

/** What a call of DynamoDB's data plane has, as far as it is imitated. */
interface Call {
  readonly TableName?: string;
  readonly Item?: Item;
  readonly Key?: Item;
  readonly ConditionExpression?: string;
  readonly KeyConditionExpression?: string;
  readonly UpdateExpression?: string;
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>>;
  readonly ExpressionAttributeValues?: Item;
  readonly ReturnValuesOnConditionCheckFailure?: string;
}
type Write = "Put" | "Update" | "ConditionCheck";

/** Of https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html, what our names might meet. */
const RESERVED_WORDS = ["OWNER", "TIME", "VALUE", "TOKEN", "STATUS", "NAME", "STATE"];

/**
 * One DynamoDB table in memory: reads, queries by partition and the begin of the sort key, conditional writes, and transactions
 * of them. It is as strict as DynamoDB on reserved words and on placeholders that no expression uses. Items are
 * replaced, and never changed in place, and so is the map of them: whoever holds one holds a snapshot.
 */
export class InMemoryTable {
  constructor(
    readonly name: string,
    private readonly keyNames: readonly [partition: string, sort: string],
    public items: Map<string, Item> = new Map(),
  ) {}

  readonly perform = (operation: string, given: Record<string, unknown>): object => {
    switch (operation) {
      case "GetItem":
        return this.get(this.checked(given));
      case "Query":
        return { Items: this.query(this.checked(given)) };
      case "Scan":
        this.checked(given);
        return { Items: [...this.items.values()] };
      case "PutItem":
        return this.write("Put", this.checked(given));
      case "UpdateItem":
        return this.write("Update", this.checked(given));
      case "TransactWriteItems":
        return this.transact(given.TransactItems as readonly Partial<Record<Write, Call>>[]);
      default:
        throw new AwsRefusal("UnknownOperationException", `${operation} is not imitated`);
    }
  };

  private checked(call: Call): Call {
    if (call.TableName === this.name) return call;
    throw new AwsRefusal("ResourceNotFoundException", "No such table");
  }

  private get({ Key = {} }: Call): object {
    const item = this.items.get(this.keyOf(Key));
    return item ? { Item: item } : {};
  }

  private query(call: Call): Item[] {
    const expressions = new Expressions(call);
    return [...this.items.values()].filter((item) => expressions.holds(call.KeyConditionExpression, item));
  }

  private write(write: Write, call: Call): object {
    const { key, present, holds, written } = this.prepare(write, call);
    if (!holds) {
      const shown =
        call.ReturnValuesOnConditionCheckFailure === "ALL_OLD" && present ? { Item: present } : {};
      throw new AwsRefusal("ConditionalCheckFailedException", "The conditional request failed", 400, shown);
    }
    this.items = new Map(this.items).set(key, structuredClone(written));
    return {};
  }

  /** All or nothing: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html */
  private transact(parts: readonly Partial<Record<Write, Call>>[]): object {
    const prepared = parts.map((part) => {
      const [[write, call]] = Object.entries(part) as [[Write, Call]];
      return { write, call, ...this.prepare(write, this.checked(call)) };
    });
    if (!prepared.every(({ holds }) => holds)) {
      const CancellationReasons = prepared.map(({ call, holds, present }) => {
        if (holds) return { Code: "None" };
        const isShown = call.ReturnValuesOnConditionCheckFailure === "ALL_OLD" && present;
        return { Code: "ConditionalCheckFailed", ...(isShown ? { Item: present } : {}) };
      });
      throw new AwsRefusal("TransactionCanceledException", "Transaction cancelled", 400, {
        CancellationReasons,
      });
    }
    const items = new Map(this.items);
    for (const { write, key, written } of prepared) {
      if (write !== "ConditionCheck") items.set(key, structuredClone(written));
    }
    this.items = items;
    return {};
  }

  private prepare(write: Write, call: Call) {
    const expressions = new Expressions(call);
    const key = this.keyOf(call.Item ?? call.Key ?? {});
    const present = this.items.get(key);
    const holds = expressions.holds(call.ConditionExpression, present);
    const written = write === "Put" ? (call.Item ?? {}) : expressions.update(present ?? call.Key ?? {});
    expressions.refuseUnused();
    return { key, present, holds, written };
  }

  private keyOf(item: Item): string {
    return this.keyNames
      .map((name) => {
        const text = item[name]?.S;
        if (typeof text === "string" && text !== "") return text;
        throw new AwsRefusal(
          "ValidationException",
          `One of the required keys was not given a value: ${name}`,
        );
      })
      .join(" ");
  }
}

const COMPARISONS: Readonly<Record<string, (a: number | string, b: number | string) => boolean>> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

/** The expressions of one call, and which of their placeholders were used. */
class Expressions {
  private readonly used = new Set<string>();

  constructor(private readonly call: Call) {}

  /** Terms that are joined by AND, these joined by OR, and parentheses around what is joined. */
  holds(condition: string | undefined, item: Item | undefined): boolean {
    if (condition === undefined) return true;
    // Every term is looked at, so that each placeholder counts as used.
    return splitAt(condition, " OR ")
      .map((some) =>
        splitAt(some, " AND ")
          .map((term) => this.term(term.trim(), item))
          .every(Boolean),
      )
      .some(Boolean);
  }

  private term(term: string, item: Item | undefined): boolean {
    if (term.startsWith("(") && term.endsWith(")")) return this.holds(term.slice(1, -1), item);
    const [, name = "", attribute = "", placeholder] = /^(\w+)\(([\w#]+)(?:, (:\w+))?\)$/.exec(term) ?? [];
    const named = name === "" ? undefined : this.attribute(item, attribute);
    if (name === "attribute_not_exists") return named === undefined;
    if (name === "attribute_exists") return named !== undefined;
    if (name === "begins_with") return textOf(named).startsWith(textOf(this.valueOf(placeholder)));
    if (name === "contains") return setOf(named).includes(textOf(this.valueOf(placeholder)));
    const [, left = "", comparison = "", right] =
      /^(\S+) (=|<>|<|<=|>|>=) (:\w+)$/.exec(term) ?? refuse(`Invalid condition: ${term}`);
    const given = this.valueOf(right);
    const sized = /^size\(([\w#]+)\)$/.exec(left);
    const present = this.attribute(item, sized?.[1] ?? left);
    if (comparison === "=") return !sized && JSON.stringify(present) === JSON.stringify(given);
    if (comparison === "<>") return !sized && JSON.stringify(present) !== JSON.stringify(given);
    if (present === undefined) return false;
    const value = sized ? setOf(present).length : plainOf(present);
    return COMPARISONS[comparison]?.(value, plainOf(given)) ?? false;
  }

  update(item: Item): Item {
    const updated: Item = { ...item };
    const clauses = (this.call.UpdateExpression ?? "").matchAll(
      /(SET|REMOVE|ADD|DELETE) (.+?)(?= (?:SET|REMOVE|ADD|DELETE) |$)/g,
    );
    for (const [, verb, terms = ""] of clauses) {
      for (const term of splitAt(terms, ", ")) {
        if (verb === "REMOVE") delete updated[this.nameOf(term)];
        else if (verb === "SET") this.assign(updated, item, term);
        else this.changeSet(updated, term, verb === "ADD");
      }
    }
    return updated;
  }

  private assign(updated: Item, before: Item, term: string): void {
    const [, name = "", kept, value] =
      /^(\S+) = (?:if_not_exists\((\S+), )?(:\w+)\)?$/.exec(term) ??
      refuse(`Invalid UpdateExpression: ${term}`);
    const given = this.valueOf(value);
    updated[this.nameOf(name)] = (kept === undefined ? undefined : before[this.nameOf(kept)]) ?? given;
  }

  private changeSet(updated: Item, term: string, adds: boolean): void {
    const [, name = "", value] = /^(\S+) (:\w+)$/.exec(term) ?? refuse(`Invalid UpdateExpression: ${term}`);
    const attribute = this.nameOf(name);
    const given = this.valueOf(value);
    const [kind = "SS"] = Object.keys(given);
    const before = setOf(updated[attribute]);
    const after = adds
      ? [...new Set([...before, ...setOf(given)])]
      : before.filter((each) => !setOf(given).includes(each));
    // DynamoDB knows no empty set.
    if (after.length > 0) updated[attribute] = { [kind]: after };
    else delete updated[attribute];
  }

  refuseUnused(): void {
    const { ExpressionAttributeNames = {}, ExpressionAttributeValues = {} } = this.call;
    for (const placeholder of [
      ...Object.keys(ExpressionAttributeNames),
      ...Object.keys(ExpressionAttributeValues),
    ]) {
      if (!this.used.has(placeholder)) refuse(`Value unused in expressions: ${placeholder}`);
    }
  }

  /** Its name counts as used, also if there is no item. */
  private attribute(item: Item | undefined, name: string): Attribute | undefined {
    const attribute = this.nameOf(name);
    return item?.[attribute];
  }

  private nameOf(name: string): string {
    if (!name.startsWith("#")) {
      return RESERVED_WORDS.includes(name.toUpperCase())
        ? refuse(`Attribute name is a reserved keyword: ${name}`)
        : name;
    }
    this.used.add(name);
    return this.call.ExpressionAttributeNames?.[name] ?? refuse(`Name not defined: ${name}`);
  }

  private valueOf(placeholder = ""): Attribute {
    this.used.add(placeholder);
    return this.call.ExpressionAttributeValues?.[placeholder] ?? refuse(`Value not defined: ${placeholder}`);
  }
}

/** Parts outside of parentheses. */
function splitAt(text: string, separator: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")") depth--;
    else if (depth === 0 && text.startsWith(separator, i)) {
      parts.push(text.slice(from, i));
      from = i + separator.length;
    }
  }
  return [...parts, text.slice(from)];
}

const textOf = (attribute: Attribute | undefined) => String(attribute?.S ?? "");
const setOf = (attribute: Attribute | undefined) =>
  (attribute?.SS ?? attribute?.NS ?? []) as readonly string[];
const plainOf = (attribute: Attribute) =>
  attribute.N === undefined ? textOf(attribute) : Number(attribute.N);

function refuse(message: string): never {
  throw new AwsRefusal("ValidationException", message);
}
