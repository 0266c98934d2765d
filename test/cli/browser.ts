import { execFileSync } from "node:child_process";
import { type Browser, chromium, type Page } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The browser of `VALMI_BROWSER`, or a Chromium on PATH; `undefined` where there is none. */
export function findBrowser(): string | undefined {
  const named = process.env.VALMI_BROWSER;
  if (named) return named;
  for (const name of NAMES) {
    try {
      return execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
    } catch {
      // The next one.
    }
  }
  return undefined;
}

export async function launch(executablePath: string): Promise<Browser> {
  // Without its sandbox, which root and containers don't have; it opens nothing but a page of ours.
  return chromium.launch({ executablePath, args: ["--no-sandbox"] });
}

export interface Opened {
  readonly page: Page;
  /** What the page wrote to the console, what it threw, and what it asked for beside itself. */
  readonly complaints: readonly string[];
}

export async function openPage(
  browser: Browser,
  html: string,
  options: {
    readonly width: number;
    readonly height?: number;
    readonly dark?: boolean;
    readonly scale?: number;
  },
): Promise<Opened> {
  const { width, height = 800, dark = false, scale = 1 } = options;
  const page = await browser.newPage({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    deviceScaleFactor: scale,
  });
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("request", (request) => complaints.push(`request: ${request.url().slice(0, 100)}`));
  await page.setContent(html, { waitUntil: "load" });
  return { page, complaints };
}
