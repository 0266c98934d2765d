import { STOPS, Stop, type StopName } from "../../../core/protocol/stops";

test.each(Object.entries(STOPS))("the stop %s says its name and what comes next", (state, text) => {
  const stop = new Stop(state as StopName, "detail");
  expect(stop.message).toBe(`${state}: ${text} (detail)`);
  expect(stop).toMatchObject({ name: "Stop", state });
  expect(new Stop(state as StopName).message).toBe(`${state}: ${text}`);
});
