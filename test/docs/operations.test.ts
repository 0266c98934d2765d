import { readFileSync } from "node:fs";
import path from "node:path";
import type { PolicyStatement } from "../../constructs";
import { synthAgentKeys } from "../helpers/synth";

const page = readFileSync(path.join(__dirname, "..", "..", "docs", "operations.md"), "utf8");
const [, section = ""] = page.split("### Who operates\n");
const rows = [...(section.split("\n### ")[0] ?? "").matchAll(/^\| `(\w+)` \| .+ \| (`.+`) \|$/gm)];

test("the page names what grantOperate gives, statement by statement", () => {
  const synthesised = synthAgentKeys({ kms: "aws" }, (agentKeys) =>
    agentKeys.grantOperate("on-call", "on-call-role"),
  );
  const { policy } = synthesised.one("aws_iam_role_policy", "on-call");
  const statements: PolicyStatement[] = JSON.parse(String(policy)).Statement;

  expect(
    rows.map(([, sid, actions = ""]) => [
      sid,
      [...actions.matchAll(/`([^`]+)`/g)].map(([, action]) => action),
    ]),
  ).toEqual(statements.map(({ Sid, Action = [] }) => [Sid, [Action].flat()]));
});
