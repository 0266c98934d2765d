import type { Environment } from "../constructs";
import { checkEnvironments } from "../constructs/environment/checks";
import { refuseErrors } from "../constructs/environment/problems";
import { PrerequisiteError } from "./toolchain";

/**
 * One of the environments that `environments.ts` describes.
 *
 * @throws InvalidEnvironmentsError with all that is wrong with any of them, before anything is started.
 * @throws PrerequisiteError where there is none of that name.
 */
export function environmentNamed(name: string, environments: readonly Environment[]): Environment {
  refuseErrors(checkEnvironments(environments));
  const environment = environments.find((each) => each.name === name);
  if (environment !== undefined) return environment;
  const known = environments.map((each) => each.name).join(", ");
  throw new PrerequisiteError(`environments.ts has no environment "${name}"`, `choose one of: ${known}`);
}
