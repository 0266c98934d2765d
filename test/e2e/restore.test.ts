import { commandsOf, runDocumented, section } from "../../proofs/harness/documented";
import { findToolchain, standing, startRun, until } from "../../proofs/harness/local-deployment";

/* A deactivated environment is destroyed, and comes back inside the recovery window as docs/operations.md says. */

const HEADING = "### Restore a deactivated environment inside the recovery window";

test("an environment that was destroyed comes back with the keys that it had", async () => {
  const run = await startRun("staging");
  const ids = run.environment.agentInstances.map(({ id }) => id);
  const { state } = run.controlPlane;
  const minted = () => state.allInstances().map(({ id, keys }) => [id, keys.map(({ value }) => value)]);
  const active = () => state.allInstances().map(({ isActive }) => isActive);
  try {
    await run.deployment.deploy();
    const before = minted();
    await run.deployment.destroy();
    expect(active()).toEqual(ids.map(() => false));

    const refusals = () => run.secretsManager.calls.byOperation.CreateSecret ?? 0;
    const created = refusals();
    const tooEarly = run.deployment.deploy().catch((error: Error) => error.message);
    // Terraform repeats it for two minutes; nothing else would come of them.
    await until("the secrets' names are found taken", () => refusals() >= created + 2 * ids.length);
    await run.deployment.interrupt(120_000);
    const said =
      "You can't create this secret because a secret with this name is already scheduled for deletion";
    expect(await tooEarly).toContain(said);
    expect(section(HEADING).replaceAll("\n", " ")).toContain(`"${said}"`);

    expect(section(HEADING)).toContain("npx cdktf destroy dev");
    await run.deployment.destroy();

    await runDocumented(run, await findToolchain(), commandsOf(HEADING, "staging"));

    expect(active()).toEqual(ids.map(() => true));
    expect(minted()).toEqual(before);
    for (const id of ids) {
      const { instances, ...rest } = await standing(run, id);
      expect(rest).toEqual({
        mints: 1,
        storedKeyIsAccepted: true,
        storedKeyBelongsTo: instances[0],
        storedKeyIsTheLatest: true,
      });
    }
    expect((await run.deployment.diff()).isEmpty).toBe(true);
  } finally {
    await run.close();
    await run.removeFolder();
  }
}, 600_000);
