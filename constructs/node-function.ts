import * as fs from "node:fs";
import * as path from "node:path";
import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { LambdaFunction } from "@cdktf/provider-aws/lib/lambda-function";
import { AssetType, Fn, TerraformAsset, Token } from "cdktf";
import { Construct } from "constructs";
import { allow, type FunctionAccess, type PolicyStatement, policyDocument } from "./access/policy";
import { LAMBDA_ENVIRONMENT_BYTES } from "./environment/control-plane";
import type { ResolvedSettings } from "./environment/environment";
import { type AwsLocation, functionArn, logGroupArn } from "./names";

const MEMORY_MB = 256;

export interface NodeFunctionProps {
  /** Name of the function and of its role. Never generated: Terraform's calls are tied to it. */
  readonly functionName: string;
  readonly description: string;
  /** Zip that holds `index.js`, which exports `handler`. */
  readonly bundle: string;
  readonly timeoutSeconds: number;
  /** Everything that the function may do, beside writing its own log. */
  readonly access: readonly FunctionAccess[];
  /**
   * Of logs and environment.
   * @default - the keys of CloudWatch Logs and Lambda
   */
  readonly encryptionKeyArn?: string;
  readonly location: AwsLocation;
  readonly settings: Pick<
    ResolvedSettings,
    "functions" | "vpc" | "tags" | "iamPath" | "permissionsBoundaryArn"
  >;
}

/**
 * A Lambda function from a bundle, with a role that may do what is given and write to its own log group. The function
 * comes after role, policy and log group, and goes before them, so that it never runs without its permissions.
 */
export class NodeFunction extends Construct {
  readonly functionName: string;
  readonly arn: string;
  readonly resource: LambdaFunction;

  constructor(scope: Construct, id: string, props: NodeFunctionProps) {
    super(scope, id);
    const { functionName, location, settings, encryptionKeyArn } = props;
    const { tags, vpc } = settings;

    const logGroup = new CloudwatchLogGroup(this, "log-group", {
      name: `/aws/lambda/${functionName}`,
      retentionInDays: settings.functions.logRetentionDays,
      tags,
      ...(encryptionKeyArn ? { kmsKeyId: encryptionKeyArn } : {}),
    });
    const role = new IamRole(this, "role", {
      name: functionName,
      description: `Role of the function ${functionName}`,
      path: settings.iamPath,
      assumeRolePolicy: JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
        ],
      }),
      tags,
      ...(settings.permissionsBoundaryArn ? { permissionsBoundary: settings.permissionsBoundaryArn } : {}),
    });
    const policy = new IamRolePolicy(this, "policy", {
      name: "access",
      role: role.name,
      policy: policyDocument([
        ...props.access.flatMap(({ statements }) => statements),
        writeLog(logGroupArn(location, `/aws/lambda/${functionName}`)),
        ...(vpc ? useNetwork(functionArn(location, functionName)) : []),
      ]),
    });
    const code = new TerraformAsset(this, "code", {
      path: existingBundle(props.bundle),
      type: AssetType.FILE,
    });
    this.resource = new LambdaFunction(this, "function", {
      functionName,
      description: props.description,
      role: role.arn,
      runtime: settings.functions.runtime,
      architectures: [settings.functions.architecture],
      handler: "index.handler",
      filename: code.path,
      // What Lambda calls CodeSha256.
      sourceCodeHash: Fn.filebase64sha256(code.path),
      timeout: props.timeoutSeconds,
      memorySize: MEMORY_MB,
      environment: {
        variables: fitting(functionName, [
          { POWERTOOLS_SERVICE_NAME: functionName },
          ...props.access.map(({ environment }) => environment),
        ]),
      },
      tags,
      ...(encryptionKeyArn ? { kmsKeyArn: encryptionKeyArn } : {}),
      ...(vpc
        ? { vpcConfig: { subnetIds: [...vpc.subnetIds], securityGroupIds: [...vpc.securityGroupIds] } }
        : {}),
      dependsOn: [policy, logGroup],
    });
    this.functionName = this.resource.functionName;
    this.arn = this.resource.arn;
  }
}

/** An ARN that Terraform knows only later is taken to be this long. */
const UNKNOWN_BYTES = 160;

/** Throws where Lambda would refuse the variables, which is seen in the deploy only. */
function fitting(
  functionName: string,
  environments: readonly FunctionAccess["environment"][],
): Record<string, string> {
  const variables: Record<string, string> = Object.assign({}, ...environments);
  const bytes = Object.entries(variables)
    .map(
      ([name, value]) => name.length + (Token.isUnresolved(value) ? UNKNOWN_BYTES : Buffer.byteLength(value)),
    )
    .reduce((sum, each) => sum + each, 0);
  if (bytes <= LAMBDA_ENVIRONMENT_BYTES) return variables;
  throw new Error(
    `The environment of the function ${functionName} has about ${bytes} bytes, and Lambda allows ` +
      `${LAMBDA_ENVIRONMENT_BYTES}: shorten \`controlPlane.caCertificate\` (an elliptic curve is shortest) and the URLs.`,
  );
}

function writeLog(logGroup: string): PolicyStatement {
  return allow("WriteLog", ["logs:CreateLogStream", "logs:PutLogEvents"], `${logGroup}:*`);
}

/** The actions that Lambda itself needs to put a function into a VPC; denied to the function's own code. */
const NETWORK_INTERFACE_ACTIONS = [
  "ec2:AssignPrivateIpAddresses",
  "ec2:CreateNetworkInterface",
  "ec2:DeleteNetworkInterface",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeSubnets",
  "ec2:UnassignPrivateIpAddresses",
];

// https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html: Lambda checks for these on `*` when the function
// is created; the calls of a function's code carry `lambda:SourceFunctionArn`, those of Lambda itself don't.
function useNetwork(sourceFunctionArn: string): PolicyStatement[] {
  return [
    allow("NetworkInterfaces", NETWORK_INTERFACE_ACTIONS, "*"),
    {
      Sid: "NetworkInterfacesNotByCode",
      Effect: "Deny",
      Action: NETWORK_INTERFACE_ACTIONS,
      Resource: "*",
      Condition: { ArnEquals: { "lambda:SourceFunctionArn": sourceFunctionArn } },
    },
  ];
}

function existingBundle(bundle: string): string {
  if (Token.isUnresolved(bundle) || !path.isAbsolute(bundle)) return bundle;
  if (fs.statSync(bundle, { throwIfNoEntry: false })?.isFile()) return bundle;
  throw new Error(
    `There is no function bundle at ${bundle}: build the package (npm run build), or name in \`bundles\` the zips that ` +
      "`bundleFunctions` wrote.",
  );
}
