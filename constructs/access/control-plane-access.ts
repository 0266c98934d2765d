import { DataAwsSecretsmanagerSecret } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secret";
import { Construct } from "constructs";
import { FUNCTION_ENV } from "../../core/contract";
import type { ResolvedSettings } from "../environment/environment";
import type { FunctionAccess } from "./policy";

export interface ControlPlaneAccessProps {
  readonly settings: Pick<ResolvedSettings, "region" | "controlPlane">;
}

/**
 * The way to the Control Plane: its URL, and the secret of the operator's API key, which must be there already: a
 * missing one shows in the plan.
 */
export class ControlPlaneAccess extends Construct {
  readonly apiKeySecretArn: string;
  private readonly props: ControlPlaneAccessProps;

  constructor(scope: Construct, id: string, props: ControlPlaneAccessProps) {
    super(scope, id);
    this.props = props;
    const secret = new DataAwsSecretsmanagerSecret(this, "api-key", {
      name: props.settings.controlPlane.apiKeySecretName,
    });
    this.apiKeySecretArn = secret.arn;
  }

  /** Calling the Control Plane as its operator. */
  callAccess(): FunctionAccess {
    const { region, controlPlane } = this.props.settings;
    return {
      environment: {
        [FUNCTION_ENV.controlPlaneUrl]: controlPlane.url,
        [FUNCTION_ENV.controlPlaneAuth]: controlPlane.auth,
        [FUNCTION_ENV.apiKeySecretArn]: this.apiKeySecretArn,
        [FUNCTION_ENV.gracePeriodHours]: String(controlPlane.gracePeriodHours),
        ...(controlPlane.caCertificate ? { [FUNCTION_ENV.controlPlaneCa]: controlPlane.caCertificate } : {}),
        ...(controlPlane.proxyUrl ? { [FUNCTION_ENV.controlPlaneProxy]: controlPlane.proxyUrl } : {}),
      },
      statements: [
        {
          Sid: "ReadOperatorApiKey",
          Effect: "Allow",
          Action: "secretsmanager:GetSecretValue",
          Resource: this.apiKeySecretArn,
        },
        ...(controlPlane.apiKeyKmsKeyArn
          ? [
              {
                Sid: "DecryptOperatorApiKey",
                Effect: "Allow" as const,
                Action: "kms:Decrypt",
                Resource: controlPlane.apiKeyKmsKeyArn,
                Condition: {
                  StringEquals: {
                    "kms:ViaService": `secretsmanager.${region}.amazonaws.com`,
                    "kms:EncryptionContext:SecretARN": this.apiKeySecretArn,
                  },
                },
              },
            ]
          : []),
      ],
    };
  }
}
