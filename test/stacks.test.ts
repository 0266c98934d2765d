import { AgentKeysStack, checkEnvironments } from "../constructs";
import { environments } from "../environments";
import { app, bundles, Synthesised } from "./helpers/synth";

const synthesised = new Map(
  environments.map((environment) => [
    environment.name,
    new Synthesised(new AgentKeysStack(app(), environment.name, { environment, bundles })),
  ]),
);
const of = (name: string) => {
  const found = synthesised.get(name);
  if (!found) throw new Error(`no environment ${name}`);
  return found;
};

test("ships three environments without a problem, each with more than one instance of different types", () => {
  expect(environments.map(({ name }) => name)).toEqual(["dev", "staging", "production"]);
  expect(checkEnvironments(environments)).toEqual([]);
  for (const { agentInstances } of environments) {
    expect(new Set(agentInstances.map(({ agentType }) => JSON.stringify(agentType))).size).toBeGreaterThan(1);
  }
});

test("only dev is for throwing away", () => {
  expect(environments.map(({ name, removal }) => [name, removal])).toEqual([
    ["dev", "delete"],
    ["staging", "deactivate"],
    ["production", undefined],
  ]);
});

// The whole plan, to be read in review: JSON within it is shown as what it says, and the hash of a bundle, which every
// change of a function changes, is masked.
test.each(environments.map(({ name }) => name))("stack %s", (name) => {
  const readable = JSON.stringify(of(name).configuration, (_, value) =>
    typeof value === "string" && value.startsWith('{"') ? JSON.parse(value) : value,
  );
  expect(JSON.parse(readable.replace(/\b[0-9A-F]{32}\b/g, "<bundle hash>"))).toMatchSnapshot();
});

// An address is what Terraform knows a resource by: with another one, a live secret is deleted and made anew.
test("addresses are pinned", () => {
  expect(of("dev").addresses()).toEqual([
    "aws_cloudwatch_event_rule.agent-keys_auditor_schedule_AE857EEC",
    "aws_cloudwatch_event_target.agent-keys_auditor_target_668F86FD",
    "aws_cloudwatch_log_group.agent-keys_auditor_function_log-group_416D04D3",
    "aws_cloudwatch_log_group.agent-keys_provisioning-function_log-group_4F030E9C",
    "aws_cloudwatch_log_group.agent-keys_rotation-function_log-group_49CFA467",
    "aws_cloudwatch_metric_alarm.agent-keys_alarms_errors_5446F2FD",
    "aws_cloudwatch_metric_alarm.agent-keys_alarms_findings_4A2534A3",
    "aws_cloudwatch_metric_alarm.agent-keys_alarms_silent_725D992C",
    "aws_dynamodb_table.agent-keys_intents_table_F44FD9D9",
    "aws_iam_role.agent-keys_auditor_function_role_2039BE08",
    "aws_iam_role.agent-keys_provisioning-function_role_2F6CA673",
    "aws_iam_role.agent-keys_rotation-function_role_FB0E12F2",
    "aws_iam_role_policy.agent-keys_auditor_function_policy_6C50E421",
    "aws_iam_role_policy.agent-keys_provisioning-function_policy_8CBBD655",
    "aws_iam_role_policy.agent-keys_rotation-function_policy_EE86E43D",
    "aws_lambda_function.agent-keys_auditor_function_AE77A15B",
    "aws_lambda_function.agent-keys_provisioning-function_04F94043",
    "aws_lambda_function.agent-keys_rotation-function_24A272EF",
    "aws_lambda_invocation.agent-keys_instances_research_instance_invocation_675B3C1D",
    "aws_lambda_invocation.agent-keys_instances_support_instance_invocation_DBAC193D",
    "aws_lambda_permission.agent-keys_auditor_permission_6E5177DF",
    "aws_lambda_permission.agent-keys_rotation-permission_D73857CA",
    "aws_secretsmanager_secret.agent-keys_instances_research_secret_1F5441BC",
    "aws_secretsmanager_secret.agent-keys_instances_support_secret_03C7DED9",
    "aws_secretsmanager_secret_rotation.agent-keys_instances_research_rotation_D574010F",
    "aws_secretsmanager_secret_rotation.agent-keys_instances_support_rotation_45DDC4C6",
    "aws_sns_topic.agent-keys_alert-topic_F1446D14",
    "aws_sns_topic_policy.agent-keys_alert-topic_policy_160A4D5D",
  ]);
  expect(
    of("production")
      .addresses()
      .filter((address) => address.startsWith("aws_kms")),
  ).toEqual(["aws_kms_alias.agent-keys_key_alias_34643A33", "aws_kms_key.agent-keys_key_95DAAC6C"]);
});

test("function names are pinned: with another one, every agent instance is deleted and made anew", () => {
  const names = [...synthesised.values()].flatMap((stack) =>
    stack.all("aws_lambda_function").map(({ function_name }) => function_name),
  );
  expect(names).toEqual([
    "valmi-dev-agent-key-audit",
    "valmi-dev-agent-key-provisioning",
    "valmi-dev-agent-key-rotation",
    "valmi-staging-agent-key-audit",
    "valmi-staging-agent-key-provisioning",
    "valmi-staging-agent-key-rotation",
    "valmi-production-agent-key-audit",
    "valmi-production-agent-key-provisioning",
    "valmi-production-agent-key-rotation",
  ]);
});
