// The same app in the manner of `cdktf init`: the provider imported by its barrel, run by ts-node, which checks types,
// and the functions as folders that CDKTF makes zips of.
import * as aws from "@cdktf/provider-aws";
import { App, AssetType } from "cdktf";
import { BareStack, camelCase } from "../bare-stack";
import { readTask, reportUsage } from "../run";

const app = new App();
const classOf = (module: string, name: string) => Reflect.get(Reflect.get(aws, camelCase(module)), name);
new BareStack(app, "bench", { ...readTask(), classOf, codeType: AssetType.ARCHIVE });
app.synth();
reportUsage();
