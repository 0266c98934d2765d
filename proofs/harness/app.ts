import { existsSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { App } from "cdktf";
import { bundleFunctions } from "../../bundle-functions";
import { AgentKeysStack, type Environment, environmentsToDeploy } from "../../constructs";
import { environments } from "../../environments";

/** As `main.ts`, with the fields that `changes.json` in the working folder gives to every environment. */
const changes: Partial<Environment> = existsSync("changes.json")
  ? JSON.parse(readFileSync("changes.json", "utf8"))
  : {};

const app = new App();
const bundles = bundleFunctions(path.join(app.outdir, "functions"));
for (const environment of environmentsToDeploy(environments, process.env)) {
  new AgentKeysStack(app, environment.name, { environment: { ...environment, ...changes }, bundles });
}
app.synth();
