import { AgentKeysStack, type Environment } from "../../constructs";
import { app, bundles, environment, Synthesised } from "../helpers/synth";

const make = (changes: Partial<Environment> = {}) =>
  new Synthesised(new AgentKeysStack(app(), "dev", { environment: environment(changes), bundles }));

const provider = ({ configuration }: Synthesised) => configuration.provider?.aws;

test("with the least props: the region, whatever credentials are at hand, local state", () => {
  const synthesised = make();
  expect(provider(synthesised)).toEqual([{ region: "eu-central-1" }]);
  expect(synthesised.configuration.terraform).not.toHaveProperty("backend");
});

test("AWS provider 5.100 serves as well as 6.x", () => {
  expect(make().configuration.terraform?.required_providers?.aws).toEqual({
    source: "aws",
    version: ">= 5.100.0, < 7.0.0",
  });
});

test("is deployed to the one account that is given, by the role that is given", () => {
  const roleArn = "arn:aws:iam::123456789012:role/deploy";
  expect(provider(make({ accountId: "123456789012", assumeRole: { roleArn, externalId: "ext" } }))).toEqual([
    {
      region: "eu-central-1",
      allowed_account_ids: ["123456789012"],
      assume_role: [{ role_arn: roleArn, external_id: "ext", session_name: "valmi-agent-keys" }],
    },
  ]);
});

describe("state in S3", () => {
  test("is encrypted and locked by a file, under the environment's name and in its region", () => {
    expect(make({ backend: { bucket: "state" } }).configuration.terraform?.backend).toEqual({
      s3: {
        bucket: "state",
        key: "valmi-agent-keys/dev.tfstate",
        region: "eu-central-1",
        encrypt: true,
        use_lockfile: true,
      },
    });
  });

  test("goes where it is told to, by a role of its own", () => {
    const roleArn = "arn:aws:iam::123456789012:role/state";
    const backend = { bucket: "state", key: "a/b.tfstate", region: "us-east-1", roleArn };
    expect(make({ backend }).configuration.terraform?.backend).toEqual({
      s3: {
        bucket: "state",
        key: "a/b.tfstate",
        region: "us-east-1",
        encrypt: true,
        use_lockfile: true,
        assume_role: { role_arn: roleArn },
      },
    });
  });
});

test("outputs map each instance to its secret and to its id at the Control Plane, and hold nothing else", () => {
  expect(make().configuration.output?.["agent-instances"]?.value).toEqual({
    support: {
      secretArn: expect.stringMatching(/^\${aws_secretsmanager_secret\..*\.arn}$/),
      secretName: "valmi/dev/support/agent-key",
      agentInstanceId: expect.stringMatching(
        /^\${jsondecode\(aws_lambda_invocation\..*\.result\)\.agentInstanceId}$/,
      ),
    },
  });
});

test("refuses a wrong environment, its own settings included", () => {
  expect(() => make({ accountId: "1", removal: "retain" as "protect" })).toThrow(
    /`removal`.*\n.*`accountId`/,
  );
});
