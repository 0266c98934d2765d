import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { AgentKeysStack, type Environment } from "../../constructs";
import { environments } from "../../environments";
import { app, bundles } from "../helpers/synth";
import { accessOf, OTHER_ACCOUNT, type StackAccess } from "./synthesised-access";

export const BOUNDARY = "arn:aws:iam::123456789012:policy/boundary";
const OPERATOR_KEY_KMS = "arn:aws:kms:eu-central-1:123456789012:key/aaaaaaaa-2222-3333-4444-555555555555";
export const OWN_KEY = "arn:aws:kms:eu-central-1:123456789012:key/bbbbbbbb-2222-3333-4444-555555555555";
export const OUTSIDE_ROLE = `arn:aws:iam::${OTHER_ACCOUNT}:role/agents/outside`;
export const OUTSIDE_STRICT_ROLE = `arn:aws:iam::${OTHER_ACCOUNT}:role/agents/outside-strict`;
export const VPC_ENDPOINT = "vpce-0a1b2c3d";

/** Every way in which an option changes who may do what. */
const EVERY_OPTION: Partial<Environment> = {
  namePrefix: "acme",
  iamPath: "/agents/",
  permissionsBoundaryArn: BOUNDARY,
  vpc: { subnetIds: ["subnet-1"], securityGroupIds: ["sg-1"] },
  readThroughVpcEndpoints: [VPC_ENDPOINT],
};

/** The shipped environments, and one of them with other options; each with readers of its keys. */
export function fleet(): StackAccess[] {
  const [, , production] = environments;
  if (!production) throw new Error("environments.ts has changed");
  const { controlPlane } = production;
  return [
    ...environments.map((environment) => synthesise(environment.name, environment)),
    synthesise("production with every option", { ...production, ...EVERY_OPTION }),
    synthesise(
      "production with keys of its own",
      {
        ...production,
        kms: { keyArn: OWN_KEY, encryptsFunctions: true },
        controlPlane: { ...controlPlane, apiKeyKmsKeyArn: OPERATOR_KEY_KMS },
        rotation: "off",
      },
      OPERATOR_KEY_KMS,
    ),
  ];
}

export function synthesise(title: string, environment: Environment, operatorKeyKms?: string): StackAccess {
  const stack = new AgentKeysStack(app(), environment.name, { environment, bundles });
  const support = stack.agentKeys.agentKey("support").secret;
  const assumeRolePolicy = JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      { Effect: "Allow", Principal: { Service: "ecs-tasks.amazonaws.com" }, Action: "sts:AssumeRole" },
    ],
  });
  const operator = new IamRole(stack, "operator", { name: "operator", assumeRolePolicy });
  stack.agentKeys.grantOperate("by-operator", operator.name);
  for (const name of ["reader", "strict-reader"]) {
    const role = new IamRole(stack, name, { name, assumeRolePolicy });
    support.grantRead(`by-${name}`, role.name, { strict: name === "strict-reader" });
  }
  if (environment.kms !== "aws") {
    support.grantReadFromOtherAccount({ roleArn: OUTSIDE_ROLE });
    support.grantReadFromOtherAccount({ roleArn: OUTSIDE_STRICT_ROLE }, { strict: true });
  }
  const access = accessOf(title, stack);
  return operatorKeyKms === undefined
    ? access
    : { ...access, operatorKey: { ...access.operatorKey, keyArn: operatorKeyKms } };
}
