import { AsyncLocalStorage } from "node:async_hooks";

/*
 * jest uses an AsyncLocalStorage in each test file. Node.js 20 asks each of them at every promise until it is disabled, so that
 * a promise in the sixtieth file of a worker would cost five times what it costs in the first.
 */
const used = new Set<AsyncLocalStorage<unknown>>();
const { run } = AsyncLocalStorage.prototype;

AsyncLocalStorage.prototype.run = function (this: AsyncLocalStorage<unknown>, ...args: never[]) {
  used.add(this);
  return (run as (...args: unknown[]) => unknown).apply(this, args);
} as typeof run;

afterAll(() => {
  AsyncLocalStorage.prototype.run = run;
  for (const storage of used) storage.disable();
});
