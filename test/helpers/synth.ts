import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { TerraformStack, Testing } from "cdktf";
import {
  AgentKeys,
  type AgentKeysSettings,
  type Environment,
  type FunctionBundles,
  type PolicyStatement,
} from "../../constructs";

const outdir = mkdtempSync(path.join(tmpdir(), "valmi-agent-keys-test-"));
afterAll(() => rmSync(outdir, { recursive: true, force: true }));

/** Stand-ins for the zips, which nobody opens here, so that constructs are tested without the functions. */
export const bundles: FunctionBundles = {
  rotation: bundle("rotation"),
  provisioning: bundle("provisioning"),
  audit: bundle("audit"),
};

function bundle(name: string): string {
  const file = path.join(outdir, `${name}.zip`);
  writeFileSync(file, name);
  return file;
}

export const app = () => Testing.app({ outdir });

/** A stack of somebody's own. */
export function stack(): TerraformStack {
  const own = new TerraformStack(app(), "stack");
  new AwsProvider(own, "aws", { region: "eu-central-1" });
  return own;
}

/** The least that an environment has to say. */
export const leastSettings: AgentKeysSettings = {
  name: "dev",
  region: "eu-central-1",
  controlPlane: { apiKeySecretName: "valmi/dev/operator-api-key" },
  agentInstances: [{ id: "support", agentType: { name: "Customer Support Bot" } }],
};

export const environment = (changes: Partial<Environment> = {}): Environment => ({
  ...leastSettings,
  ...changes,
});

type Block = Record<string, unknown>;

/** Terraform's configuration, as a stack synthesises it. */
export class Synthesised {
  readonly configuration: Record<string, Record<string, Record<string, Block>>>;

  constructor(stack: TerraformStack) {
    this.configuration = JSON.parse(Testing.synth(stack, true));
  }

  /** Addresses of all resources, such as `aws_kms_key.agent-keys_key_1234`. */
  addresses(): string[] {
    const types = Object.entries(this.configuration.resource ?? {});
    return types.flatMap(([type, blocks]) => Object.keys(blocks).map((name) => `${type}.${name}`));
  }

  all(type: string): Block[] {
    return Object.values(this.configuration.resource?.[type] ?? {});
  }

  /** The one resource of a type; where there are more, the one whose name holds `part`. */
  one(type: string, part = ""): Block {
    const found = Object.entries(this.configuration.resource?.[type] ?? {}).filter(([name]) =>
      name.includes(part),
    );
    const [only] = found;
    if (!only || found.length > 1)
      throw new Error(`expected one ${type} with "${part}", got ${found.length}`);
    return only[1];
  }

  /** The statements of a policy that is written as JSON text. */
  statements(type: string, part = ""): PolicyStatement[] {
    return JSON.parse(String(this.one(type, part).policy)).Statement;
  }

  /** What a resource needs, directly or by way of others, by their addresses. */
  needs(address: string): Set<string> {
    const all = this.addresses();
    const found = new Set<string>();
    const visit = (current: string) => {
      const [type = "", name = ""] = current.split(".");
      const text = JSON.stringify(this.configuration.resource?.[type]?.[name]);
      for (const other of all) {
        if (other === current || found.has(other) || !text.includes(other)) continue;
        found.add(other);
        visit(other);
      }
    };
    visit(address);
    return found;
  }
}

/** The agent keys of a stack of somebody's own; `use` is what else that stack does with them. */
export function synthAgentKeys(
  changes: Partial<AgentKeysSettings> = {},
  use: (agentKeys: AgentKeys) => void = () => {},
): Synthesised {
  const own = stack();
  use(new AgentKeys(own, "agent-keys", { ...leastSettings, ...changes, bundles }));
  return new Synthesised(own);
}
