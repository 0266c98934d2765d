import { METRICS } from "../../core/contract";
import { type Synthesised, synthAgentKeys } from "../helpers/synth";

const variables = (synthesised: Synthesised) =>
  (synthesised.one("aws_lambda_function", "auditor").environment as { variables: Record<string, string> })
    .variables;

describe("the auditor", () => {
  test("is started every 5 minutes, by this rule alone, and has 4 minutes", () => {
    const synthesised = synthAgentKeys();

    expect(synthesised.one("aws_cloudwatch_event_rule")).toMatchObject({
      schedule_expression: "rate(5 minutes)",
      // Left out, Terraform would not see that somebody has switched it off.
      state: "ENABLED",
    });
    expect(synthesised.one("aws_lambda_permission", "auditor")).toMatchObject({
      principal: "events.amazonaws.com",
      source_arn: expect.stringContaining("aws_cloudwatch_event_rule"),
    });
    expect(synthesised.one("aws_cloudwatch_event_target")).toMatchObject({
      arn: expect.stringContaining("aws_lambda_function.agent-keys_auditor"),
      depends_on: [expect.stringContaining("aws_lambda_permission")],
    });
    expect(synthesised.one("aws_lambda_function", "auditor")).toMatchObject({ timeout: 240 });
  });

  test("is told what it audits, and holds no key", () => {
    expect(
      variables(synthAgentKeys({ rotation: { automaticallyAfterDays: 30, windowHours: 4 } })),
    ).toMatchObject({
      VALMI_ENVIRONMENT: "dev",
      VALMI_SECRET_NAME_START: "valmi/dev/",
      VALMI_ROTATION_DAYS: "30",
      VALMI_ROTATION_WINDOW_HOURS: "4",
      VALMI_ROTATION_FUNCTION_ARN: expect.stringContaining("rotation-function"),
      VALMI_ALERT_TOPIC_ARN: expect.stringContaining("aws_sns_topic"),
      VALMI_HEALING: "on",
      VALMI_RUNBOOK_URL: "docs/operations.md",
    });
    expect(variables(synthAgentKeys({ rotation: "off" }))).toMatchObject({ VALMI_ROTATION_DAYS: "off" });
    expect(variables(synthAgentKeys())).not.toHaveProperty("VALMI_HEARTBEAT_URL");
    const alerts = {
      healing: "dry-run",
      heartbeatUrl: "https://example.com/beat",
      runbookUrl: "https://example.com/x",
    } as const;
    expect(variables(synthAgentKeys({ alerts }))).toMatchObject({
      VALMI_HEALING: "dry-run",
      VALMI_HEARTBEAT_URL: alerts.heartbeatUrl,
      VALMI_RUNBOOK_URL: alerts.runbookUrl,
    });
  });

  test("may write its own records, no value and no label", () => {
    const statements = synthAgentKeys().statements("aws_iam_role_policy", "auditor");
    const allowed = statements
      .filter(({ Effect }) => Effect === "Allow")
      .flatMap(({ Action }) => Action ?? []);

    expect(allowed.filter((action) => /Put|Update|Create|Delete|Move/.test(action))).toEqual([
      "dynamodb:PutItem",
      "dynamodb:UpdateItem",
      "logs:CreateLogStream",
      "logs:PutLogEvents",
    ]);
    expect(statements.find(({ Sid }) => Sid === "KeepAuditRecords")?.Condition).toEqual({
      "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": ["auditor"] },
    });
    const everywhere = statements.filter(({ Effect, Resource }) => Effect === "Allow" && Resource === "*");
    expect(everywhere.map(({ Action }) => Action)).toEqual(["secretsmanager:ListSecrets"]);
  });
});

describe("alarms", () => {
  const alarm = (name: string) => synthAgentKeys().one("aws_cloudwatch_metric_alarm", name);

  test("say when it begins and when it is over, each with its own answer to missing data", () => {
    const all = synthAgentKeys().all("aws_cloudwatch_metric_alarm");

    expect(all).toHaveLength(3);
    for (const each of all) {
      expect(each.alarm_actions).toEqual([expect.stringContaining("aws_sns_topic")]);
      expect(each.ok_actions).toEqual(each.alarm_actions);
    }
    expect(alarm("findings").treat_missing_data).toBe("ignore");
    expect(alarm("silent").treat_missing_data).toBe("breaching");
    expect(alarm("errors").treat_missing_data).toBe("notBreaching");
  });

  test("look at the auditor's metrics by its name, and at no instance", () => {
    for (const [name, metric] of [
      ["findings", METRICS.findings],
      ["silent", METRICS.audited],
    ] as const) {
      expect(alarm(name)).toMatchObject({
        namespace: METRICS.namespace,
        metric_name: metric,
        dimensions: { service: "valmi-dev-agent-key-audit" },
      });
    }
    expect(variables(synthAgentKeys()).POWERTOOLS_SERVICE_NAME).toBe("valmi-dev-agent-key-audit");
  });
});

describe("the topic", () => {
  const key = "arn:aws:kms:eu-central-1:123456789012:key/1-2";
  const statements = (synthesised: Synthesised) => synthesised.statements("aws_sns_topic_policy");

  test("is made here, and encrypted only where alarms may use the key", () => {
    expect(synthAgentKeys({ kms: "aws" }).one("aws_sns_topic")).not.toHaveProperty("kms_master_key_id");
    expect(synthAgentKeys({ kms: { keyArn: key } }).one("aws_sns_topic")).not.toHaveProperty(
      "kms_master_key_id",
    );

    const own = synthAgentKeys();
    expect(own.one("aws_sns_topic").kms_master_key_id).toMatch(/aws_kms_key/);
    const admitted = own.statements("aws_kms_key").find(({ Sid }) => Sid === "PublishAlarms");
    expect(admitted?.Principal).toEqual({ Service: ["cloudwatch.amazonaws.com", "events.amazonaws.com"] });
    expect(own.statements("aws_iam_role_policy", "auditor").map(({ Sid }) => Sid)).toContain("EncryptPages");
  });

  test("admits alarms of this account, and rules only with a trail", () => {
    expect(statements(synthAgentKeys())[0]).toMatchObject({
      Principal: { Service: ["cloudwatch.amazonaws.com"] },
      Condition: { StringEquals: { "aws:SourceAccount": expect.any(String) } },
    });
    expect(statements(synthAgentKeys({ alerts: { trail: true } }))[0]?.Principal).toEqual({
      Service: ["cloudwatch.amazonaws.com", "events.amazonaws.com"],
    });
  });

  test("that is given is used, and nothing is made", () => {
    const topicArn = "arn:aws:sns:eu-central-1:123456789012:alerts";
    const synthesised = synthAgentKeys({ alerts: { topicArn } });

    expect(synthesised.all("aws_sns_topic")).toEqual([]);
    expect(synthesised.all("aws_sns_topic_policy")).toEqual([]);
    expect(synthesised.one("aws_cloudwatch_metric_alarm", "findings").alarm_actions).toEqual([topicArn]);
    expect(variables(synthesised).VALMI_ALERT_TOPIC_ARN).toBe(topicArn);
    expect(synthesised.statements("aws_iam_role_policy", "auditor").map(({ Sid }) => Sid)).not.toContain(
      "EncryptPages",
    );
  });
});

test("failed rotations are told as events where there is a trail, of this environment's secrets only", () => {
  const rules = synthAgentKeys({ alerts: { trail: true } }).all("aws_cloudwatch_event_rule");
  expect(rules.map(({ state }) => state)).toEqual(["ENABLED", "ENABLED"]);
  const [pattern] = rules.flatMap(({ event_pattern }) =>
    event_pattern ? [JSON.parse(String(event_pattern))] : [],
  );

  expect(pattern.detail.eventName).toEqual(["RotationFailed", "RotationAbandoned", "TestRotationFailed"]);
  expect(pattern.detail.additionalEventData.SecretId).toEqual([
    { prefix: expect.stringMatching(/:secret:valmi\/dev\/$/) },
  ]);
});

test("the dashboard is drawn if wanted", () => {
  expect(synthAgentKeys().all("aws_cloudwatch_dashboard")).toEqual([]);
  const dashboard = synthAgentKeys({ alerts: { dashboard: true } }).one("aws_cloudwatch_dashboard");
  expect(JSON.parse(String(dashboard.dashboard_body)).widgets).toHaveLength(4);
});
