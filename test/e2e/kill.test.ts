import { MINUTE } from "../../local/clock";
import { secretsManagerCalls } from "../../local/demo/figures";
import type { LocalRun } from "../../local/local-run";
import { descendantsOf, signalProcess } from "../../local/processes";
import { addStranger, standing, startRun, until } from "../../proofs/harness/local-deployment";

/*
 * What dies in the middle of the first deploy, and what the next deploy makes of it. Each story ends the same way: one
 * instance, one working stored key, and nobody else's key touched.
 */

const CREATE = "POST /agent_instance/create";
const LIST = "GET /agent_instance/all";
const IDS = ["support", "research"];

let run: LocalRun;
let stranger: { isUntouched(): boolean };

beforeEach(async () => {
  run = await startRun("dev");
  stranger = addStranger(run, "dev-support-2");
});

afterEach(async () => {
  await run.close();
  await run.removeFolder();
});

const controlPlaneCalls = (route: string) => run.controlPlane.calls[route] ?? 0;
const functionPuts = () => secretsManagerCalls(run).PutSecretValue ?? 0;

/** Lets every Put be refused, so that a function that has minted a key keeps trying to store it. */
function holdPuts(): void {
  run.secretsManager.orderFault({ operation: "PutSecretValue", kind: "refuse", times: 1_000_000 });
}

async function letPutsPass(): Promise<void> {
  await fetch(`${run.secretsManager.url}/_local/faults`, { method: "DELETE" });
}

async function expectOneWorkingKeyEach(mints: number): Promise<void> {
  for (const id of IDS) {
    const { instances, ...rest } = await standing(run, id);
    expect(instances).toHaveLength(1);
    expect(rest).toEqual({
      mints,
      storedKeyIsAccepted: true,
      storedKeyBelongsTo: instances[0],
      storedKeyIsTheLatest: true,
    });
  }
  expect(stranger.isUntouched()).toBe(true);
}

test("Terraform is killed while the provisioning function runs on, and the next deploy overlaps it", async () => {
  holdPuts();
  const first = run.deployment.deploy();
  const firstEnds = expect(first).rejects.toThrow("Terraform was cut off");
  await until(
    "both functions have minted a key",
    () => controlPlaneCalls(CREATE) === 2 && functionPuts() >= 2,
  );
  signalProcess(run.deployment.terraformPid ?? 0, "SIGKILL");
  await firstEnds;

  const listed = controlPlaneCalls(LIST);
  const second = run.deployment.deploy();
  await until("the next deploy's functions run beside them", () => controlPlaneCalls(LIST) >= listed + 2);
  await letPutsPass();
  await second;

  expect(controlPlaneCalls(CREATE)).toBe(2);
  await expectOneWorkingKeyEach(1);
  expect((await run.deployment.plan()).isEmpty).toBe(true);
});

test("the Control Plane drops the answer to create", async () => {
  run.controlPlane.faults.order({ route: CREATE, effect: "drop", when: "after", times: 1 });

  await run.deployment.deploy();

  const mints = await Promise.all(IDS.map(async (id) => (await standing(run, id)).mints));
  expect(mints.sort()).toEqual([1, 2]); // the key whose answer was lost, and the one decided on in its place
  for (const id of IDS) {
    const { instances, ...rest } = await standing(run, id);
    expect(instances).toHaveLength(1);
    expect(rest).toMatchObject({
      storedKeyIsAccepted: true,
      storedKeyBelongsTo: instances[0],
      storedKeyIsTheLatest: true,
    });
  }
  expect(stranger.isUntouched()).toBe(true);
  expect((await run.deployment.plan()).isEmpty).toBe(true);
});

test("the function dies between create and Put", async () => {
  holdPuts();
  const first = run.deployment.deploy();
  const firstEnds = expect(first).rejects.toThrow();
  await until(
    "both functions have minted a key",
    () => controlPlaneCalls(CREATE) === 2 && functionPuts() >= 2,
  );
  for (const { pid } of descendantsOf(run.emulatorPid ?? 0)) signalProcess(pid, "SIGKILL");
  await firstEnds;
  await letPutsPass();

  // A record of each mint stands. Until nothing of it can be in flight any more, nobody mints again.
  await run.secretsManager.advanceBy(10 * MINUTE);
  await run.deployment.deploy();

  await expectOneWorkingKeyEach(2);
  expect((await run.deployment.plan()).isEmpty).toBe(true);
});

test("an instance of the configured name that somebody else made is left alone, and the deploy says so", async () => {
  const namesake = addStranger(run, "dev-research");

  await expect(run.deployment.deploy()).rejects.toThrow();

  expect(namesake.isUntouched()).toBe(true);
  expect(stranger.isUntouched()).toBe(true);
});
