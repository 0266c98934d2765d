// Does what main.ts does, for a fleet of a given size and with bundles that are there already.
import { join } from "node:path";
import { App } from "cdktf";
import { AgentKeysStack, checkEnvironments, environmentsToDeploy, refuseErrors } from "../../constructs";
import { environmentOf } from "./fleet";
import { readArguments, reportUsage } from "./run";

const { size, bundles } = readArguments();
const toDeploy = environmentsToDeploy([environmentOf(size)], process.env);
refuseErrors(checkEnvironments(toDeploy));

process.setSourceMapsEnabled(false);
const app = new App();
for (const environment of toDeploy) {
  new AgentKeysStack(app, environment.name, {
    environment,
    bundles: { rotation: join(bundles, "rotation"), provisioning: join(bundles, "provisioning") },
  });
}
app.synth();
reportUsage();
