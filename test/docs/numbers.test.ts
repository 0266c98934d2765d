import { readFileSync } from "node:fs";
import path from "node:path";
import { LONGEST_SPACING_MS, READ_SPACING_MS } from "../../agent/agent-keys";
import { WATCH_SECONDS, WATCH_SECONDS_WITH_EVENTS } from "../../agent/exec";
import { FIRST_RETRY_MS, LAST_RETRY_MS } from "../../agent/new-key-events";
import { AUDIT_INTERVAL_MS, isEvening } from "../../core/audit/intervals";
import { unusedNotedAfter } from "../../core/audit/thresholds";
import {
  AUDIT_INTERVAL_MINUTES,
  DEFAULT_GRACE_PERIOD_HOURS,
  HISTORY_KEPT_SECONDS,
} from "../../core/contract";
import { MINT_RESERVE_MS } from "../../core/protocol/mint";
import { ACTIVATION_MS, LATE_APPLICATION_MS, READ_LAG_MS } from "../../core/protocol/timing";
import { DAY_MS, MINUTE_MS, SECOND_MS } from "../../core/time";
import { OperatorWorld } from "../cli/operator-world";

/* What the pages say in figures, against the code that the figures come from. */

const ROOT = path.join(__dirname, "..", "..");
const page = (file: string) => readFileSync(path.join(ROOT, file), "utf8").replaceAll(/\s+/g, " ");

const historyDays = HISTORY_KEPT_SECONDS / 86_400;
const unusedDays = unusedNotedAfter({} as never) / DAY_MS;
const firstOfEvening = Array.from(
  { length: DAY_MS / AUDIT_INTERVAL_MS },
  (_, slot) => slot * AUDIT_INTERVAL_MS,
).find(isEvening);
const evening = new Date(firstOfEvening ?? 0).toISOString().slice(11, 16);
const seconds = (milliseconds: number) => milliseconds / SECOND_MS;
const minutes = (milliseconds: number) => milliseconds / MINUTE_MS;

test.each([
  ["README.md", `the old key works for ${DEFAULT_GRACE_PERIOD_HOURS} hours more`],
  ["README.md", `auditor\\nevery ${AUDIT_INTERVAL_MINUTES} minutes`],
  ["docs/architecture.md", `runs every ${AUDIT_INTERVAL_MINUTES} minutes: it looks`],
  ["docs/architecture.md", `${DEFAULT_GRACE_PERIOD_HOURS} hours unless configured`],
  ["docs/operations.md", `for ${historyDays} days |`],
  ["docs/operations.md", `has asked for the rotation every ${AUDIT_INTERVAL_MINUTES} minutes since`],
  ["docs/operations.md", `For ${unusedDays} days nobody but the auditor was seen to read the key.`],
  ["docs/operations.md", `nobody was seen to read for ${unusedDays} days or longer`],
  ["docs/operations.md", `once a day, from ${evening} UTC on`],
  ["docs/consumers.md", `the old one works for ${DEFAULT_GRACE_PERIOD_HOURS} hours more.`],
  [
    "docs/consumers.md",
    `still looks every ${WATCH_SECONDS_WITH_EVENTS / 60} minutes (${(WATCH_SECONDS_WITH_EVENTS * 1.2) / 60} at the most)`,
  ],
  ["docs/consumers.md", `within ${(WATCH_SECONDS * 1.2) / 60} minutes, or within seconds by [a queue]`],
  ["docs/consumers.md", `no read begins within ${seconds(READ_SPACING_MS)} seconds of the last one; a call`],
  ["docs/consumers.md", `up to ${seconds(LONGEST_SPACING_MS)} seconds apart`],
  ["docs/consumers.md", `tries the queue again after ${seconds(FIRST_RETRY_MS)} seconds`],
  ["docs/consumers.md", `up to ${minutes(LAST_RETRY_MS)} minutes ± 20 % apart`],
  ["docs/rotation-protocol.md", `enough of the invocation left (${seconds(MINT_RESERVE_MS)} s)`],
  ["docs/rotation-protocol.md", `kept for ${historyDays} days`],
  ["docs/rotation-protocol.md", `is younger than ${seconds(ACTIVATION_MS)} s and may soon be`],
  [
    "docs/rotation-protocol.md",
    `attempt's end + ${seconds(LATE_APPLICATION_MS)} s + ${seconds(READ_LAG_MS)} s is past`,
  ],
  ["docs/rotation-protocol.md", `whose answer was lost (${seconds(LATE_APPLICATION_MS)} s)`],
  ["docs/rotation-protocol.md", `may lag behind a write (${seconds(READ_LAG_MS)} s)`],
  [
    "docs/rotation-protocol.md",
    `asks for an unfinished rotation again after ${minutes(AUDIT_INTERVAL_MS)} minutes`,
  ],
  ["docs/decisions/0002-intents-in-dynamodb.md", `kept for ${historyDays} days`],
])("%s says: %s", (file, sentence) => {
  expect(page(file)).toContain(sentence);
});

/** The options of a command with their defaults, as its help tells them. */
async function optionsOf(command: string): Promise<Map<string, string>> {
  const { out } = await OperatorWorld.empty().run(`${command} --help`);
  const [, options = ""] = out.split(/^Options:$/m);
  return new Map(
    options.split(/\n {2}(?=-)/).flatMap((text) => {
      const [, name] = /^(--[\w-]+)/.exec(text.trim()) ?? [];
      const [, value = ""] = /\(default: (\d+)/.exec(text.replaceAll(/\s+/g, " ")) ?? [];
      return name ? [[name, value] as const] : [];
    }),
  );
}

test("the page has every option of exec, with its default", async () => {
  const [, section = ""] = readFileSync(path.join(ROOT, "docs/consumers.md"), "utf8").split(
    "\n## The runner\n",
  );
  const rows = [...(section.split("\n### ")[0] ?? "").matchAll(/^\| `(--[\w-]+) [A-Z]+` \| (\d*)/gm)];
  const options = await optionsOf("exec");
  options.delete("--secret");
  expect(rows.map(([, name, value]) => [name, value])).toEqual(
    rows.map(([, name = ""]) => [name, options.get(name)]),
  );
  expect(rows.map(([, name]) => name).sort()).toEqual([...options.keys()].sort());
});

test.each([
  ["rotate", "--wait", (value: string) => `waits (\`--wait\`, ${value} seconds by default)`],
  [
    "rollback",
    "--least-hours",
    (value: string) => `works for ${value} hours more at the least (\`--least-hours\`)`,
  ],
])("the default of %s %s", async (command, option, sentence) => {
  const value = (await optionsOf(command)).get(option);
  expect(value).toMatch(/^\d+$/);
  expect(page("docs/operations.md")).toContain(sentence(String(value)));
});
