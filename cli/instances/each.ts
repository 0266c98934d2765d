import { messageOf } from "../command-error";
import type { OperatorPorts } from "../ports";
import { type EnvironmentAccess, type Instance, openEnvironment } from "./environment";
import { type ListedInstance, nameOf } from "./instance";

/** What came of a look at one instance. */
export type Seen<T> = { readonly listed: ListedInstance } & (
  | { readonly value: T; readonly unseen?: never }
  /** Why it could not be looked at. */
  | { readonly value?: never; readonly unseen: string }
);

/** Secrets Manager and the Control Plane are both shared with rotation, which goes first. */
const AT_ONCE = 4;

/**
 * Looks at instances, environment by environment. One that is half deployed, or somebody else's, hides nothing of the
 * others. Throws the error if all of them fail by the same one: then there is nothing else to be seen.
 *
 * @param open what is made once for each environment
 */
export async function lookAtEach<T, A>(
  ports: OperatorPorts,
  instances: readonly ListedInstance[],
  open: (first: ListedInstance, access: EnvironmentAccess) => Promise<A>,
  look: (instance: Instance, opened: A) => Promise<T>,
): Promise<Seen<T>[]> {
  const seen: Seen<T>[] = [];
  const failures = new Map<string, unknown>();
  const fail = (listed: ListedInstance, error: unknown) => {
    const unseen = messageOf(error);
    failures.set(unseen, error);
    seen.push({ listed, unseen });
  };
  const told = () => ports.terminal.progress(`${seen.length} of ${instances.length}`);
  for (const group of byEnvironment(instances)) {
    const [first] = group as [ListedInstance];
    const waiting = [...group];
    try {
      told();
      const access = await openEnvironment(ports, first);
      const opened = await open(first, access);
      const work = async () => {
        for (let listed = waiting.shift(); listed; listed = waiting.shift()) {
          try {
            seen.push({ listed, value: await look({ ...listed, ...access }, opened) });
          } catch (error) {
            fail(listed, error);
          }
          told();
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    } catch (error) {
      for (const listed of group) fail(listed, error);
    }
  }
  if (failures.size === 1 && seen.every(({ unseen }) => unseen !== undefined))
    throw [...failures.values()][0];
  return seen.sort((a, b) => instances.indexOf(a.listed) - instances.indexOf(b.listed));
}

/** A line for each instance that could not be looked at. */
export function unseenLines(seen: readonly Pick<Seen<unknown>, "listed" | "unseen">[]): string[] {
  return seen.flatMap(({ listed, unseen }) =>
    unseen === undefined ? [] : `${nameOf(listed)}: unseen: ${unseen}`,
  );
}

/** Instances that share an environment, and with it a rotation function and its settings. */
function byEnvironment(instances: readonly ListedInstance[]): ListedInstance[][] {
  const groups = new Map<string, ListedInstance[]>();
  for (const instance of instances) {
    groups.set(instance.rotationFunction, [...(groups.get(instance.rotationFunction) ?? []), instance]);
  }
  return [...groups.values()];
}
