import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { monthlyCost } from "../../constructs/cost";
import { resolveSettings } from "../../constructs/environment/environment";
import { environments } from "../../environments";

const ROOT = path.join(__dirname, "..", "..");
const page = readFileSync(path.join(ROOT, "README.md"), "utf8");
const section = (heading: string) => (page.split(`\n## ${heading}\n`)[1] ?? "").split("\n## ")[0] ?? "";

const ALERTS = { runbookUrl: "-", healing: "on", trail: false, dashboard: false } as const;
const usd = (kms: "aws" | "managed-per-environment", instances: number, dashboard = false) =>
  monthlyCost({ kms, alerts: { ...ALERTS, dashboard } }, instances);

test("the two commands stand as they are run", () => {
  expect(page).toMatch(/^npm ci && npm run local {2,}#/m);
  expect(page).toMatch(/^npm ci && npm test {2,}#/m);
});

test("the table of costs has the figures of constructs/cost.ts", () => {
  const named = [...section("What it costs").matchAll(/^\| .+ \| (\d+\.\d\d) \|$/gm)].map(([, cost]) => cost);
  const one = new Map(usd("managed-per-environment", 1).map(({ what, usd }) => [what, usd.toFixed(2)]));
  const secrets = (Number(one.get("2 secrets")) / 2).toFixed(2);

  expect(named).toEqual([
    secrets,
    secrets,
    one.get("KMS key"),
    one.get("4 metrics"),
    one.get("3 alarms"),
    one.get("calls, functions, table, logs"),
  ]);
});

test("the shipped environments cost what the page says", () => {
  const totals = environments.map((environment) => {
    const lines = monthlyCost(resolveSettings(environment), environment.agentInstances.length);
    return `${lines.reduce((sum, { usd }) => sum + usd, 0).toFixed(2)} USD for \`${environment.name}\``;
  });
  const text = section("What it costs").replaceAll("\n", " ");

  expect(totals.filter((total) => text.includes(total)).map((total) => total.split("`")[1])).toEqual([
    "dev",
    "production",
  ]);
  const dashboard = usd("aws", 1, true).find(({ what }) => what === "dashboard");
  expect(text).toContain(`is ${dashboard?.usd.toFixed(2)} USD more`);
});

test("every folder has one line in the table of folders, and every path of it is there", () => {
  const table = section("Where what is");
  const paths = [...table.matchAll(/\]\(([\w./-]+)\)/g)].map(([, target = ""]) => target);
  const folders = readdirSync(ROOT).filter(
    (name) =>
      statSync(path.join(ROOT, name)).isDirectory() && !/^\.|^(node_modules|dist|cdktf\.out)$/.test(name),
  );

  expect(folders.filter((name) => !paths.some((target) => target.split("/")[0] === name))).toEqual([]);
  for (const target of paths)
    expect([target, statSync(path.join(ROOT, target)).size > 0]).toEqual([target, true]);
});
