// Does what main.ts does, for a fleet of a given size and with bundles that are there already.
import { App } from "cdktf";
import { AgentKeysStack, checkEnvironments, environmentsToDeploy, refuseErrors } from "../../constructs";
import { withoutTokenTraces } from "../../constructs/token-traces";
import { environmentOf } from "./fleet";
import { readArguments, reportUsage } from "./run";

const { size, bundles } = readArguments();
const toDeploy = environmentsToDeploy([environmentOf(size)], process.env);
refuseErrors(checkEnvironments(toDeploy));

withoutTokenTraces(() => {
  const app = new App();
  for (const environment of toDeploy) new AgentKeysStack(app, environment.name, { environment, bundles });
  app.synth();
});
reportUsage();
