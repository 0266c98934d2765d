import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Table from "cli-table3";
import { SKIPS } from "./checkov-skips";
import { PythonTool, ROOT } from "./python-tool";

const CHECKOV = "checkov==3.3.30";

/**
 * `npm run test:checkov`: Checkov over the stacks as `main.ts` synthesises them, each environment with its own skips.
 * Exits with 1 where a check fails that is not skipped, and where a skip is needed by nothing any more.
 */
async function main(): Promise<void> {
  const checkov = await PythonTool.install(CHECKOV);
  const outdir = mkdtempSync(join(tmpdir(), "valmi-agent-keys-checkov-"));
  try {
    synthesise(outdir);
    const profiles = Object.keys(SKIPS);
    const verdicts = [];
    for (const profile of profiles)
      verdicts.push(await check(checkov, join(outdir, "stacks", profile), profile));
    report(verdicts);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

function synthesise(outdir: string): void {
  const env = { ...process.env, CDKTF_OUTDIR: outdir };
  const { status } = spawnSync(process.execPath, ["--import", "tsx", "main.ts"], {
    cwd: ROOT,
    env,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("main.ts did not synthesise");
}

interface Finding {
  readonly check_id: string;
  readonly check_name: string;
  /** Such as `resource.agent-keys_rotation-function_24A272EF`. */
  readonly resource: string;
}

interface Verdict {
  readonly profile: string;
  readonly passed: number;
  readonly skipped: readonly { readonly finding: Finding; readonly reason: string }[];
  readonly failed: readonly Finding[];
  readonly needless: readonly string[];
}

async function check(checkov: PythonTool, folder: string, profile: string): Promise<Verdict> {
  // Without `--skip-download` it asks its vendor's site for more.
  const options = ["--framework", "terraform_json", "--skip-download", "--compact", "--quiet", "-o", "json"];
  const output = await checkov.run(["-m", "checkov.main", "-d", folder, ...options], { exitCodes: [0, 1] });
  const { results, summary } = JSON.parse(output) as {
    readonly results: {
      readonly failed_checks: readonly Finding[];
    };
    readonly summary: { readonly passed: number; readonly parsing_errors: number };
  };
  if (summary.parsing_errors > 0) throw new Error(`${profile}: Checkov can't read what was synthesised`);
  if (summary.passed === 0) throw new Error(`${profile}: Checkov found nothing to check`);

  const skips = (SKIPS[profile] ?? []).flatMap(({ check, resources, reason }) =>
    resources.map((resource) => ({ check, resource, reason })),
  );
  const skipOf = (finding: Finding) =>
    skips.find(({ check, resource }) => check === finding.check_id && isOf(finding.resource, resource));
  const needless = skips.filter((skip) => !results.failed_checks.some((finding) => skipOf(finding) === skip));
  return {
    profile,
    passed: summary.passed,
    skipped: results.failed_checks.flatMap((finding) => {
      const reason = skipOf(finding)?.reason;
      return reason === undefined ? [] : [{ finding, reason }];
    }),
    failed: results.failed_checks.filter((finding) => skipOf(finding) === undefined),
    needless: needless.map(({ check, resource }) => `${check} for ${resource}`),
  };
}

function isOf(address: string, construct: string): boolean {
  return new RegExp(`_${construct}_[0-9A-F]{8}$`).test(address);
}

function report(verdicts: readonly Verdict[]): void {
  const skips = new Table({
    head: ["skipped", "what it asks for", "why not"],
    style: STYLE,
    colWidths: [13, 34, 70],
    wordWrap: true,
  });
  const rows = new Map(
    verdicts.flatMap(({ skipped }) => skipped).map((skip) => [skip.finding.check_id, skip]),
  );
  for (const { finding, reason } of rows.values()) skips.push([finding.check_id, finding.check_name, reason]);
  console.log(skips.toString());

  const counts = new Table({ head: ["profile", "passed", "skipped", "failed"], style: STYLE });
  for (const { profile, passed, skipped, failed, needless } of verdicts) {
    counts.push([profile, passed, skipped.length, failed.length]);
    for (const { check_id, check_name, resource } of failed)
      console.error(`${profile}: ${check_id} fails for ${resource}: ${check_name}`);
    for (const skip of needless)
      console.error(`${profile}: the skip of ${skip} is needed by nothing: remove it`);
    if (failed.length > 0 || needless.length > 0) process.exitCode = 1;
  }
  console.log(counts.toString());
}

const STYLE = { head: [], border: [] };

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
