import * as path from "node:path";
import { App } from "cdktf";
import { bundleFunctions } from "./bundle-functions";
import { AgentKeysStack, checkEnvironments, environmentsToDeploy, refuseErrors } from "./constructs";
import { withoutTokenTraces } from "./constructs/token-traces";
import { environments } from "./environments";

const toDeploy = environmentsToDeploy(environments, process.env);
refuseErrors(checkEnvironments(toDeploy));

withoutTokenTraces(() => {
  const app = new App();
  const bundles = bundleFunctions(path.join(app.outdir, "functions"));
  for (const environment of toDeploy) {
    new AgentKeysStack(app, environment.name, { environment, bundles });
  }
  app.synth();
});
