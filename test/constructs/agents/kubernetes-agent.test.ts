import { parseAllDocuments } from "yaml";
import { externalSecretManifest, KubernetesAgent, type KubernetesAgentProps } from "../../../constructs";
import { Synthesised, stack } from "../../helpers/synth";

const SECRET =
  "arn:aws:secretsmanager:eu-central-1:111111111111:secret:valmi/production/support/agent-key-AbCdEf";
const ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/ABCDEF";

const props: KubernetesAgentProps = {
  agentKey: { secretArn: SECRET },
  name: "support",
  namespace: "agents",
  oidcProviderArn: `arn:aws:iam::222222222222:oidc-provider/${ISSUER}`,
};

function make(changes: Partial<KubernetesAgentProps> = {}) {
  const own = stack();
  const agent = new KubernetesAgent(own, "agent", { ...props, ...changes });
  return { agent, synthesised: new Synthesised(own) };
}

const manifest = (text: string) => parseAllDocuments(text).map((document) => document.toJS());

test("the manifest: service account, store and secret, which is read again every five minutes", () => {
  const variables = [{ name: "VALMI_AGENT_KEY", secretArn: SECRET }];
  const settings = {
    name: "support",
    namespace: "agents",
    region: "eu-central-1",
    roleArn: "role-arn",
    variables,
  };
  const metadata = { name: "support", namespace: "agents" };
  expect(manifest(externalSecretManifest(settings))).toEqual([
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { ...metadata, annotations: { "eks.amazonaws.com/role-arn": "role-arn" } },
    },
    {
      apiVersion: "external-secrets.io/v1",
      kind: "SecretStore",
      metadata,
      spec: {
        provider: {
          aws: {
            service: "SecretsManager",
            region: "eu-central-1",
            auth: { jwt: { serviceAccountRef: { name: "support" } } },
          },
        },
      },
    },
    {
      apiVersion: "external-secrets.io/v1",
      kind: "ExternalSecret",
      metadata,
      spec: {
        refreshInterval: "300s",
        secretStoreRef: { kind: "SecretStore", name: "support" },
        target: { name: "support", creationPolicy: "Owner" },
        data: [{ secretKey: "VALMI_AGENT_KEY", remoteRef: { key: SECRET, property: "VALMI_AGENT_KEY" } }],
      },
    },
  ]);
});

test("the construct's manifest stays whole where it holds what Terraform knows later", () => {
  const { agent } = make({ refreshSeconds: 60 });
  const [account, , secret] = manifest(agent.manifest);
  expect(account.metadata.annotations["eks.amazonaws.com/role-arn"]).toMatch(/^\$\{TfToken\[[^\n]*\]\}$/);
  expect(secret.spec.refreshInterval).toBe("60s");
  expect(secret.spec.data.map(({ secretKey }: { secretKey: string }) => secretKey)).toEqual([
    "VALMI_AGENT_KEY",
    "VALUE_AGENT_SECRET",
  ]);
  expect(agent.deploymentAnnotations).toEqual({ "secret.reloader.stakater.com/reload": "support" });
});

test("the role is taken by this service account of this cluster alone, and reads this key alone", () => {
  const { synthesised } = make();
  const { Statement } = JSON.parse(String(synthesised.one("aws_iam_role").assume_role_policy));
  expect(Statement).toEqual([
    {
      Effect: "Allow",
      Principal: { Federated: props.oidcProviderArn },
      Action: "sts:AssumeRoleWithWebIdentity",
      Condition: {
        StringEquals: {
          [`${ISSUER}:aud`]: "sts.amazonaws.com",
          [`${ISSUER}:sub`]: "system:serviceaccount:agents:support",
        },
      },
    },
  ]);
  const allowed = synthesised.statements("aws_iam_role_policy").filter(({ Effect }) => Effect === "Allow");
  expect(allowed.map(({ Action, Resource }) => [Action, Resource])).toEqual([
    ["secretsmanager:GetSecretValue", SECRET],
  ]);
});

test("all of it, as Terraform gets it: names and construct ids are a contract", () => {
  expect(make().synthesised.configuration.resource).toMatchSnapshot();
});

test.each<[string, Partial<KubernetesAgentProps>, string]>([
  ["a name that is no DNS label", { name: "Support" }, "`name` must be a DNS label"],
  ["a namespace that is none", { namespace: "a/b" }, "`namespace` must be a DNS label"],
  ["no refresh", { refreshSeconds: 0 }, "`refreshSeconds` must be a whole number of seconds from 1 on"],
  [
    "an issuer's URL",
    { oidcProviderArn: `https://${ISSUER}` },
    "`oidcProviderArn` must be the ARN of an IAM OIDC provider",
  ],
])("refuses %s", (_, changes, message) => {
  expect(() => make(changes)).toThrow(message);
});
