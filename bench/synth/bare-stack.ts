import type { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import type { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import type { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import type { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import type { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity";
import type { DataAwsPartition } from "@cdktf/provider-aws/lib/data-aws-partition";
import type { DataAwsSecretsmanagerSecret } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secret";
import type { DynamodbTable } from "@cdktf/provider-aws/lib/dynamodb-table";
import type { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import type { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import type { LambdaFunction } from "@cdktf/provider-aws/lib/lambda-function";
import type { LambdaInvocation } from "@cdktf/provider-aws/lib/lambda-invocation";
import type { LambdaPermission } from "@cdktf/provider-aws/lib/lambda-permission";
import type { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import type { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import type { SecretsmanagerSecretRotation } from "@cdktf/provider-aws/lib/secretsmanager-secret-rotation";
import type { SnsTopic } from "@cdktf/provider-aws/lib/sns-topic";
import type { SnsTopicPolicy } from "@cdktf/provider-aws/lib/sns-topic-policy";
import { type AssetType, TerraformAsset, TerraformOutput, TerraformStack } from "cdktf";
import type { Construct } from "constructs";
import type { FunctionBundles } from "../../constructs";

/** The provider's classes, however an app has imported them. */
export interface Aws {
  AwsProvider: typeof AwsProvider;
  CloudwatchEventRule: typeof CloudwatchEventRule;
  CloudwatchEventTarget: typeof CloudwatchEventTarget;
  CloudwatchLogGroup: typeof CloudwatchLogGroup;
  CloudwatchMetricAlarm: typeof CloudwatchMetricAlarm;
  DataAwsCallerIdentity: typeof DataAwsCallerIdentity;
  DataAwsPartition: typeof DataAwsPartition;
  DataAwsSecretsmanagerSecret: typeof DataAwsSecretsmanagerSecret;
  DynamodbTable: typeof DynamodbTable;
  IamRole: typeof IamRole;
  IamRolePolicy: typeof IamRolePolicy;
  LambdaFunction: typeof LambdaFunction;
  LambdaInvocation: typeof LambdaInvocation;
  LambdaPermission: typeof LambdaPermission;
  SecretsmanagerSecret: typeof SecretsmanagerSecret;
  SecretsmanagerSecretRotation: typeof SecretsmanagerSecretRotation;
  SnsTopic: typeof SnsTopic;
  SnsTopicPolicy: typeof SnsTopicPolicy;
}

/** The code of the functions: zips, or folders that CDKTF makes zips of. */
export interface FunctionCode {
  readonly paths: FunctionBundles;
  readonly type: AssetType.FILE | AssetType.ARCHIVE;
}

const REGION = "eu-central-1";
const CONTROL_PLANE_URL = "https://value.valmi.io/api/v1";
const TAGS = { team: "agents" };

/**
 * What somebody writes who has no constructs: the provider's classes in a loop, no checks, everything spelled out. It
 * makes the resources, with the attributes, that our constructs make for the same fleet; synth.ts compares them.
 */
export class BareStack extends TerraformStack {
  constructor(scope: Construct, id: string, aws: Aws, size: number, functionCode: FunctionCode) {
    super(scope, id);
    new aws.AwsProvider(this, "aws", { region: REGION });
    this.addOverride("terraform.required_providers.aws.version", ">= 5.100.0, < 7.0.0");
    const { accountId } = new aws.DataAwsCallerIdentity(this, "account");
    const { partition } = new aws.DataAwsPartition(this, "partition");
    const apiKey = new aws.DataAwsSecretsmanagerSecret(this, "api-key", {
      name: "valmi/bench/operator-api-key",
    });
    const secretArns = `arn:${partition}:secretsmanager:${REGION}:${accountId}:secret:valmi/bench/*/agent-key-??????`;

    const table = new aws.DynamodbTable(this, "intents", {
      name: "valmi-bench-agent-key-intents",
      billingMode: "PAY_PER_REQUEST",
      hashKey: "secretArn",
      rangeKey: "baseVersionId",
      attribute: [
        { name: "secretArn", type: "S" },
        { name: "baseVersionId", type: "S" },
      ],
      ttl: { enabled: true, attributeName: "expiresAt" },
      pointInTimeRecovery: { enabled: true },
      deletionProtectionEnabled: false,
      tags: TAGS,
      lifecycle: { preventDestroy: false },
    });

    const addFunction = (name: keyof FunctionBundles, statements: object[]) => {
      const functionName = `valmi-bench-agent-key-${name}`;
      const logGroup = new aws.CloudwatchLogGroup(this, `${name}-log-group`, {
        name: `/aws/lambda/${functionName}`,
        retentionInDays: 365,
        tags: TAGS,
      });
      const role = new aws.IamRole(this, `${name}-role`, {
        name: functionName,
        description: `Role of the function ${functionName}`,
        path: "/",
        assumeRolePolicy: policy({
          Effect: "Allow",
          Principal: { Service: "lambda.amazonaws.com" },
          Action: "sts:AssumeRole",
        }),
        tags: TAGS,
      });
      const rolePolicy = new aws.IamRolePolicy(this, `${name}-policy`, {
        name: "access",
        role: role.name,
        policy: policy(
          ...statements,
          { Effect: "Allow", Action: ["dynamodb:PutItem", "dynamodb:UpdateItem"], Resource: table.arn },
          { Effect: "Allow", Action: "secretsmanager:GetSecretValue", Resource: apiKey.arn },
          {
            Effect: "Allow",
            Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
            Resource: `arn:${partition}:logs:${REGION}:${accountId}:log-group:/aws/lambda/${functionName}:*`,
          },
        ),
      });
      const code = new TerraformAsset(this, `${name}-code`, {
        path: functionCode.paths[name],
        type: functionCode.type,
      });
      return new aws.LambdaFunction(this, `${name}-function`, {
        functionName,
        description: `The ${name} function`,
        role: role.arn,
        runtime: "nodejs22.x",
        architectures: ["arm64"],
        handler: "index.handler",
        filename: code.path,
        sourceCodeHash: code.assetHash,
        timeout: 180,
        memorySize: 256,
        environment: {
          variables: {
            POWERTOOLS_SERVICE_NAME: functionName,
            VALMI_API_KEY_SECRET_ARN: apiKey.arn,
            VALMI_CONTROL_PLANE_AUTH: "api-key",
            VALMI_CONTROL_PLANE_URL: CONTROL_PLANE_URL,
            VALMI_GRACE_PERIOD_HOURS: "24",
            VALMI_INTENT_TABLE: table.name,
          },
        },
        tags: TAGS,
        dependsOn: [rolePolicy, logGroup],
      });
    };
    const rotationFunction = addFunction("rotation", [
      {
        Effect: "Allow",
        Action: [
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
          "secretsmanager:PutSecretValue",
          "secretsmanager:UpdateSecretVersionStage",
        ],
        Resource: secretArns,
      },
    ]);
    const provisioningFunction = addFunction("provisioning", [
      {
        Effect: "Allow",
        Action: ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
        Resource: secretArns,
      },
      { Effect: "Allow", Action: "secretsmanager:PutSecretValue", Resource: secretArns },
    ]);
    const permission = new aws.LambdaPermission(this, "rotation-permission", {
      functionName: rotationFunction.functionName,
      action: "lambda:InvokeFunction",
      principal: "secretsmanager.amazonaws.com",
      sourceAccount: accountId,
    });

    this.addAuditor(aws, accountId, secretArns, addFunction);

    const outputs: Record<string, object> = {};
    for (let index = 0; index < size; index++) {
      const instance = `support-${index}`;
      const secret = new aws.SecretsmanagerSecret(this, `${instance}-secret`, {
        name: `valmi/bench/${instance}/agent-key`,
        description: `Agent key of the agent instance ${instance} (bench)`,
        recoveryWindowInDays: 0,
        policy: policy({
          Effect: "Deny",
          Principal: "*",
          Action: "secretsmanager:*",
          Resource: "*",
          Condition: { StringNotEquals: { "aws:PrincipalAccount": accountId } },
        }),
        tags: {
          ...TAGS,
          "valmi:account": `acc_${index}`,
          "valmi:agent-type": "at_support",
          "valmi:contact": `con_${index}`,
          "valmi:control-plane-url": CONTROL_PLANE_URL,
          "valmi:environment": "bench",
          "valmi:id": instance,
          "valmi:name": `bench-${instance}`,
          "valmi:pricing": "per-resolution",
          "valmi:subscription": `sub-${index}`,
        },
        lifecycle: { preventDestroy: false },
      });
      const invocation = new aws.LambdaInvocation(this, `${instance}-invocation`, {
        functionName: provisioningFunction.functionName,
        lifecycleScope: "CRUD",
        input: JSON.stringify({
          id: instance,
          environment: "bench",
          name: `bench-${instance}`,
          description: `Answers the questions of customer ${index}`,
          agentType: { id: "at_support" },
          accountId: `acc_${index}`,
          contactId: `con_${index}`,
          secretArn: secret.arn,
        }),
        dependsOn: [permission],
        lifecycle: {
          preventDestroy: false,
          postcondition: [
            {
              // biome-ignore lint/suspicious/noTemplateCurlyInString: evaluated by Terraform
              condition: '${try(jsondecode(self.result).status == "ready", false)}',
              errorMessage: `Agent instance ${instance} is not ready`,
            },
          ],
        },
      });
      new aws.SecretsmanagerSecretRotation(this, `${instance}-rotation`, {
        secretId: secret.arn,
        rotationLambdaArn: rotationFunction.arn,
        rotateImmediately: false,
        rotationRules: { automaticallyAfterDays: 90 },
        dependsOn: [invocation, permission],
      });
      outputs[instance] = {
        secretArn: secret.arn,
        secretName: `valmi/bench/${instance}/agent-key`,
        agentInstanceId: `\${jsondecode(${invocation.fqn}.result).agentInstanceId}`,
      };
    }
    new TerraformOutput(this, "agent-instances", {
      description: "Secret and Control Plane id of every agent instance",
      value: outputs,
    });
  }

  private addAuditor(
    aws: Aws,
    accountId: string,
    secretArns: string,
    addFunction: (name: keyof FunctionBundles, statements: object[]) => LambdaFunction,
  ): void {
    const topic = new aws.SnsTopic(this, "topic", {
      name: "valmi-bench-agent-key-alerts",
      displayName: "Agent keys of bench",
      tags: TAGS,
    });
    new aws.SnsTopicPolicy(this, "topic-policy", {
      arn: topic.arn,
      policy: policy({
        Effect: "Allow",
        Principal: { Service: ["cloudwatch.amazonaws.com"] },
        Action: "sns:Publish",
        Resource: topic.arn,
        Condition: { StringEquals: { "aws:SourceAccount": accountId } },
      }),
    });
    const auditor = addFunction("audit", [
      { Effect: "Allow", Action: "secretsmanager:ListSecrets", Resource: "*" },
      {
        Effect: "Allow",
        Action: [
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
          "secretsmanager:RotateSecret",
        ],
        Resource: secretArns,
      },
      { Effect: "Allow", Action: "sns:Publish", Resource: topic.arn },
    ]);
    const rule = new aws.CloudwatchEventRule(this, "schedule", {
      name: "valmi-bench-agent-key-audit",
      description: "Starts the auditor",
      scheduleExpression: "rate(5 minutes)",
      tags: TAGS,
    });
    const mayStart = new aws.LambdaPermission(this, "schedule-permission", {
      functionName: auditor.functionName,
      action: "lambda:InvokeFunction",
      principal: "events.amazonaws.com",
      sourceArn: rule.arn,
    });
    new aws.CloudwatchEventTarget(this, "schedule-target", {
      rule: rule.name,
      arn: auditor.arn,
      dependsOn: [mayStart],
    });
    const common = {
      evaluationPeriods: 1,
      comparisonOperator: "GreaterThanThreshold",
      threshold: 0,
      alarmActions: [topic.arn],
      okActions: [topic.arn],
      tags: TAGS,
    };
    for (const [name, metricName, treatMissingData] of [
      ["findings", "Findings", "ignore"],
      ["auditor-silent", "Audited", "breaching"],
    ] as const) {
      new aws.CloudwatchMetricAlarm(this, name, {
        ...common,
        alarmName: `valmi-bench-agent-key-${name}`,
        alarmDescription: `The alarm ${name}`,
        namespace: "ValmiAgentKeys",
        metricName,
        dimensions: { service: "valmi-bench-agent-key-audit" },
        statistic: "Maximum",
        period: 900,
        treatMissingData,
      });
    }
    const errorsOf = (name: string) => ({
      id: name,
      metric: {
        namespace: "AWS/Lambda",
        metricName: "Errors",
        dimensions: { FunctionName: `valmi-bench-agent-key-${name}` },
        stat: "Sum",
        period: 3_600,
      },
    });
    new aws.CloudwatchMetricAlarm(this, "errors", {
      ...common,
      alarmName: "valmi-bench-agent-key-function-errors",
      alarmDescription: "Functions end by errors",
      metricQuery: [
        { id: "errors", expression: "SUM([rotation, audit])", label: "Errors", returnData: true },
        errorsOf("rotation"),
        errorsOf("audit"),
      ],
      treatMissingData: "notBreaching",
    });
  }
}

function policy(...statements: object[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}
