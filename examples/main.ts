import * as path from "node:path";
import { App } from "cdktf";
import { bundleFunctions } from "../bundle-functions";
import { AgentKeysStack, environmentsToDeploy } from "../constructs";
import { withoutTokenTraces } from "../constructs/token-traces";
import { environments } from "../environments";
import { supportService } from "./ecs-service";

/** The environment `dev`, and in its stack an ECS service that uses its key: what `npm run local:consumers` deploys. */
withoutTokenTraces(() => {
  const app = new App();
  const bundles = bundleFunctions(path.join(app.outdir, "functions"));
  const [environment] = environmentsToDeploy(
    environments.filter(({ name }) => name === "dev"),
    process.env,
  );
  if (environment === undefined) throw new Error("environments.ts has no environment dev");
  const stack = new AgentKeysStack(app, environment.name, { environment, bundles });
  supportService(stack, "agent", ["subnet-1"]);
  app.synth();
});
