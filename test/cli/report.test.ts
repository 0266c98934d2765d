import type { Browser } from "playwright-core";
import { drawTimeline } from "../../cli/report/drawing";
import { timelineOf } from "../../cli/report/lives";
import { reportPage } from "../../cli/report/page";
import { DAY, HOUR, SECOND } from "../../local/clock";
import { findBrowser, launch, openPage } from "./browser";
import { fingerprintOf, NOW, record, SAMPLE, sample } from "./report-sample";

describe("the timeline of an instance", () => {
  test("each key from its mint over its promotion to the end of its grace period", () => {
    const { keys, nextRotationAt } = timelineOf(sample({ id: "support", mints: [100, 10] }));
    expect(keys).toEqual([
      {
        fingerprint: fingerprintOf("support-0"),
        from: NOW - 100 * DAY,
        isFromKnown: true,
        current: [{ from: NOW - 100 * DAY + 2 * SECOND, until: NOW - 10 * DAY + 2 * SECOND }],
        endsAt: NOW - 9 * DAY,
        honoured: true,
      },
      {
        fingerprint: fingerprintOf("support-1"),
        from: NOW - 10 * DAY,
        isFromKnown: true,
        current: [{ from: NOW - 10 * DAY + 2 * SECOND, until: NOW }],
      },
    ]);
    expect(nextRotationAt).toBe(NOW + 80 * DAY);
  });

  test("a key before the oldest record has an unknown beginning", () => {
    const audited = sample({ id: "support", mints: [100, 10] });
    const intents = audited.facts.intents.slice(0, 1);
    const [oldest] = timelineOf({ ...audited, facts: { ...audited.facts, intents } }).keys;
    expect(oldest).toMatchObject({ fingerprint: fingerprintOf("support-0"), isFromKnown: false });
  });

  test("no record at all: the present key, since it was issued", () => {
    const { keys } = timelineOf(sample({ id: "support", mints: [], key: { issuedAt: NOW - DAY } }));
    expect(keys).toEqual([
      expect.objectContaining({ from: NOW - DAY, current: [{ from: NOW - DAY, until: NOW }] }),
    ]);
  });

  test("AWSCURRENT that was put back is on the older key since the last change", () => {
    const movedAt = NOW - 3 * HOUR;
    const { keys, incidents } = timelineOf(
      sample({
        id: "claims",
        mints: [100, 0.5],
        facts: { lastChangedAt: movedAt },
        key: { fingerprint: fingerprintOf("claims-0") },
      }),
    );
    expect(keys[0]?.current.at(-1)).toEqual({ from: movedAt, until: NOW });
    expect(keys[1]?.current.at(-1)?.until).toBe(movedAt);
    expect(incidents).toEqual([{ at: movedAt, kind: "put back" }]);
  });

  test("what else happened, oldest first, and a rotation that is pending", () => {
    const paused = record({ outcome: "paused", takenAt: NOW - 2 * DAY, attemptEndsAt: NOW + DAY });
    const refused = record({ outcome: "refused", takenAt: NOW - 5 * DAY });
    const { incidents, pending } = timelineOf(
      sample({
        id: "support",
        mints: [50],
        records: [paused, refused],
        facts: { pendingVersionId: "next", pendingSince: NOW - HOUR },
      }),
    );
    expect(incidents).toEqual([
      { at: NOW - 5 * DAY, kind: "refused" },
      { at: NOW - 2 * DAY, until: NOW + DAY, kind: "paused" },
    ]);
    expect(pending).toEqual({ from: NOW - HOUR, until: NOW });
  });
});

test("a grace period that was not kept is told, and drawn in another colour", () => {
  const audited = sample({ id: "support", mints: [100, 10] });
  const intents = audited.facts.intents.map((each) => ({ ...each, previousKeyHonoured: false }));
  const svg = drawTimeline(timelineOf({ ...audited, facts: { ...audited.facts, intents } }), "title", NOW);
  expect(svg).toContain('class="dead"');
  expect(svg).toContain("refused at once");
  expect(svg).not.toContain(">grace<");
});

test("each rotation says how long the old key really lived, beside what the auditor asked for", () => {
  const asked = [
    {
      askedAt: [NOW - 3 * HOUR, NOW - 2 * HOUR],
      because: ["rotation-overdue"],
      answer: "AccessDeniedException",
    },
  ];
  const page = reportPage([sample({ id: "support", mints: [100, 10], asked })], NOW);
  expect(page).toContain("old key accepted until 23.3 h, refused from 24.3 h of 24 h promised</li>");
  expect(page).toContain(
    "2026-10-14 06:30 UTC: <b>auditor asked, 2 times, refused: AccessDeniedException</b> because of rotation-overdue</li>",
  );
});

test("names are escaped", () => {
  const page = reportPage([sample({ id: '<img/src="x">', mints: [1] })], NOW);
  expect(page).not.toContain("<img");
  expect(page).toContain("&#60;img");
});

// The package `chromium` of Debian is one; CI installs it.
const browserPath = findBrowser();
const inBrowser = browserPath === undefined ? describe.skip : describe;
if (browserPath === undefined) {
  console.warn("No Chromium on PATH, and VALMI_BROWSER names none: the report is not opened in a browser.");
}

inBrowser("opened in a browser", () => {
  const html = reportPage(SAMPLE, NOW);
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(browserPath ?? "");
  }, 60_000);
  afterAll(() => browser?.close());

  test.each([375, 320, 768, 1280])(
    "%d pixels wide nothing sticks out, and nothing complains",
    async (width) => {
      const { page, complaints } = await openPage(browser, html, { width });
      const wide = await page.evaluate(`({
        page: document.documentElement.scrollWidth,
        outside: [...document.querySelectorAll("body *")]
          .filter((each) => !each.closest("svg") && each.getBoundingClientRect().right > innerWidth + 0.5)
          .map((each) => each.tagName + " " + each.className),
      })`);
      expect(wide).toEqual({ page: width, outside: [] });
      expect(complaints).toEqual([]);
      await page.close();
    },
    60_000,
  );

  test("every text of a drawing lies inside it, and none upon another", async () => {
    const { page } = await openPage(browser, html, { width: 375 });
    const bad = await page.evaluate(`[...document.querySelectorAll("svg")].flatMap((svg) => {
      const frame = svg.getBoundingClientRect();
      const texts = [...svg.querySelectorAll("text")].map((node) => ({ text: node.textContent, box: node.getBoundingClientRect() }));
      const outside = texts.filter(({ box }) => box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1);
      const covered = texts.flatMap((a, i) => texts.slice(i + 1).filter((b) =>
        a.box.left < b.box.right - 1 && b.box.left < a.box.right - 1 && a.box.top < b.box.bottom - 2 && b.box.top < a.box.bottom - 2,
      ).map((b) => ({ text: a.text + " / " + b.text })));
      return [...outside, ...covered].map(({ text }) => svg.getAttribute("aria-label") + ": " + text);
    })`);
    expect(bad).toEqual([]);
    await page.close();
  }, 60_000);

  test("text is readable in light and dark: contrast of 4.5 or more", async () => {
    for (const dark of [false, true]) {
      const { page } = await openPage(browser, html, { width: 375, dark });
      const least = await page.evaluate(`(() => {
        const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
        const light = (text) => {
          const [r, g, b] = rgb(text).map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
        const card = getComputedStyle(document.querySelector("article")).backgroundColor;
        return Math.min(...[...document.querySelectorAll("article dt, article dd, article .state, article .findings, article li")]
          .map((each) => contrast(getComputedStyle(each).color, card)));
      })()`);
      expect(least).toBeGreaterThanOrEqual(4.5);
      await page.close();
    }
  }, 60_000);

  test("it prints: pages of PDF, each instance on one of them", async () => {
    const { page } = await openPage(browser, html, { width: 1024 });
    const pdf = await page.pdf({ format: "A4", printBackground: true });
    expect(pdf.subarray(0, 5).toString()).toBe("%PDF-");
    expect(pdf.length).toBeGreaterThan(10_000);
    await page.emulateMedia({ media: "print" });
    expect(await page.evaluate(`getComputedStyle(document.querySelector("article")).breakInside`)).toBe(
      "avoid",
    );
    await page.close();
  }, 60_000);
});
