import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { zipSync } from "fflate";
import { searchForLeaks, searchPlaces } from "../../../local/demo/leak-search";
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

const SIGNS = 'agent_k3y+/=&<>%"\\T0find';
const once = JSON.stringify(SIGNS);
const inGo = once.replaceAll("&", "\\u0026").replaceAll("<", "\\u003c").replaceAll(">", "\\u003e");

it.each<[string, string | Uint8Array]>([
  ["as it is", SIGNS],
  ["in JSON", `{"key":${once}}`],
  ["in JSON within JSON", JSON.stringify({ input: JSON.stringify({ key: SIGNS }) })],
  ["in JSON as Go writes it", `{"key": ${inGo}}`],
  ["in Go's JSON within JSON", JSON.stringify(inGo)],
  ["in a URL", `https://value.valmi.io/?key=${encodeURIComponent(SIGNS)}&page=1`],
  ["in a form", new URLSearchParams({ key: SIGNS }).toString()],
  ["in base64", Buffer.from(SIGNS).toString("base64")],
  ["in base64 for URLs", Buffer.from(`?${SIGNS}`).toString("base64url")],
  ["in JSON in base64", Buffer.from(`[1,${once}]`).toString("base64")],
  ["in Go's JSON in base64", Buffer.from(`[${inGo}]`).toString("base64")],
  ["in hexadecimal", Buffer.from(SIGNS).toString("hex")],
  ["cut off at its end", `refused: ${SIGNS.slice(0, -6)}…`],
  ["cut off at its beginning", `…${SIGNS.slice(6)}`],
  ["in a zip", zipSync({ tfplan: Buffer.from(`{"key":${inGo}}`) })],
  ["in a zip within a zip", zipSync({ "functions.zip": zipSync({ "index.js": Buffer.from(SIGNS) }) })],
])("finds a key of every sign %s", (_, content) => {
  const { hits } = searchPlaces([OTHER, SIGNS], [{ place: "planted", content: Buffer.from(content) }]);

  expect(hits).toEqual([{ place: "planted", textNumber: 1 }]);
});

it("counts what a zip holds, not what it weighs", () => {
  const content = Buffer.from(zipSync({ a: Buffer.alloc(1_000), b: Buffer.alloc(500) }));

  expect(searchPlaces([KEY], [{ place: "zip", content }]).bytes).toBe(1_500);
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

it("follows no symbolic link, and doesn't look into what is compressed but no zip", () => {
  const folder = temporaryFolder();
  const outside = temporaryFolder();
  writeFileSync(join(outside, "provider"), KEY);
  symlinkSync(outside, join(folder, "providers"));
  writeFileSync(join(folder, "plan.out"), gzipSync(KEY));

  expect(searchForLeaks([KEY], folder)).toMatchObject({ files: 1, hits: [] });
});
