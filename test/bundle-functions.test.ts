import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { unzipSync } from "fflate";
import { bundleFunctions } from "../bundle-functions";

const folder = mkdtempSync(path.join(tmpdir(), "valmi-agent-keys-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Bundles in a process of its own, which a time zone is given to. */
function bundleElsewhere(outdir: string, timeZone: string): void {
  const args = [
    "--import",
    require.resolve("tsx"),
    path.join(__dirname, "..", "bundle-functions.ts"),
    outdir,
  ];
  execFileSync(process.execPath, args, { cwd: folder, env: { ...process.env, TZ: timeZone } });
}

test("each function becomes a zip of one file with a handler, the same wherever and whenever it is made", () => {
  const bundles = bundleFunctions(path.join(folder, "here"));
  expect(bundles).toEqual({
    rotation: path.join(folder, "here", "rotation.zip"),
    provisioning: path.join(folder, "here", "provisioning.zip"),
    audit: path.join(folder, "here", "audit.zip"),
  });
  const elsewhere = path.join(folder, "some", "where", "else");
  bundleElsewhere(elsewhere, "Pacific/Kiritimati");
  for (const name of ["rotation", "provisioning", "audit"] as const) {
    const zip = readFileSync(bundles[name]);
    expect(zip.equals(readFileSync(path.join(elsewhere, `${name}.zip`)))).toBe(true);

    const { "index.js": code, ...others } = unzipSync(zip);
    expect(others).toEqual({});
    // In a Node.js of its own, as Lambda loads it.
    const file = path.join(folder, `${name}.js`);
    writeFileSync(file, code ?? "");
    const loaded = execFileSync(process.execPath, ["-p", `typeof require(${JSON.stringify(file)}).handler`]);
    expect(String(loaded).trim()).toBe("function");
  }
});
