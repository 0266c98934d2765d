import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  findAwsProvider,
  MIRROR_VARIABLE,
  standardMirrors,
  terraformCliConfig,
} from "../../../local/toolchain/aws-provider";
import { type Terraform, terraformPlatform } from "../../../local/toolchain/terraform";
import { removeFolders, temporaryFolder, writeProgram } from "../programs";

const ADDRESS = "registry.terraform.io/hashicorp/aws";
const { os, arch } = terraformPlatform();

afterEach(removeFolders);

/** Puts a provider into a mirror, as `terraform init` unpacks it. */
function putProvider(
  mirror: string,
  version: string,
  { address = ADDRESS, platform = `${os}_${arch}` } = {},
) {
  const folder = join(mirror, address, version, platform);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `terraform-provider-aws_v${version}_x5`), "");
  return realpathSync(mirror);
}

/** A Terraform whose `init` does what the script says; the plugin cache is `$TF_PLUGIN_CACHE_DIR`. */
function terraform(folder: string, init: string, registryHost = "registry.terraform.io" as const): Terraform {
  const path = writeProgram(join(folder, "terraform"), `#!/bin/sh\n${init}\n`);
  return { path, version: "1.11.4", registryHost };
}

const offline = 'echo "could not connect to registry.terraform.io: no such host" >&2\nexit 1';

function options(folder: string, init = offline) {
  return {
    env: { PATH: process.env.PATH } as NodeJS.ProcessEnv,
    terraform: terraform(folder, init),
    cacheFolder: join(folder, "cache"),
    standardMirrors: [join(folder, "standard")],
    searchRoots: [] as string[],
  };
}

it("takes the mirror that the variable names before any other", async () => {
  const folder = temporaryFolder();
  putProvider(join(folder, "standard"), "5.100.0");
  const named = putProvider(join(folder, "named"), "6.1.0");
  const given = options(folder);
  given.env[MIRROR_VARIABLE] = named;

  expect(await findAwsProvider(given)).toEqual({ mirror: named, address: ADDRESS });
});

it.each([
  ["an older version", "5.99.1", {}],
  ["a newer major version", "7.0.0", {}],
  ["another system's build only", "5.100.0", { platform: "plan9_mips" }],
  ["another provider", "5.100.0", { address: "registry.terraform.io/hashicorp/azurerm" }],
])("refuses a named mirror with %s", async (_, version, place) => {
  const folder = temporaryFolder();
  const given = options(folder);
  given.env[MIRROR_VARIABLE] = putProvider(join(folder, "named"), version, place);

  await expect(findAwsProvider(given)).rejects.toThrow(
    `${MIRROR_VARIABLE} names ${join(folder, "named")}, which has no ${ADDRESS} >= 5.100.0, < 7.0.0`,
  );
});

it("takes a packed provider too", async () => {
  const folder = temporaryFolder();
  const mirror = join(folder, "standard");
  mkdirSync(join(mirror, ADDRESS), { recursive: true });
  writeFileSync(join(mirror, ADDRESS, `terraform-provider-aws_6.2.0_${os}_${arch}.zip`), "");

  expect(await findAwsProvider(options(folder))).toEqual({ mirror: realpathSync(mirror), address: ADDRESS });
});

it("lets Terraform fetch it where no standard place has it, and keeps it for the next run", async () => {
  const folder = temporaryFolder();
  const target = `"$TF_PLUGIN_CACHE_DIR/${ADDRESS}/6.25.0/${os}_${arch}"`;
  const first = options(folder, `mkdir -p ${target}\ntouch ${target}/provider`);

  const fetched = await findAwsProvider(first);
  const again = await findAwsProvider(options(folder, "exit 1"));

  expect(fetched).toEqual({ mirror: realpathSync(join(folder, "cache", "providers")), address: ADDRESS });
  expect(again).toEqual(fetched);
});

it.each([
  ["the root itself", "root"],
  ["a child of the root", "root/one"],
  ["a grandchild of the root", "root/one/two"],
])("finds a mirror in %s where Terraform can't fetch it", async (_, place) => {
  const folder = temporaryFolder();
  const mirror = putProvider(join(folder, place), "5.100.0");

  const found = await findAwsProvider({ ...options(folder), searchRoots: [join(folder, "root")] });

  expect(found).toEqual({ mirror, address: ADDRESS });
});

it("looks no deeper, and says in one line what to do", async () => {
  const folder = temporaryFolder();
  putProvider(join(folder, "root/one/two/three"), "5.100.0");

  await expect(findAwsProvider({ ...options(folder), searchRoots: [join(folder, "root")] })).rejects.toThrow(
    "no AWS provider >= 5.100.0, < 7.0.0: Terraform can't fetch it (could not connect to registry.terraform.io), " +
      `and no mirror was found. Fix: give it a network, or put the path of a folder that "terraform providers ` +
      `mirror" filled into ${MIRROR_VARIABLE}`,
  );
  expect(existsSync(join(folder, "cache", "providers"))).toBe(false);
});

it("asks for OpenTofu's own address of the provider with OpenTofu", async () => {
  const folder = temporaryFolder();
  putProvider(join(folder, "standard"), "5.100.0");
  const given = options(folder);
  const tofu = { ...given.terraform, registryHost: "registry.opentofu.org" as const };

  await expect(findAwsProvider({ ...given, terraform: tofu })).rejects.toThrow("no AWS provider");
});

it("knows Terraform's standard places and a plugin cache", () => {
  const env = { TF_PLUGIN_CACHE_DIR: "/cache", XDG_DATA_DIRS: "/usr/share" };

  const places = standardMirrors(env, "/home/user");

  expect(places).toEqual([
    "terraform.d/plugins",
    "/home/user/.terraform.d/plugins",
    "/home/user/.local/share/terraform/plugins",
    "/home/user/Library/Application Support/io.terraform/plugins",
    "/usr/share/terraform/plugins",
    "/cache",
  ]);
});

it("writes a CLI configuration that takes the provider from the mirror only", () => {
  expect(terraformCliConfig({ mirror: '/a "b"', address: ADDRESS })).toBe(
    [
      "disable_checkpoint = true",
      "provider_installation {",
      "  filesystem_mirror {",
      '    path    = "/a \\"b\\""',
      `    include = ["${ADDRESS}"]`,
      "  }",
      "}",
      "",
    ].join("\n"),
  );
});
