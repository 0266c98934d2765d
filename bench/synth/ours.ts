// Does what main.ts does, for a fleet of a given size and with bundles that are there already.
import { App } from "cdktf";
import { AgentKeysStack, checkEnvironments, environmentsToDeploy, refuseErrors } from "../../constructs";
import { withoutTokenTraces } from "../../constructs/token-traces";
import { environmentOf, templateEnvironment } from "./fleet";
import { readTask, reportUsage } from "./run";

const { size, bundles } = readTask();
const environment = size === "template" ? templateEnvironment() : environmentOf(size);
const toDeploy = environmentsToDeploy([environment], process.env);
refuseErrors(checkEnvironments(toDeploy));

withoutTokenTraces(() => {
  const app = new App();
  for (const each of toDeploy) new AgentKeysStack(app, each.name, { environment: each, bundles });
  app.synth();
});
reportUsage();
