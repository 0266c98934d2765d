import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

export interface LeakSearch {
  readonly files: number;
  readonly bytes: number;
  /** Where a text stands; never the text. */
  readonly hits: readonly { readonly place: string; readonly textNumber: number }[];
}

/**
 * Searches everything below a folder, and texts beside it, for secret texts: as they are, and inside base64. Symbolic
 * links (to the provider's program) aren't followed.
 */
export function searchForLeaks(
  secretTexts: readonly string[],
  folder: string,
  besides: Readonly<Record<string, string>> = {},
): LeakSearch {
  const places = [
    ...filesBelow(folder).map((path) => ({ place: relative(folder, path), content: readFileSync(path) })),
    ...Object.entries(besides).map(([place, text]) => ({ place, content: Buffer.from(text) })),
  ];
  const hits = places.flatMap(({ place, content }) =>
    secretTexts.flatMap((text, textNumber) =>
      formsOf(text).some((form) => content.includes(form)) ? [{ place, textNumber }] : [],
    ),
  );
  return { files: places.length, bytes: places.reduce((sum, { content }) => sum + content.length, 0), hits };
}

/** The text, and the part of its base64 that is the same whatever stands around it, for each of three alignments. */
function formsOf(text: string): string[] {
  const encoded = [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]);
    const whole = bytes.subarray(0, bytes.length - (bytes.length % 3)).toString("base64");
    return before === 0 ? whole : whole.slice(4);
  });
  return [text, ...encoded];
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}
