import { mkdirSync } from "node:fs";
import path from "node:path";
import { reportPage } from "../../cli/report/page";
import { findBrowser, launch, openPage } from "./browser";
import { NOW, SAMPLE } from "./report-sample";

/** The pictures of the report in docs/images, or in the folder that is named: `npm run docs:screenshots [-- FOLDER]`. */
const FOLDER = process.argv[2] ?? path.join(__dirname, "../../docs/images");
const PICTURES = [
  { file: "report.png", width: 1240, dark: false },
  { file: "report-phone.png", width: 375, dark: true },
];

async function main(): Promise<void> {
  const executable = findBrowser();
  if (executable === undefined) {
    throw new Error("no Chromium on PATH: install Debian's package chromium, or name one in VALMI_BROWSER");
  }
  mkdirSync(FOLDER, { recursive: true });
  const browser = await launch(executable);
  try {
    const html = reportPage(SAMPLE, NOW);
    for (const { file, width, dark } of PICTURES) {
      const { page } = await openPage(browser, html, { width, dark });
      const clip = {
        x: 0,
        y: 0,
        width,
        height: width < 500 ? 1_000 : await page.evaluate("document.body.scrollHeight"),
      };
      await page.screenshot({ path: path.join(FOLDER, file), fullPage: true, clip: clip as never });
      console.log(path.join(FOLDER, file));
    }
  } finally {
    await browser.close();
  }
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
