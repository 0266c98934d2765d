import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findPython, installMinistack, MINISTACK_VERSION } from "../../../local/toolchain/ministack";
import { removeFolders, temporaryFolder, writeProgram } from "../programs";

afterEach(removeFolders);

/** A Python that answers the probe, makes "environments" that hold a copy of itself, and logs what pip is told. */
function fakePython(folder: string, { version = "3.11", venv = "ok", pip = "ok" } = {}): string {
  const script = `#!/bin/sh
case "$1 $2" in
  "-c "*) echo "${version}"; [ ${venv} = ok ] || exit 1 ;;
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip") echo "$*" >> "${folder}/pip.log"; [ ${pip} = ok ] || { echo "no such index" >&2; exit 1; } ;;
esac
`;
  return writeProgram(join(folder, "python3"), script);
}

const env = (folder: string) => ({ PATH: `${folder}:/usr/bin:/bin` });

it("finds a Python that can make environments", async () => {
  const folder = temporaryFolder();
  const path = fakePython(folder);

  expect(await findPython(env(folder))).toEqual({ path, version: "3.11" });
});

it.each([
  ["too old", { version: "3.9" }, /is Python 3\.9\. Fix: install Python 3\.10 or later/],
  ["Python 2", { version: "2.7" }, /is Python 2\.7\. Fix:/],
  ["without venv", { venv: "missing" }, /\(Python 3\.11\) has no venv module\. Fix: .*python3-venv/],
])("refuses one that is %s", async (_, flaw, message) => {
  const folder = temporaryFolder();
  fakePython(folder, flaw);

  await expect(findPython(env(folder))).rejects.toThrow(message);
});

it("says where to get one where PATH has none", async () => {
  await expect(findPython({ PATH: "" })).rejects.toThrow(
    /neither "python3" nor "python".* Fix: install Python/,
  );
});

it("installs the pinned emulator into an environment of its own, once", async () => {
  const folder = temporaryFolder();
  const cacheFolder = join(folder, "cache");
  const python = { path: fakePython(folder), version: "3.11" };
  const lines: string[] = [];
  const options = { env: env(folder), python, cacheFolder, report: (line: string) => lines.push(line) };
  writeProgram(join(cacheFolder, ".keep"), "");

  const first = await installMinistack(options);
  const second = await installMinistack(options);

  const environment = `ministack-${MINISTACK_VERSION}-python-3.11`;
  expect(first).toBe(join(cacheFolder, environment, "bin", "python"));
  expect(second).toBe(first);
  expect(lines).toHaveLength(1);
  expect(readFileSync(join(folder, "pip.log"), "utf8").trim().split("\n")).toEqual([
    `-m pip install --quiet --no-input --disable-pip-version-check ministack==${MINISTACK_VERSION}`,
  ]);
  expect(readdirSync(cacheFolder)).toEqual([".keep", environment]);
});

it("leaves nothing half made where pip fails, and says how to go on", async () => {
  const folder = temporaryFolder();
  const cacheFolder = join(folder, "cache");
  writeProgram(join(cacheFolder, ".keep"), "");
  const python = { path: fakePython(folder, { pip: "fails" }), version: "3.11" };

  await expect(installMinistack({ env: env(folder), python, cacheFolder })).rejects.toThrow(
    `MiniStack ${MINISTACK_VERSION} can't be installed (no such index). Fix: give pip a package index that has it`,
  );
  expect(readdirSync(cacheFolder)).toEqual([".keep"]);
});
