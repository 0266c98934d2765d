import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { PrerequisiteError } from "../../../local/toolchain/prerequisite-error";
import { findTerraform, TERRAFORM_RELEASE, terraformPlatform } from "../../../local/toolchain/terraform";
import { fakeTerraform, removeFolders, temporaryFolder, writeProgram } from "../programs";

const SYSTEM_PATH = "/usr/bin:/bin";
const unused = { python: "python3", releasesUrl: "http://127.0.0.1:9" };

afterEach(removeFolders);

describe("a program that is installed", () => {
  it("is the one that TERRAFORM_BINARY_NAME names, whatever PATH has", async () => {
    const folder = temporaryFolder();
    fakeTerraform(join(folder, "terraform"), "Terraform", "1.9.0");
    const named = fakeTerraform(join(folder, "own", "tf"), "OpenTofu", "1.8.1");
    const env = { PATH: `${folder}:${SYSTEM_PATH}`, TERRAFORM_BINARY_NAME: named };

    const found = await findTerraform({ env, cacheFolder: folder, ...unused });

    expect(found).toEqual({ path: named, version: "1.8.1", registryHost: "registry.opentofu.org" });
  });

  it("is Terraform where PATH has both, wherever they stand in it", async () => {
    const folder = temporaryFolder();
    fakeTerraform(join(folder, "a", "tofu"), "OpenTofu", "1.8.1");
    const terraform = fakeTerraform(join(folder, "b", "terraform"), "Terraform", "1.11.4");
    const env = { PATH: `${join(folder, "a")}:${join(folder, "b")}:${SYSTEM_PATH}` };

    const found = await findTerraform({ env, cacheFolder: folder, ...unused });

    expect(found).toEqual({ path: terraform, version: "1.11.4", registryHost: "registry.terraform.io" });
  });

  it("is OpenTofu where PATH has no Terraform", async () => {
    const folder = temporaryFolder();
    const tofu = fakeTerraform(join(folder, "tofu"), "OpenTofu", "1.8.1");
    const env = { PATH: folder };

    expect((await findTerraform({ env, cacheFolder: folder, ...unused })).path).toBe(tofu);
  });

  it("runs where TF_CLI_CONFIG_FILE names a missing file", async () => {
    const folder = temporaryFolder();
    const path = writeProgram(
      join(folder, "terraform"),
      '#!/bin/sh\n[ -z "$TF_CLI_CONFIG_FILE" ] || exit 1\necho "Terraform v1.11.4"\n',
    );
    const env = {
      PATH: SYSTEM_PATH,
      TERRAFORM_BINARY_NAME: path,
      TF_CLI_CONFIG_FILE: join(folder, "none.rc"),
    };

    expect((await findTerraform({ env, cacheFolder: folder, ...unused })).version).toBe("1.11.4");
  });

  it.each([
    ["too old", '#!/bin/sh\necho "Terraform v1.1.9"\n', /is version 1\.1\.9; 1\.2 or later is needed/],
    ["something else", '#!/bin/sh\necho "hello"\n', /doesn't run as Terraform or OpenTofu .*"hello\\n"/],
    ["failing", "#!/bin/sh\nexit 3\n", /doesn't run as Terraform or OpenTofu/],
  ])("is refused in one line that names the fix when it is %s", async (_, script, message) => {
    const folder = temporaryFolder();
    const env = { PATH: SYSTEM_PATH, TERRAFORM_BINARY_NAME: writeProgram(join(folder, "tf"), script) };

    const refusal = await findTerraform({ env, cacheFolder: folder, ...unused }).catch((error) => error);

    expect(refusal).toBeInstanceOf(PrerequisiteError);
    expect(refusal.message).toMatch(message);
    expect(refusal.message).toMatch(/Fix: .*TERRAFORM_BINARY_NAME/);
    expect(refusal.message).not.toContain("\n");
  });
});

describe("where nothing is installed", () => {
  const { os, arch } = terraformPlatform();
  const archive = `terraform_${TERRAFORM_RELEASE}_${os}_${arch}.zip`;
  const release = `#!/bin/sh\necho "Terraform v${TERRAFORM_RELEASE}"\n`;
  let site: Server;
  let requests: string[];
  let files: Record<string, string>;
  let releasesUrl: string;

  beforeEach(async () => {
    requests = [];
    const sum = createHash("sha256").update(release).digest("hex");
    files = {
      [archive]: release,
      [`terraform_${TERRAFORM_RELEASE}_SHA256SUMS`]: `${"0".repeat(64)}  other.zip\n${sum}  ${archive}\n`,
    };
    site = createServer((request, response) => {
      const name = request.url?.split("/").at(-1) ?? "";
      requests.push(name);
      response.writeHead(files[name] === undefined ? 404 : 200).end(files[name]);
    });
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    releasesUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  });

  afterEach(() => {
    site.close();
    site.closeAllConnections();
  });

  /** Stands in for `python -m zipfile -e ARCHIVE FOLDER`, for an archive that is the program itself. */
  function fakePython(folder: string): string {
    return writeProgram(join(folder, "python3"), '#!/bin/sh\ncp "$4" "$5/terraform"\n');
  }

  it("fetches the pinned release, once", async () => {
    const folder = temporaryFolder();
    const cacheFolder = join(folder, "cache");
    const options = { env: { PATH: "" }, cacheFolder, python: fakePython(folder), releasesUrl };

    const first = await findTerraform(options);
    const second = await findTerraform(options);

    expect(first).toMatchObject({ version: TERRAFORM_RELEASE });
    expect(readFileSync(first.path, "utf8")).toBe(release);
    expect(second).toEqual(first);
    expect(requests).toEqual([`terraform_${TERRAFORM_RELEASE}_SHA256SUMS`, archive]);
    expect(readdirSync(cacheFolder)).toEqual([`terraform-${TERRAFORM_RELEASE}`]);
  });

  it.each([
    ["differs from the list", archive, `${release}# changed`],
    ["isn't in the list", `terraform_${TERRAFORM_RELEASE}_SHA256SUMS`, "\n"],
  ])("refuses a release whose checksum %s, and keeps nothing of it", async (_, file, content) => {
    files[file] = content;
    const folder = temporaryFolder();
    const cacheFolder = join(folder, "cache");
    const options = { env: { PATH: "" }, cacheFolder, python: fakePython(folder), releasesUrl };

    await expect(findTerraform(options)).rejects.toThrow(/has the SHA-256 .*Fix: don't use that file/);
    expect(existsSync(cacheFolder)).toBe(false);
  });

  it("says how to install one where the release site doesn't answer", async () => {
    const folder = temporaryFolder();
    const unreachable = { ...unused, env: { PATH: "" }, cacheFolder: folder };

    const refusal = await findTerraform(unreachable).catch((error) => error);

    expect(refusal).toBeInstanceOf(PrerequisiteError);
    expect(refusal.message).toMatch(/neither "terraform" nor "tofu" is on PATH.*Fix: install Terraform/);
  });
});
