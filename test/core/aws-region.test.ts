import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { awsRegion } from "../../core/aws-region";
import { UsageError } from "../../core/command-line";

const ARN = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a-AbCdEf";
const before = { ...process.env };
const folder = mkdtempSync(path.join(tmpdir(), "valmi-region-"));
const [withRegion, without] = ["with", "without"].map((name) => path.join(folder, name)) as [string, string];
writeFileSync(withRegion, "[default]\nregion = eu-north-1\n[profile other]\nregion = eu-west-3\n");
writeFileSync(without, "[default]\noutput = json\n");
afterAll(() => {
  process.env = before;
  rmSync(folder, { recursive: true });
});

const region = (given: string | undefined, of: string[], env: NodeJS.ProcessEnv) => {
  process.env = { HOME: folder, AWS_SHARED_CREDENTIALS_FILE: without, AWS_CONFIG_FILE: withRegion, ...env };
  return awsRegion(given, ...of)();
};
const BOTH = { AWS_REGION: "eu-west-1", AWS_DEFAULT_REGION: "eu-west-2" };

test.each<[string, string | undefined, string[], NodeJS.ProcessEnv, string]>([
  ["what was given", "ap-south-1", [ARN], BOTH, "ap-south-1"],
  ["the ARN's", undefined, ["name", ARN], BOTH, "us-gov-west-1"],
  ["the queue's", "", ["https://sqs.eu-central-1.amazonaws.com/123456789012/new-keys"], BOTH, "eu-central-1"],
  ["AWS_REGION", undefined, ["dev/support"], BOTH, "eu-west-1"],
  ["AWS_DEFAULT_REGION", undefined, [], { AWS_DEFAULT_REGION: "eu-west-2" }, "eu-west-2"],
  ["AWS_DEFAULT_REGION, the other being empty", undefined, [], { ...BOTH, AWS_REGION: "" }, "eu-west-2"],
  ["the profile's", undefined, [], { AWS_REGION: "", AWS_DEFAULT_REGION: "" }, "eu-north-1"],
  ["another profile's", undefined, [], { AWS_PROFILE: "other" }, "eu-west-3"],
])("%s", async (_, given, of, env, expected) => {
  expect(await region(given, of, env)).toBe(expected);
});

test("none: a sentence", async () => {
  const none = region(undefined, ["name"], { AWS_CONFIG_FILE: without });
  await expect(none).rejects.toThrow(UsageError);
  await expect(none).rejects.toThrow("no AWS region is known: give --region, set AWS_REGION");
});
