import { FINDINGS, type FindingName } from "./findings";
import type { Remembered } from "./memory";

/** One message about one name: it begins or lasts, or it has ended. */
export interface Page {
  readonly name: FindingName;
  readonly state: "found" | "resolved";
  /** In the order of urgency. */
  readonly findings: readonly Remembered[];
}

/** One page in words: a subject and a text for people, JSON for chat and paging tools. */
export interface PageText {
  readonly subject: string;
  readonly text: string;
  readonly json: string;
}

/** So many instances are named in one page. If there are more, only their number is told. */
const LISTED = 20;
/** SNS refuses longer subjects, and characters other than printable ASCII. */
const MAX_SUBJECT = 100;

export interface PageContext {
  readonly environment: string;
  readonly region: string;
  /** The runbook. Its sections are reached by `#name`. */
  readonly runbookUrl: string;
}

/** The JSON is what Amazon Q Developer in chat applications takes, with our fields under `additionalContext`. */
export function composePage({ name, state, findings }: Page, context: PageContext): PageText {
  const { environment, region, runbookUrl } = context;
  const runbook = `${runbookUrl}#${name}`;
  const instances = findings.map(({ instance }) => instance);
  const hours = findings.flatMap(({ hoursLeft }) => (hoursLeft === undefined ? [] : [hoursLeft]));
  const hoursLeft = hours.length > 0 ? Math.min(...hours) : undefined;
  const left = hoursLeft === undefined || state === "resolved" ? "" : `, ${hoursLeft} h left`;
  const who = instances.length === 1 ? `${instances[0]}` : `${instances.length} instances`;
  const subject = `${state === "found" ? "" : "Resolved: "}${name}: ${environment}/${who}${left}`
    .replace(/[^\x20-\x7e]/g, "?")
    .slice(0, MAX_SUBJECT);

  const lines = findings.slice(0, LISTED).map((finding) => {
    const rest = finding.hoursLeft === undefined ? "" : ` (${finding.hoursLeft} h left)`;
    return state === "found"
      ? `- ${finding.instance}${rest}: ${finding.text}`
      : `- ${finding.instance}: was so since ${new Date(finding.since).toISOString()}`;
  });
  if (findings.length > LISTED) lines.push(`- and ${findings.length - LISTED} more`);
  const meaning = state === "found" ? FINDINGS[name].says : `It is over: ${FINDINGS[name].says}`;
  const text = [
    `${name} in ${environment} (${region})`,
    meaning,
    "",
    ...lines,
    "",
    ...(state === "found" ? [`What to do: ${runbook}`, "Sent again every day while it lasts."] : []),
  ].join("\n");

  const json = JSON.stringify({
    version: "1.0",
    source: "custom",
    content: {
      textType: "client-markdown",
      title: subject,
      description: [meaning, ...lines].join("\n"),
      ...(state === "found" ? { nextSteps: [runbook] } : {}),
    },
    metadata: {
      threadId: `valmi-agent-keys/${environment}/${name}`,
      summary: subject,
      eventType: state,
      relatedResources: instances.slice(0, LISTED),
      additionalContext: {
        name,
        state,
        environment,
        region,
        instances: instances.slice(0, LISTED).join(","),
        instanceCount: String(instances.length),
        ...(hoursLeft === undefined ? {} : { hoursLeft: String(hoursLeft) }),
        runbook,
      },
    },
  });
  return { subject, text, json };
}
