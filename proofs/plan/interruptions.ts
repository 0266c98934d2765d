import { DescribeSecretCommand } from "@aws-sdk/client-secrets-manager";
import type { LocalRun } from "../../local/local-run";
import { section } from "../harness/documented";
import type { Call, RecordingFront } from "../harness/front";
import { type ResourceError, resourceErrors, type Terraform } from "../harness/terraform";

/*
 * Terraform is killed when AWS has carried a call out and before Terraform knows, and the next deploy starts from what
 * that left; so on from call to call, in one and the same environment, to a deploy that comes to its end.
 */

/** One of each kind that is made in its own way. */
const SOME_CALLS = [
  "CreateRole",
  "CreateTable",
  "CreateLogGroup",
  "CreateFunction",
  "CreateSecret",
  "Invoke",
];

/** Calls that make or change something. */
const CHANGES = /^(?:Add|Attach|Create|Enable|Invoke|Put|Rotate|Set|Subscribe|Tag|Update|PUT|POST)/;

export interface Interruption {
  /** The call that Terraform never knew the answer of. */
  readonly call: string;
  /** What was imported before the next deploy went on; none where it went on by itself. */
  readonly imported: readonly string[];
}

interface Scene {
  readonly run: LocalRun;
  readonly front: RecordingFront;
  readonly terraform: Terraform;
}

/** Deploys a stack that was synthesised, with interruptions: at six calls, or at every one that changes something. */
export async function deployWithInterruptions(
  scene: Scene,
  { every = false, report }: { every?: boolean; report: (line: string) => void },
): Promise<Interruption[]> {
  const interruptions: (Call & { readonly imported: string[] })[] = [];
  const met = new Set<string>();
  const left = new Set(SOME_CALLS);
  /** Whether Terraform is to be killed at a call: at each one only once. */
  const isMeant = (call: Call) => {
    if (call.status >= 300) return false;
    if (!every) return left.delete(call.operation);
    // Without ids that are drawn anew each time.
    const one = `${call.operation} ${call.subject} ${call.request}`.replace(/[0-9a-f-]{36}|\d{14,}\w*/g, "*");
    return CHANGES.test(call.operation) && !met.has(one) && met.add(one) !== undefined;
  };
  for (;;) {
    for (const address of await unknownFunctions(scene)) await importAs(scene, address, interruptions);
    const held = scene.front.holdBack(isMeant);
    const applied = scene.terraform.apply({ parallelism: 1 });
    const outcome = await Promise.race([held, applied]);
    if ("operation" in outcome) {
      await scene.terraform.kill();
      await scene.front.letPass();
      await applied;
      interruptions.push({ ...outcome, imported: [] });
      report(`killed at ${nameOf(outcome)}`);
      continue;
    }
    await scene.front.letPass();
    if (outcome.succeeded) break;
    const inTheWay = resourceErrors(outcome.log).filter(saysThatItExists);
    if (inTheWay.length === 0) throw new Error(`the deploy can't go on:\n${outcome.log.slice(-3_000)}`);
    for (const { address } of inTheWay) await importAs(scene, address, interruptions);
  }
  if (!every && left.size > 0) throw new Error(`a deploy never calls: ${[...left].join(", ")}`);
  return interruptions.map((each) => ({ call: nameOf(each), imported: each.imported }));
}

const nameOf = ({ operation, subject }: Call) => `${operation} ${subject}`.trim();

const saysThatItExists = ({ text }: ResourceError) =>
  /already exist|AlreadyExists|ResourceInUse|ResourceExists|ResourceConflict/i.test(text);

/** Functions that were made and that the state doesn't know: a deploy would take five minutes to say so. */
async function unknownFunctions({ front, terraform, run }: Scene): Promise<string[]> {
  const made = front.calls
    .filter(({ operation, status }) => operation === "CreateFunction" && status < 300)
    .map(({ subject }) => subject);
  if (made.length === 0) return [];
  const known = await terraform.known();
  const addresses = (await run.deployment.synthesised())
    .map(({ address }) => address)
    .filter((address) => address.startsWith("aws_lambda_function.") && !known.has(address));
  const names = await Promise.all(addresses.map((address) => terraform.argumentsOf(address)));
  return addresses.filter((_, index) => made.includes(String(names[index]?.function_name)));
}

/** Imports a resource by the id that docs/operations.md names for its type. */
async function importAs(
  { run, terraform }: Scene,
  address: string,
  interruptions: readonly (Call & { readonly imported: string[] })[],
): Promise<void> {
  const [type = ""] = address.split(".");
  const row = section("## A deploy was interrupted")
    .split("\n")
    .find((line) => line.startsWith("|") && line.includes(`\`${type}\``));
  if (row === undefined) throw new Error(`docs/operations.md names no import for ${address}`);
  const named = await terraform.argumentsOf(address);
  const [, argument = ""] = /\| its `(\w+)`/.exec(row) ?? [];
  const id = argument === "" ? await arnOf(run, String(named.name)) : String(named[argument]);
  await terraform.import(address, id);
  // Terraform goes on with the rest before it says what was in its way, and may have been killed again meanwhile.
  const about = interruptions.filter(({ request, subject }) =>
    `${decodeURIComponent(request)} ${subject}`.includes(String(named.name ?? named.function_name)),
  );
  const cause = about.findLast(({ operation }) => type.endsWith(nounOf(operation))) ?? about.at(-1);
  if (cause === undefined)
    throw new Error(`${address} was in the way of a deploy that nobody interrupted there`);
  cause.imported.push(address);
}

/** `CreateLogGroup`: `log_group`. */
const nounOf = (operation: string) =>
  operation
    .replace(/^[A-Z][a-z]+/, "")
    .replace(/(?<!^)[A-Z]/g, "_$&")
    .toLowerCase();

async function arnOf({ secrets }: LocalRun, name: string): Promise<string> {
  const { ARN } = await secrets.send(new DescribeSecretCommand({ SecretId: name }));
  return ARN ?? "";
}
