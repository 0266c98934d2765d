import { DataAwsSecretsmanagerSecret } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secret";
import { Construct } from "constructs";
import { FUNCTION_ENV } from "../../core/contract";
import type { ResolvedSettings } from "../environment/environment";
import { forSecret, through } from "./kms-use";
import { allow, type FunctionAccess, type PolicyStatement } from "./policy";

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
    const { url, auth, gracePeriodHours, caCertificate, proxyUrl } = this.props.settings.controlPlane;
    return {
      environment: {
        [FUNCTION_ENV.controlPlaneUrl]: url,
        [FUNCTION_ENV.controlPlaneAuth]: auth,
        [FUNCTION_ENV.apiKeySecretArn]: this.apiKeySecretArn,
        [FUNCTION_ENV.gracePeriodHours]: String(gracePeriodHours),
        ...(caCertificate && { [FUNCTION_ENV.controlPlaneCa]: caCertificate }),
        ...(proxyUrl && { [FUNCTION_ENV.controlPlaneProxy]: proxyUrl }),
      },
      statements: [
        allow("ReadOperatorApiKey", "secretsmanager:GetSecretValue", this.apiKeySecretArn),
        ...this.useKey(),
      ],
    };
  }

  private useKey(): PolicyStatement[] {
    const { region, controlPlane } = this.props.settings;
    if (!controlPlane.apiKeyKmsKeyArn) return [];
    const condition = { ...through("secretsmanager", region), ...forSecret(this.apiKeySecretArn) };
    return [
      allow("DecryptOperatorApiKey", "kms:Decrypt", controlPlane.apiKeyKmsKeyArn, {
        StringEquals: condition,
      }),
    ];
  }
}
