import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { bundleFunctions } from "../bundle-functions";

const folder = mkdtempSync(path.join(tmpdir(), "valmi-agent-keys-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("each function becomes one file with a handler, the same wherever it is made", () => {
  const here = bundleFunctions(path.join(folder, "here"));
  const there = bundleFunctions(path.join(folder, "some", "where", "else"));
  expect(here).toEqual({
    rotation: path.join(folder, "here", "rotation"),
    provisioning: path.join(folder, "here", "provisioning"),
  });
  for (const name of ["rotation", "provisioning"] as const) {
    expect(readdirSync(here[name])).toEqual(["index.js"]);
    const file = path.join(here[name], "index.js");
    expect(readFileSync(file)).toEqual(readFileSync(path.join(there[name], "index.js")));
    // In a Node.js of its own, as Lambda loads it.
    const loaded = execFileSync(process.execPath, ["-p", `typeof require(${JSON.stringify(file)}).handler`]);
    expect(String(loaded).trim()).toBe("function");
  }
});
