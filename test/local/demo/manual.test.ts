import { command } from "../../../core/command-line";
import { environments } from "../../../environments";
import { type ManualRun, manual } from "../../../local/demo/manual";

const [dev] = environments;
if (dev === undefined) throw new Error("environments.ts is empty");

const run: ManualRun = {
  folder: "/runs/dev-x",
  environment: dev,
  controlPlane: { url: "http://127.0.0.1:4001/api/v1" },
  awsVariables: {
    AWS_ENDPOINT_URL: "http://127.0.0.1:4002",
    AWS_ENDPOINT_URL_SECRETS_MANAGER: "http://127.0.0.1:4003",
    AWS_REGION: "eu-central-1",
  },
};
const instance = { secretName: "valmi/dev/support/agent-key", secretArn: "arn", agentInstanceId: "ai_1" };
const outputs = { "agent-instances": { support: instance } };

test("our own command line comes first, with what leads it to this run", () => {
  const text = manual(run, outputs);
  const at = (part: string) => text.indexOf(part);
  expect(at("export AWS_ENDPOINT_URL=http://127.0.0.1:4002")).toBeGreaterThan(0);
  expect(at("export AWS_REGION=eu-central-1")).toBeLessThan(at(command("status")));
  for (const line of ["status", "doctor", "rotate dev/support"]) {
    expect(at(command(line))).toBeLessThan(at("aws secretsmanager"));
  }
});

test("Valmi's SDK sends its telemetry nowhere", () => {
  expect(manual(run, outputs)).toMatch(
    /export VALUE_BACKEND_URL=http:\/\/127\.0\.0\.1:4001\n {2}export VALUE_OTEL_ENDPOINT=http:\/\/127\.0\.0\.1:9\n/,
  );
});

test("no line names a host that isn't this machine", () => {
  const hosts = [...manual(run, outputs).matchAll(/https?:\/\/([^\s/:"]+)/g)].map(([, host]) => host);
  expect(new Set(hosts)).toEqual(new Set(["127.0.0.1"]));
});

test("without an instance, or without rotation, the lines for it are left out", () => {
  const none = manual(run, { "agent-instances": {} });
  for (const part of ["rotate", "X-Agent-Secret", "VALUE_AGENT_SECRET"]) expect(none).not.toContain(part);
  const off = manual({ ...run, environment: { ...dev, rotation: "off" } }, outputs);
  expect(off).not.toContain("rotate");
  expect(off).toContain("X-Agent-Secret");
});
