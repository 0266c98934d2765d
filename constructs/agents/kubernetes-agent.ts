import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { Fn, Token } from "cdktf";
import { Construct } from "constructs";
import { stringify } from "yaml";
import { AGENT_KEY_FIELD } from "../../core/contract";
import { ARN_PATTERNS } from "../../core/rules";
import { policyDocument } from "../access/policy";
import { optional, orReference, text, wholeNumber } from "../environment/schema";
import { type AgentKeySource, consumedAgentKeys } from "./agent-key-source";
import { checkProps } from "./check-props";

const REFRESH_SECONDS = 300;

/** What the manifest is made of: plain data. */
export interface ExternalSecretSettings {
  /** Name of the Kubernetes secret, and of what makes it: a DNS label. */
  readonly name: string;
  readonly namespace: string;
  readonly region: string;
  /** The role that the External Secrets Operator reads with, by way of the service account. */
  readonly roleArn: string;
  /** The keys of the Kubernetes secret, which become environment variables. */
  readonly variables: readonly { readonly name: string; readonly secretArn: string }[];
  /**
   * How often the operator reads, in seconds.
   * @default 300
   */
  readonly refreshSeconds?: number;
}

/**
 * A manifest, as YAML for `kubectl apply -f -`: a service account with the role, the store that reads with it, and the
 * Kubernetes secret that the External Secrets Operator (0.16 or later) keeps up to date. It holds ARNs, no key.
 */
export function externalSecretManifest(settings: ExternalSecretSettings): string {
  const { name, namespace, region, roleArn, variables, refreshSeconds = REFRESH_SECONDS } = settings;
  const metadata = { name, namespace };
  const documents = [
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { ...metadata, annotations: { "eks.amazonaws.com/role-arn": roleArn } },
    },
    {
      apiVersion: "external-secrets.io/v1",
      kind: "SecretStore",
      metadata,
      spec: {
        provider: {
          aws: { service: "SecretsManager", region, auth: { jwt: { serviceAccountRef: { name } } } },
        },
      },
    },
    {
      apiVersion: "external-secrets.io/v1",
      kind: "ExternalSecret",
      metadata,
      spec: {
        refreshInterval: `${refreshSeconds}s`,
        secretStoreRef: { kind: "SecretStore", name },
        target: { name, creationPolicy: "Owner" },
        data: variables.map((variable) => ({
          secretKey: variable.name,
          remoteRef: { key: variable.secretArn, property: AGENT_KEY_FIELD },
        })),
      },
    },
  ];
  return documents.map((document) => stringify(document)).join("---\n");
}

export interface KubernetesAgentProps {
  /** The agent key, several, or all of an environment. */
  readonly agentKey: AgentKeySource;
  /** Name of the role, the service account, the store and the Kubernetes secret: a DNS label of up to 63 characters. */
  readonly name: string;
  readonly namespace: string;
  /** ARN of the IAM OIDC provider of the cluster. */
  readonly oidcProviderArn: string;
  /**
   * How often the key is read, in seconds.
   * @default 300
   */
  readonly refreshSeconds?: number;
  /** @default "/" */
  readonly iamPath?: string;
  /** @default - no permissions boundary */
  readonly permissionsBoundaryArn?: string;
  /** @default - none */
  readonly tags?: Readonly<Record<string, string>>;
}

/**
 * An agent on Kubernetes: a role that the service account of one namespace may take (IRSA), the grant, and the manifest by
 * which the External Secrets Operator keeps a Kubernetes secret up to date. Stakater's Reloader restarts the pods then.
 *
 * @example
 * const agent = new KubernetesAgent(stack, "support-agent", {
 *   agentKey: agentKeys.agentKey("support"), name: "support", namespace: "agents", oidcProviderArn: provider.arn,
 * });
 * new TerraformOutput(stack, "support-manifest", { value: agent.manifest });
 */
export class KubernetesAgent extends Construct {
  /** For `kubectl apply -f -`, after the deploy. */
  readonly manifest: string;
  /** For the metadata of the agent's Deployment, whose container takes the secret by `envFrom`. */
  readonly deploymentAnnotations: Readonly<Record<string, string>>;
  readonly role: IamRole;

  constructor(scope: Construct, id: string, props: KubernetesAgentProps) {
    super(scope, id);
    check(props, this.node.path);
    const {
      name,
      namespace,
      oidcProviderArn,
      iamPath = "/",
      permissionsBoundaryArn,
      refreshSeconds,
      tags = {},
    } = props;
    const { variables, statements, location } = consumedAgentKeys(props.agentKey);
    this.role = new IamRole(this, "role", {
      name,
      path: iamPath,
      description: `Reads the agent key for the service account ${namespace}/${name}`,
      assumeRolePolicy: trustInServiceAccount(oidcProviderArn, namespace, name),
      tags,
      ...(permissionsBoundaryArn === undefined ? {} : { permissionsBoundary: permissionsBoundaryArn }),
    });
    new IamRolePolicy(this, "read", {
      name: "read-agent-key",
      role: this.role.name,
      policy: policyDocument(statements),
    });
    this.manifest = externalSecretManifest({
      name,
      namespace,
      region: location.region,
      roleArn: this.role.arn,
      variables,
      ...(refreshSeconds === undefined ? {} : { refreshSeconds }),
    });
    this.deploymentAnnotations = { "secret.reloader.stakater.com/reload": name };
  }
}

const dnsLabel = text(
  "must be a DNS label: 1–63 lower-case letters, digits and hyphens between them",
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
  "choose a name that Kubernetes takes",
);

function check(
  { name, namespace, refreshSeconds, oidcProviderArn }: KubernetesAgentProps,
  path: string,
): void {
  checkProps(path, {
    name: [dnsLabel, name],
    namespace: [dnsLabel, namespace],
    refreshSeconds: [
      optional(
        wholeNumber(
          "must be a whole number of seconds from 1 on",
          (seconds) => seconds >= 1,
          "choose such a number",
        ),
      ),
      refreshSeconds,
    ],
    oidcProviderArn: [
      orReference(
        text(
          "must be the ARN of an IAM OIDC provider",
          ARN_PATTERNS.oidcProvider,
          "take the `arn` of the cluster's provider in IAM",
        ),
      ),
      oidcProviderArn,
    ],
  });
}

/** https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html */
function trustInServiceAccount(oidcProviderArn: string, namespace: string, name: string): string {
  const issuer = Token.isUnresolved(oidcProviderArn)
    ? Fn.element(Fn.split(":oidc-provider/", oidcProviderArn), 1)
    : String(oidcProviderArn.split(":oidc-provider/")[1]);
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { Federated: oidcProviderArn },
        Action: "sts:AssumeRoleWithWebIdentity",
        Condition: {
          StringEquals: {
            [`${issuer}:aud`]: "sts.amazonaws.com",
            [`${issuer}:sub`]: `system:serviceaccount:${namespace}:${name}`,
          },
        },
      },
    ],
  });
}
