import { type ControlPlaneSettings, resolveSettings } from "../../../constructs";
import { ControlPlaneAccess } from "../../../constructs/access/control-plane-access";
import { readSettings } from "../../../core/settings/function-settings";
import { Authority } from "../../../proofs/harness/certificates";
import { leastSettings, Synthesised, stack } from "../../helpers/synth";

function make(changes: Partial<ControlPlaneSettings> = {}) {
  const scope = stack();
  const settings = resolveSettings({
    ...leastSettings,
    controlPlane: { ...leastSettings.controlPlane, ...changes },
  });
  const controlPlane = new ControlPlaneAccess(scope, "control-plane", { settings });
  return { controlPlane, ...controlPlane.callAccess(), synthesised: new Synthesised(scope) };
}

test("finds the operator's API key by name, so that a missing one shows in the plan", () => {
  expect(make().synthesised.configuration.data).toEqual({
    aws_secretsmanager_secret: { "control-plane_api-key_832B5997": { name: "valmi/dev/operator-api-key" } },
  });
});

test("with the least props: Valmi's own Control Plane, and a key that AWS manages", () => {
  const { controlPlane, environment, statements } = make();
  expect(environment).toEqual({
    VALMI_CONTROL_PLANE_URL: "https://value.valmi.io/api/v1",
    VALMI_CONTROL_PLANE_AUTH: "api-key",
    VALMI_API_KEY_SECRET_ARN: controlPlane.apiKeySecretArn,
    VALMI_GRACE_PERIOD_HOURS: "24",
  });
  expect(statements).toEqual([
    {
      Sid: "ReadOperatorApiKey",
      Effect: "Allow",
      Action: "secretsmanager:GetSecretValue",
      Resource: controlPlane.apiKeySecretArn,
    },
  ]);
});

test("with all props: another Control Plane, and the secret's own KMS key for that secret only", () => {
  const { controlPlane, environment, statements } = make({
    url: "https://valmi.example.com/api/v1",
    auth: "bearer",
    gracePeriodHours: 0,
    apiKeyKmsKeyArn: "key-arn",
  });
  expect(environment).toMatchObject({
    VALMI_CONTROL_PLANE_URL: "https://valmi.example.com/api/v1",
    VALMI_CONTROL_PLANE_AUTH: "bearer",
    VALMI_GRACE_PERIOD_HOURS: "0",
  });
  expect(statements[1]).toMatchObject({
    Action: "kms:Decrypt",
    Resource: "key-arn",
    Condition: {
      StringEquals: {
        "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com",
        "kms:EncryptionContext:SecretARN": controlPlane.apiKeySecretArn,
      },
    },
  });
});

test("a CA and a proxy are given to the functions as these read them", () => {
  const authority = new Authority("our CA");
  authority.remove();
  const caCertificate = authority.certificate;
  const { environment } = make({ caCertificate, proxyUrl: "http://proxy.example:3128" });
  const settings = readSettings({ ...environment, VALMI_INTENT_TABLE: "valmi-dev-intents" });
  expect(settings.controlPlaneRoute).toEqual({ caCertificate, proxyUrl: "http://proxy.example:3128" });
});
