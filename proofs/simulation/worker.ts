import { serve } from "../harness/pool";
import { runBatch } from "./fleet";

/** One process of the fleet. */
serve(runBatch);
