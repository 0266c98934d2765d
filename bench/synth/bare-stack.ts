import { readFileSync } from "node:fs";
import {
  type AssetType,
  TerraformAsset,
  type TerraformDataSource,
  TerraformOutput,
  type TerraformResource,
  TerraformStack,
} from "cdktf";
import type { Construct } from "constructs";
import { PLACEHOLDER } from "./fleet";
import type { Task } from "./run";

type Made = TerraformResource | TerraformDataSource;
type ProviderClass = new (scope: Construct, id: string, config: object) => Made;

export interface BareStackProps extends Task {
  /** Gives a class of the provider, such as `SnsTopic` of `sns-topic`, however the app has imported it. */
  readonly classOf: (module: string, name: string) => ProviderClass;
  /** The functions' code: zips, or folders that CDKTF makes zips of. */
  readonly codeType: AssetType.FILE | AssetType.ARCHIVE;
}

/** A resource or a data source of the template. */
interface Block {
  readonly address: string;
  /** Of the provider, such as `data-aws-partition`. */
  readonly module: string;
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/**
 * What somebody writes who has no constructs: the provider's classes, with everything spelled out, in a loop over the
 * instances, and no checks. What is spelled out is read from the template that our constructs synthesised, so that it is
 * always the same stack; synth.ts compares the two.
 */
export class BareStack extends TerraformStack {
  /** What is still to be made, by its address. What a block refers to is made before it. */
  private readonly waiting = new Map<string, Block>();
  private readonly made = new Map<string, Made>();
  private readonly code = new Map<string, TerraformAsset>();
  private readonly props: BareStackProps;

  constructor(scope: Construct, id: string, props: BareStackProps) {
    super(scope, id);
    this.props = props;
    const { size, templateFile, classOf } = props;
    const template = JSON.parse(readFileSync(templateFile, "utf8"));
    new (classOf("provider", "AwsProvider"))(this, "aws", template.provider.aws[0]);
    const { version } = template.terraform.required_providers.aws;
    this.addOverride("terraform.required_providers.aws.version", version);

    const blocks = blocksOf(template);
    const isOfInstance = ({ name }: Block) => name.includes(PLACEHOLDER);
    this.make(blocks.filter((block) => !isOfInstance(block)));
    const ofInstance = JSON.stringify(blocks.filter(isOfInstance));
    const { description, value } = template.output["agent-instances"];
    const outputOfInstance = JSON.stringify(value);
    const outputs: Record<string, unknown> = {};
    for (let index = 0; index < Number(size); index++) {
      const numbered = (text: string) => JSON.parse(text.split(PLACEHOLDER).join(String(index)));
      this.make(numbered(ofInstance));
      Object.assign(outputs, this.filled(numbered(outputOfInstance)));
    }
    new TerraformOutput(this, "agent-instances", { description, value: outputs });
  }

  private make(blocks: readonly Block[]): void {
    for (const block of blocks) this.waiting.set(block.address, block);
    for (const { address } of blocks) this.at(address);
  }

  private at(address: string): Made {
    const made = this.made.get(address);
    if (made) return made;
    const block = this.waiting.get(address);
    if (!block) throw new Error(`the template has no ${address}`);
    const { module, name, config } = block;
    const { dependsOn, ...rest } = config as { dependsOn?: string[] };
    const Class = this.props.classOf(module, pascalCase(module));
    const element = new Class(this, name, {
      ...(this.filled(rest) as object),
      ...(dependsOn && { dependsOn: dependsOn.map((other) => this.at(other)) }),
    });
    element.overrideLogicalId(name);
    this.made.set(address, element);
    return element;
  }

  /** The value with references in place of their texts, as somebody would write them, and with code to upload. */
  private filled(value: unknown): unknown {
    if (typeof value === "string") {
      return value
        .replace(ASSET, (_, name: string) => this.codeOf(name).path)
        .replace(REFERENCE, (_, address: string, attribute: string) =>
          this.at(address).getStringAttribute(attribute),
        );
    }
    if (Array.isArray(value)) return value.map((each) => this.filled(each));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.filled(each)]));
  }

  private codeOf(name: string): TerraformAsset {
    const { bundles, codeType } = this.props;
    const path = bundles[name as keyof typeof bundles];
    const code = this.code.get(name) ?? new TerraformAsset(this, `${name}-code`, { path, type: codeType });
    this.code.set(name, code);
    return code;
  }
}

const REFERENCE = /\$\{((?:data\.)?aws_\w+\.[\w-]+)\.(\w+)\}/g;
const ASSET = /assets\/[\w-]+\/[0-9A-F]+\/(\w+)\.zip/g;

type Blocks = Readonly<Record<string, Readonly<Record<string, object>>>>;

function blocksOf(template: { readonly data: Blocks; readonly resource: Blocks }): Block[] {
  const of = (blocks: Blocks, prefix: string, module: (type: string) => string) =>
    Object.entries(blocks).flatMap(([type, named]) =>
      Object.entries(named).map(([name, config]) => ({
        address: `${prefix}${type}.${name}`,
        module: module(type).replace(/_/g, "-"),
        name,
        config: configOf(config),
      })),
    );
  return [
    ...of(template.data, "data.", (type) => `data_${type}`),
    ...of(template.resource, "", (type) => type.replace(/^aws_/, "")),
  ];
}

/** Attributes whose keys are the user's own. */
const MAPS = ["tags", "variables", "dimensions"];

/** Terraform's words in the spelling of the provider's classes. */
function configOf(block: object): Record<string, unknown> {
  const spelled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(spelled);
    return typeof value === "object" && value !== null ? configOf(value) : value;
  };
  return Object.fromEntries(
    Object.entries(block)
      // What CDKTF says of where a construct stands.
      .filter(([key]) => key !== "//")
      .map(([key, value]) => [camelCase(key), MAPS.includes(key) ? value : spelled(value)]),
  );
}

export function camelCase(text: string): string {
  return text.replace(/[_-](\w)/g, (_, letter: string) => letter.toUpperCase());
}

function pascalCase(text: string): string {
  return camelCase(`-${text}`);
}
