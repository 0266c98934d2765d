import * as v from "valibot";
import type { ControlPlaneSeed } from "./model";

export const SAMPLE_WORKSPACE_ID = "ws_local";

/** What a local Control Plane knows unless told otherwise. */
export const SAMPLE_SEED: ControlPlaneSeed = {
  workspaces: [{ id: SAMPLE_WORKSPACE_ID, organizationId: "org_local", name: "Local" }],
  agentTypes: [
    {
      id: "at_support",
      workspaceId: SAMPLE_WORKSPACE_ID,
      name: "Customer Support Bot",
      description: "Answers customers",
    },
    {
      id: "at_research",
      workspaceId: SAMPLE_WORKSPACE_ID,
      name: "Research Assistant",
      description: "Finds and sums up sources",
    },
  ],
  accounts: [
    { id: "acc_123", workspaceId: SAMPLE_WORKSPACE_ID, name: "First customer" },
    { id: "acc_456", workspaceId: SAMPLE_WORKSPACE_ID, name: "Second customer" },
  ],
  contacts: [
    { id: "con_123", accountId: "acc_123", name: "First contact" },
    { id: "con_456", accountId: "acc_456", name: "Second contact" },
  ],
};

const workspaceId = v.optional(v.string(), SAMPLE_WORKSPACE_ID);
const seedFile = v.strictObject({
  workspaces: v.optional(
    v.array(v.strictObject({ id: v.string(), organizationId: v.string(), name: v.string() })),
    () => [...SAMPLE_SEED.workspaces],
  ),
  agentTypes: v.array(
    v.strictObject({
      id: v.string(),
      workspaceId,
      name: v.string(),
      description: v.optional(v.string(), ""),
    }),
  ),
  accounts: v.optional(v.array(v.strictObject({ id: v.string(), workspaceId, name: v.string() })), []),
  contacts: v.optional(
    v.array(v.strictObject({ id: v.string(), accountId: v.string(), name: v.string() })),
    [],
  ),
});

/** Reads a seed from JSON. Throws a `RangeError` that names each faulty field. */
export function parseSeed(json: string): ControlPlaneSeed {
  const parsed = v.safeParse(seedFile, JSON.parse(json));
  if (parsed.success) return parsed.output;
  throw new RangeError(
    parsed.issues.map((issue) => `seed \`${v.getDotPath(issue) ?? ""}\`: ${issue.message}`).join("; "),
  );
}
