import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { searchForLeaks } from "../../../local/demo/leak-search";
import { removeFolders, temporaryFolder } from "../programs";

const KEY = "agent_k3yT0find";
const OTHER = "agent_another01";

afterEach(removeFolders);

it.each([
  ["as it is", KEY],
  ["in the middle of a line of JSON", `{"SecretString":"{\\"VALMI_AGENT_KEY\\":\\"${KEY}\\"}"}`],
  ["in base64", Buffer.from(KEY).toString("base64")],
  ["in base64 behind one byte", Buffer.from(`"${KEY}"`).toString("base64")],
  ["in base64 behind two bytes", Buffer.from(`: ${KEY}, and more`).toString("base64")],
  ["in base64 of something long", Buffer.from(`{"input":{"key":"${KEY}"}}`.repeat(3)).toString("base64")],
])("finds a key %s", (_, content) => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "stacks", "dev"), { recursive: true });
  writeFileSync(join(folder, "stacks", "dev", "planted"), content);
  writeFileSync(join(folder, "clean"), "nothing here");

  const { files, hits } = searchForLeaks([OTHER, KEY], folder);

  expect(files).toBe(2);
  expect(hits).toEqual([{ place: join("stacks", "dev", "planted"), textNumber: 1 }]);
});

it("finds a key among texts that are in no file, and counts what it read", () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "clean"), "12345");

  const found = searchForLeaks([KEY], folder, { "printed lines": `the key is ${KEY}` });

  expect(found.hits).toEqual([{ place: "printed lines", textNumber: 0 }]);
  expect(found.bytes).toBe(5 + `the key is ${KEY}`.length);
});

it("finds nothing where there is nothing, and never says what it looked for", () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "other"), `${OTHER} ${Buffer.from(OTHER).toString("base64")}`);

  const found = searchForLeaks([KEY], folder);

  expect(found).toMatchObject({ files: 1, hits: [] });
  expect(JSON.stringify(found)).not.toContain(KEY);
});

it("follows no symbolic link, and doesn't look into what is compressed", () => {
  const folder = temporaryFolder();
  const outside = temporaryFolder();
  writeFileSync(join(outside, "provider"), KEY);
  symlinkSync(outside, join(folder, "providers"));
  writeFileSync(join(folder, "plan.out"), gzipSync(KEY));

  expect(searchForLeaks([KEY], folder)).toMatchObject({ files: 1, hits: [] });
});
