import { environmentFiles, functionEnvironments, options } from "./configuration";
import { controlPlaneAnswers, endlessLists } from "./control-plane";
import { descriptions, provisioningEvents, rotationEvents } from "./events";
import { composedValues, credentials, intents, storedValues } from "./stored";
import type { Target } from "./target";

/** Everything that parses what others send. */
export const TARGETS: readonly Target[] = [
  controlPlaneAnswers,
  endlessLists,
  rotationEvents,
  provisioningEvents,
  storedValues,
  composedValues,
  intents,
  credentials,
  descriptions,
  environmentFiles,
  functionEnvironments,
  options,
];
