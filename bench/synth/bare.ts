// A CDKTF app without constructs of its own, which imports of the provider only what it uses.
import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity";
import { DataAwsPartition } from "@cdktf/provider-aws/lib/data-aws-partition";
import { DataAwsSecretsmanagerSecret } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secret";
import { DynamodbTable } from "@cdktf/provider-aws/lib/dynamodb-table";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { LambdaFunction } from "@cdktf/provider-aws/lib/lambda-function";
import { LambdaInvocation } from "@cdktf/provider-aws/lib/lambda-invocation";
import { LambdaPermission } from "@cdktf/provider-aws/lib/lambda-permission";
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import { SecretsmanagerSecretRotation } from "@cdktf/provider-aws/lib/secretsmanager-secret-rotation";
import { SnsTopic } from "@cdktf/provider-aws/lib/sns-topic";
import { SnsTopicPolicy } from "@cdktf/provider-aws/lib/sns-topic-policy";
import { App, AssetType } from "cdktf";
import { BareStack } from "./bare-stack";
import { readArguments, reportUsage } from "./run";

const { size, bundles } = readArguments();
const app = new App();
new BareStack(
  app,
  "bench",
  {
    AwsProvider,
    CloudwatchEventRule,
    CloudwatchEventTarget,
    CloudwatchLogGroup,
    CloudwatchMetricAlarm,
    DataAwsCallerIdentity,
    DataAwsPartition,
    DataAwsSecretsmanagerSecret,
    DynamodbTable,
    IamRole,
    IamRolePolicy,
    LambdaFunction,
    LambdaInvocation,
    LambdaPermission,
    SecretsmanagerSecret,
    SecretsmanagerSecretRotation,
    SnsTopic,
    SnsTopicPolicy,
  },
  size,
  { paths: bundles, type: AssetType.FILE },
);
app.synth();
reportUsage();
