import { CONTROL_PLANE_CALLS_PER_MINUTE, connect, type Directory } from "../../../core/audit/connect";
import { PAGE_SIZE } from "../../../core/control-plane/client";
import { AgentKey } from "../../../core/key/credential";
import { FrozenClock, MINUTE } from "../../../local/clock";

const instances = Array.from({ length: PAGE_SIZE * 3 }, (_, index) => ({ id: `ai_${index}` }));

function setUp(workspaceName = async () => "local") {
  const clock = new FrozenClock();
  const directory = {
    now: () => clock.now(),
    workspaceName,
    getInstance: async () => undefined,
    checkAgentKey: async () => ({ accepted: false }),
    instances: async function* () {
      yield* instances;
    },
  } as unknown as Directory;
  const deps = { connect: async () => directory, clock, sleep: async (ms: number) => clock.advanceBy(ms) };
  return { clock, deps };
}

test("all calls together keep to the auditor's share of the rate", async () => {
  const { clock, deps } = setUp();
  const { controlPlane } = await connect(deps);
  if (!controlPlane) throw new Error("not connected");
  const start = clock.now();

  await controlPlane.getInstance("ai_1");
  expect(clock.now()).toBe(start);
  for (let call = 0; call < CONTROL_PLANE_CALLS_PER_MINUTE - 3; call++) {
    await (call % 2
      ? controlPlane.getInstance("ai_1")
      : controlPlane.checkAgentKey(new AgentKey("agent_secret123")));
  }
  // A page of instances is one call.
  for await (const _ of controlPlane.instances()) {
  }
  expect(clock.now() - start).toBe(MINUTE);
});

test("a Control Plane that does not answer is a failure, and no error", async () => {
  const error = new Error("away");
  const { deps } = setUp(() => Promise.reject(error));

  expect(await connect(deps)).toEqual({ failures: [{ error }] });
  expect(await connect({ ...deps, connect: () => Promise.reject(error) })).toEqual({ failures: [{ error }] });
});
