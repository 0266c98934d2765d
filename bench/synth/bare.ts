// The same stack by the provider's classes alone, each imported by itself, run by tsx.
import { App, AssetType } from "cdktf";
import { BareStack } from "./bare-stack";
import { readTask, reportUsage } from "./run";

const app = new App();
const classOf = (module: string, name: string) => require(`@cdktf/provider-aws/lib/${module}`)[name];
new BareStack(app, "bench", { ...readTask(), classOf, codeType: AssetType.FILE });
app.synth();
reportUsage();
