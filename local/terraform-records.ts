/*
 * What Terraform's files and logs say: the state, the synthesised stack and the log of an apply. Nothing is read here.
 */

/** A resource of the state, as far as a judgement needs it. */
export interface StateResource {
  readonly address: string;
  readonly tainted: boolean;
}

export interface SynthesisedResource {
  readonly address: string;
  /** Such as `dev/agent-keys/instances/support/secret/secret`. */
  readonly constructPath: string;
}

/** Numbers of resources. */
export interface Applied {
  readonly added: number;
  readonly changed: number;
  readonly destroyed: number;
}

/** A stack as `cdktf` synthesised it, as far as a deployment needs it. */
export interface SynthesisedStack {
  readonly resource?: Readonly<Record<string, Readonly<Record<string, SynthesisedBody>>>>;
  readonly terraform?: {
    readonly backend?: { readonly local?: { readonly path?: string } };
  };
}

interface SynthesisedBody {
  readonly "//"?: { readonly metadata?: { readonly path?: string } };
}

/** The managed resources of a stack. */
export function synthesisedResources({ resource = {} }: SynthesisedStack): SynthesisedResource[] {
  return Object.entries(resource).flatMap(([type, byName]) =>
    Object.entries(byName).map(([name, body]) => ({
      address: `${type}.${name}`,
      constructPath: body["//"]?.metadata?.path ?? "",
    })),
  );
}

/** The managed resources in a state file's text; none if it is empty. */
export function managedResources(state: string): StateResource[] {
  if (state === "") return [];
  const { resources = [] } = JSON.parse(state) as {
    resources?: {
      mode: string;
      type: string;
      name: string;
      instances: { status?: string }[];
    }[];
  };
  return resources
    .filter(({ mode, instances }) => mode === "managed" && instances.length > 0)
    .map(({ type, name, instances }) => ({
      address: `${type}.${name}`,
      tainted: instances.some(({ status }) => status === "tainted"),
    }));
}

/** What the last apply in a log says it did; undefined if none came to its end. */
export function appliedCounts(log: string): Applied | undefined {
  const pattern = /Apply complete! Resources: (\d+) added, (\d+) changed, (\d+) destroyed/g;
  const [, added, changed, destroyed] = [...log.matchAll(pattern)].at(-1) ?? [];
  if (added === undefined) return undefined;
  return {
    added: Number(added),
    changed: Number(changed),
    destroyed: Number(destroyed),
  };
}

/** The heads of Terraform's errors in a log, each once, without colours and frames. */
export function terraformErrors(log: string): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of colours
  const plain = log.replace(/\u001b\[[0-9;]*m/g, "");
  return [...new Set([...plain.matchAll(/Error: (.+)/g)].map((match) => (match[1] ?? "").trim()))];
}
