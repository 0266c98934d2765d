import type { Remembered } from "../../../core/audit/memory";
import { composePage } from "../../../core/audit/page";
import { START } from "../../../proofs/harness/builders";

const CONTEXT = { environment: "dev", region: "eu-west-1", runbookUrl: "https://example.com/operations" };
const found = (instance: string, changes: Partial<Remembered> = {}): Remembered => ({
  name: "key-refused",
  instance,
  severity: "page",
  heals: true,
  text: "key aaaaaaaaaaaa is refused",
  since: START,
  ...changes,
});

test("a page says what is so, of whom, how long is left, and where to read on", () => {
  const { subject, text } = composePage(
    {
      name: "key-refused",
      state: "found",
      findings: [found("support", { hoursLeft: 3 }), found("research")],
    },
    CONTEXT,
  );

  expect(subject).toBe("key-refused: dev/2 instances, 3 h left");
  expect(text).toBe(
    [
      "key-refused in dev (eu-west-1)",
      "The Control Plane refuses the current key: agents that use it don't work.",
      "",
      "- support (3 h left): key aaaaaaaaaaaa is refused",
      "- research: key aaaaaaaaaaaa is refused",
      "",
      "What to do: https://example.com/operations#key-refused",
      "Sent again every day while it lasts.",
    ].join("\n"),
  );
});

test("a page is what chat tools take, with what paging tools need", () => {
  const { subject, json } = composePage(
    { name: "key-refused", state: "found", findings: [found("support")] },
    CONTEXT,
  );

  expect(JSON.parse(json)).toMatchObject({
    version: "1.0",
    source: "custom",
    content: { title: subject, nextSteps: ["https://example.com/operations#key-refused"] },
    metadata: {
      threadId: "valmi-agent-keys/dev/key-refused",
      additionalContext: { name: "key-refused", state: "found", environment: "dev", instances: "support" },
    },
  });
});

test("a resolution has the same thread and no next step", () => {
  const { subject, json, text } = composePage(
    { name: "key-refused", state: "resolved", findings: [found("support", { hoursLeft: 0 })] },
    CONTEXT,
  );

  expect(subject).toBe("Resolved: key-refused: dev/support");
  expect(text).toContain("was so since 2026-01-01T00:00:00.000Z");
  expect(JSON.parse(json)).not.toHaveProperty("content.nextSteps");
  expect(JSON.parse(json).metadata.threadId).toBe("valmi-agent-keys/dev/key-refused");
});

test("of many instances twenty are named, and a subject is what SNS takes", () => {
  const findings = Array.from({ length: 10_000 }, (_, index) => found(`agent-${index}`));
  const { subject, text, json } = composePage({ name: "key-refused", state: "found", findings }, CONTEXT);
  const long = composePage(
    { name: "key-refused", state: "found", findings: [found(`ä${"x".repeat(200)}`)] },
    CONTEXT,
  );

  expect(subject).toBe("key-refused: dev/10000 instances");
  expect(text).toContain("- and 9980 more");
  // SNS takes 256 kB.
  expect(text.length + 4 * json.length).toBeLessThan(100_000);
  expect(long.subject).toMatch(/^[\x20-\x7e]{100}$/);
});
