import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.join(__dirname, "..", "..");

const pages = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter(
  (file) => file.endsWith(".md") && !/(^|\/)(node_modules|\.|cdktf\.out|dist)/.test(file),
);
const texts = new Map(pages.map((page) => [page, readFileSync(path.join(ROOT, page), "utf8")]));

/** As GitHub makes them of headings. */
const anchorsOf = (text: string) =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );

test("all pages are looked at", () => {
  expect(pages).toEqual(expect.arrayContaining(["README.md", path.join("docs", "operations.md")]));
  expect(pages.length).toBeGreaterThan(15);
});

test.each(pages)("every link of %s leads to a file, and to a heading of it", (page) => {
  const links = [...(texts.get(page) ?? "").matchAll(/\]\(([^)\s]+)\)|<img src="([^"]+)"/g)]
    .map(([, link, image]) => String(link ?? image))
    .filter((link) => !/^https?:/.test(link));
  const broken = links.filter((link) => {
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? page : path.join(path.dirname(page), file);
    if (!existsSync(path.join(ROOT, target))) return true;
    return anchor !== undefined && !anchorsOf(texts.get(target) ?? "").includes(anchor);
  });
  expect(broken).toEqual([]);
});

test.each(pages)("every file of this project that %s names is there", (page) => {
  const rooms = "agent|bench|cli|clients|constructs|core|docs|examples|lambda|local|proofs|test";
  const named = [...(texts.get(page) ?? "").matchAll(new RegExp(`\`((?:${rooms})/[\\w./-]+)\``, "g"))]
    .map(([, file = ""]) => file)
    .filter((file) => /\.\w+$|\/$/.test(file));
  // A page in a folder may name its own files from there.
  const isThere = (file: string) =>
    existsSync(path.join(ROOT, file)) || existsSync(path.join(ROOT, path.dirname(page), file));
  expect(named.filter((file) => !isThere(file))).toEqual([]);
});
