import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { unzipSync } from "fflate";

export interface LeakSearch {
  readonly files: number;
  /** Bytes read, what was packed counted as unpacked. */
  readonly bytes: number;
  /** Where a text stands; never the text. */
  readonly hits: readonly { readonly place: string; readonly textNumber: number }[];
}

export interface Place {
  readonly place: string;
  readonly content: Buffer;
}

/**
 * Searches everything below a folder, and texts beside it, for secret texts. Symbolic links (to the provider's program)
 * aren't followed; `searchPlaces` says in which forms a text is found.
 */
export function searchForLeaks(
  secretTexts: readonly string[],
  folder: string,
  besides: Readonly<Record<string, string>> = {},
): LeakSearch {
  return searchPlaces(secretTexts, [
    ...placesBelow(folder),
    ...Object.entries(besides).map(([place, text]) => ({ place, content: Buffer.from(text) })),
  ]);
}

/**
 * Searches for secret texts as they are, escaped as in JSON (once and twice; as Go writes it too, which Terraform is
 * written in) or in a URL, each of these also in base64, of either alphabet and wherever it begins, and in hexadecimal.
 * Zip archives are unpacked. A text that was cut off is found as long as three fifths of it are left at one end.
 */
export function searchPlaces(secretTexts: readonly string[], places: readonly Place[]): LeakSearch {
  const forms = secretTexts.map(formsOf);
  let bytes = 0;
  const hits = places.flatMap(({ place, content }) => {
    const contents = [content, ...unpacked(content)];
    bytes += contents.length === 1 ? content.length : sizeOf(contents.slice(1));
    return forms.flatMap((ofText, textNumber) =>
      ofText.some((form) => contents.some((each) => each.includes(form))) ? [{ place, textNumber }] : [],
    );
  });
  return { files: places.length, bytes, hits };
}

const sizeOf = (contents: readonly Buffer[]) => contents.reduce((sum, { length }) => sum + length, 0);

/** Every file below a folder. */
export function placesBelow(folder: string): Place[] {
  return filesBelow(folder).map((path) => ({ place: relative(folder, path), content: readFileSync(path) }));
}

function formsOf(text: string): string[] {
  const most = Math.ceil(text.length * 0.6);
  const written = [text.slice(0, most), text.slice(-most)].flatMap((part) => {
    const json = inJson(part);
    return [part, json, inJson(json), inGoJson(part), inJson(inGoJson(part)), encodeURIComponent(part)];
  });
  const encoded = written.flatMap((part) => [
    ...inBase64(part),
    Buffer.from(part).toString("hex"),
    Buffer.from(part).toString("hex").toUpperCase(),
  ]);
  return [...new Set([...written, ...encoded])];
}

const inJson = (text: string) => JSON.stringify(text).slice(1, -1);

/** Go escapes for HTML as well. */
const inGoJson = (text: string) =>
  inJson(text).replace(/[<>&]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`);

/** The part of its base64 that is the same whatever stands around the text, for each of three alignments. */
function inBase64(text: string): string[] {
  return [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]);
    const whole = bytes.subarray(0, bytes.length - (bytes.length % 3)).toString("base64");
    const own = before === 0 ? whole : whole.slice(4);
    return [own, own.replaceAll("+", "-").replaceAll("/", "_")];
  });
}

function unpacked(content: Buffer): Buffer[] {
  if (content.subarray(0, 4).toString("latin1") !== "PK\u0003\u0004") return [];
  return Object.values(unzipSync(content)).flatMap((entry) => {
    const bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength);
    return [bytes, ...unpacked(bytes)];
  });
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}
