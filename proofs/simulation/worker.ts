import { type Batch, runBatch } from "./fleet";

/** One process of the fleet: runs the batches that it is sent, until its parent is gone. */
process.on("message", (batch: Batch) => {
  runBatch(batch).then(
    (figures) => process.send?.(figures),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));
