import { execSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { synthCommand } from "../../local/local-run";
import { removeFolders, temporaryFolder } from "./programs";

afterEach(removeFolders);

test("environments may be read from a file beside them, though the stacks are synthesised elsewhere", () => {
  const project = temporaryFolder();
  writeFileSync(join(project, "customers.json"), '["first", "second"]');
  writeFileSync(
    join(project, "environments.ts"),
    `import { readFileSync } from "node:fs";
    export const environments: string[] = JSON.parse(readFileSync("customers.json", "utf8"));`,
  );
  writeFileSync(
    join(project, "main.ts"),
    `import { environments } from "./environments";
    console.log(JSON.stringify({ environments, folder: process.cwd() }));`,
  );
  const folder = temporaryFolder();

  const output = execSync(synthCommand(join(project, "main.ts"), project), { cwd: folder, encoding: "utf8" });

  expect(JSON.parse(output)).toEqual({ environments: ["first", "second"], folder });
}, 30_000);
