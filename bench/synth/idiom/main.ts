// The same app in the manner of `cdktf init`: the provider imported by its barrel, run by ts-node, which checks types,
// and the functions as folders that CDKTF makes zips of.
import * as aws from "@cdktf/provider-aws";
import { App, AssetType } from "cdktf";
import { BareStack } from "../bare-stack";
import { readArguments, reportUsage } from "../run";

const { size, bundles } = readArguments();
const app = new App();
new BareStack(
  app,
  "bench",
  {
    AwsProvider: aws.provider.AwsProvider,
    CloudwatchEventRule: aws.cloudwatchEventRule.CloudwatchEventRule,
    CloudwatchEventTarget: aws.cloudwatchEventTarget.CloudwatchEventTarget,
    CloudwatchLogGroup: aws.cloudwatchLogGroup.CloudwatchLogGroup,
    CloudwatchMetricAlarm: aws.cloudwatchMetricAlarm.CloudwatchMetricAlarm,
    DataAwsCallerIdentity: aws.dataAwsCallerIdentity.DataAwsCallerIdentity,
    DataAwsPartition: aws.dataAwsPartition.DataAwsPartition,
    DataAwsSecretsmanagerSecret: aws.dataAwsSecretsmanagerSecret.DataAwsSecretsmanagerSecret,
    DynamodbTable: aws.dynamodbTable.DynamodbTable,
    IamRole: aws.iamRole.IamRole,
    IamRolePolicy: aws.iamRolePolicy.IamRolePolicy,
    LambdaFunction: aws.lambdaFunction.LambdaFunction,
    LambdaInvocation: aws.lambdaInvocation.LambdaInvocation,
    LambdaPermission: aws.lambdaPermission.LambdaPermission,
    SecretsmanagerSecret: aws.secretsmanagerSecret.SecretsmanagerSecret,
    SecretsmanagerSecretRotation: aws.secretsmanagerSecretRotation.SecretsmanagerSecretRotation,
    SnsTopic: aws.snsTopic.SnsTopic,
    SnsTopicPolicy: aws.snsTopicPolicy.SnsTopicPolicy,
  },
  size,
  { paths: bundles, type: AssetType.ARCHIVE },
);
app.synth();
reportUsage();
