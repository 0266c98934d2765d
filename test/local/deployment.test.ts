import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Deployment } from "../../local/deployment";
import { appliedCounts, managedResources, terraformErrors } from "../../local/terraform-records";
import { removeFolders, temporaryFolder } from "./programs";

afterEach(removeFolders);

describe("what a state says", () => {
  const resource = (mode: string, name: string, ...instances: object[]) => ({
    mode,
    type: "aws_lambda_function",
    name,
    instances,
  });

  it("lists managed resources that exist, and which of them are half made", () => {
    const state = {
      resources: [
        resource("managed", "rotation", { attributes: {} }),
        resource("managed", "provisioning", { status: "tainted" }),
        resource("managed", "gone"),
        resource("data", "caller", {}),
      ],
    };

    expect(managedResources(JSON.stringify(state))).toEqual([
      { address: "aws_lambda_function.rotation", tainted: false },
      { address: "aws_lambda_function.provisioning", tainted: true },
    ]);
  });

  it.each([
    ["no file", ""],
    ["nothing in it", "{}"],
  ])("has no resources with %s", (_, state) => {
    expect(managedResources(state)).toEqual([]);
  });
});

describe("what a log says", () => {
  it("has the counts of the apply", () => {
    const log = "dev  Apply complete! Resources: 23 added, 1 changed, 0 destroyed.\n";

    expect(appliedCounts(log)).toEqual({ added: 23, changed: 1, destroyed: 0 });
  });

  it("has none where the apply was cut off", () => {
    expect(appliedCounts("dev  aws_lambda_invocation.a: Creating...\n")).toBeUndefined();
  });

  it("names each of Terraform's errors once, without colours", () => {
    const log =
      "\u001b[31mError: \u001b[0mno such role\n...\ndev  Error: no such role\n│ Error: and another\n";

    expect(terraformErrors(log)).toEqual(["no such role", "and another"]);
  });
});

describe("a deployment", () => {
  const toolchain = {
    terraform: { path: "/bin/false", version: "1.11.4", registryHost: "registry.terraform.io" },
    awsProvider: { mirror: "/mirror", address: "registry.terraform.io/hashicorp/aws" },
  } as const;

  async function prepare(signal?: AbortSignal) {
    const folder = temporaryFolder();
    const deployment = await Deployment.prepare({
      folder,
      environment: "dev",
      region: "eu-west-1",
      toolchain,
      app: "node --import tsx main.ts",
      variables: {},
      ...(signal === undefined ? {} : { signal }),
    });
    const stack = join(folder, "cdktf.out", "stacks", "dev");
    mkdirSync(stack, { recursive: true });
    return { folder, stack, deployment };
  }

  it("writes its own settings into its own folder", async () => {
    const { folder } = await prepare();

    const settings = JSON.parse(readFileSync(join(folder, "cdktf.json"), "utf8"));
    expect(settings).toMatchObject({
      app: "node --import tsx main.ts",
      output: "cdktf.out",
      sendCrashReports: "false",
    });
    expect(readFileSync(join(folder, "terraform.rc"), "utf8")).toContain('path    = "/mirror"');
  });

  it("knows what was synthesised and what the state holds", async () => {
    const { folder, stack, deployment } = await prepare();
    const state = join(folder, "terraform.dev.tfstate");
    writeFileSync(
      join(stack, "cdk.tf.json"),
      JSON.stringify({
        resource: {
          aws_iam_role: { a: { "//": { metadata: { path: "dev/role/a" } } }, b: {} },
          aws_kms_key: { c: {} },
        },
        terraform: { backend: { local: { path: state } } },
      }),
    );

    expect(await deployment.synthesised()).toEqual([
      { address: "aws_iam_role.a", constructPath: "dev/role/a" },
      { address: "aws_iam_role.b", constructPath: "" },
      { address: "aws_kms_key.c", constructPath: "" },
    ]);
    expect(await deployment.resources()).toEqual([]);

    const resource = { mode: "managed", type: "aws_kms_key", name: "c", instances: [{}] };
    writeFileSync(state, JSON.stringify({ resources: [resource] }));
    expect(await deployment.resources()).toEqual([{ address: "aws_kms_key.c", tainted: false }]);
  });

  it("refuses a stack whose state isn't local", async () => {
    const { stack, deployment } = await prepare();
    writeFileSync(join(stack, "cdk.tf.json"), JSON.stringify({ terraform: { backend: { s3: {} } } }));

    await expect(deployment.resources()).rejects.toThrow("the synthesised stack has no local state");
  });

  it("starts nothing after an interrupt", async () => {
    const { deployment } = await prepare(AbortSignal.abort(new Error("interrupted")));

    await expect(deployment.deploy()).rejects.toThrow("interrupted");
  });
});
