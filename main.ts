import * as path from "node:path";
import { App } from "cdktf";
import { bundleFunctions } from "./bundle-functions";
import { AgentKeysStack, checkEnvironments, environmentsToDeploy, refuseErrors } from "./constructs";
import { environments } from "./environments";

const toDeploy = environmentsToDeploy(environments, process.env);
refuseErrors(checkEnvironments(toDeploy));

// CDKTF takes a stack trace for every token; mapping each to its source costs a quarter of the synth.
process.setSourceMapsEnabled(false);
const app = new App();
const bundles = bundleFunctions(path.join(app.outdir, "functions"));
for (const environment of toDeploy) {
  new AgentKeysStack(app, environment.name, { environment, bundles });
}
app.synth();
