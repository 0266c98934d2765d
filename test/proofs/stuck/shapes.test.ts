import { play } from "../../../proofs/stuck/run";
import { SHAPES } from "../../../proofs/stuck/shapes";

test.each(SHAPES.map((shape) => [shape.name, shape] as const))("%s", async (_, shape) => {
  expect((await play(shape)).faults).toEqual([]);
});
