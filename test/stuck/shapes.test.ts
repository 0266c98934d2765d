import { play } from "./run";
import { SHAPES } from "./shapes";

test.each(SHAPES.map((shape) => [shape.name, shape] as const))("%s", async (_, shape) => {
  expect((await play(shape)).faults).toEqual([]);
});
