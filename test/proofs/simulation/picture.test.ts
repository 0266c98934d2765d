import { anchoredScale } from "../../../cli/report/scale";
import { liveAgent } from "../../../proofs/simulation/figures";
import { runFleet } from "../../../proofs/simulation/fleet";
import { agentOptions, parseOptions } from "../../../proofs/simulation/options";
import { subjectsOf, toHtml, toSvg } from "../../../proofs/simulation/picture";
import { drawTimeline, focusAround } from "../../../proofs/simulation/timeline";

const OPTIONS = {
  ...parseOptions(["--agents", "12", "--years", "2", "--seed", "2", "--workers", "1"]),
  faultRate: 10,
};

describe("the picture", () => {
  it("shows keys, labels, faults and why, and needs nothing from elsewhere", async () => {
    const subjects = await subjectsOf(await runFleet(OPTIONS), OPTIONS);
    const html = toHtml(subjects, "12 agents");
    const svg = toSvg(subjects);

    expect(subjects.length).toBeGreaterThanOrEqual(3);
    for (const picture of [html, svg]) {
      for (const label of ["AWSCURRENT", "AWSPENDING", "calls fail", ">refused<", "the worst", "typical"]) {
        expect(picture).toContain(label);
      }
      expect(picture).toMatch(/class="key k\d grace"/);
      expect(picture).toMatch(/Rotate clicked by hand|value stored by hand/);
      expect(picture).not.toMatch(/NaN|undefined|Infinity/);
      expect(picture.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|src=|url\(|@import/);
    }
    expect(html).toContain('name="viewport"');
    expect(html.length).toBeLessThan(150_000);
  });

  it("marks in the years where AWSCURRENT was refused", async () => {
    const outcome = await liveAgent(agentOptions({ ...OPTIONS, graceHours: 0 }, 1));
    const { from, until } = outcome.notAccepted[0] as { from: number; until: number };
    const subject = { title: "t", subtitle: "<&>", outcome, focus: focusAround(outcome, from, until) };
    const { body } = drawTimeline(subject);
    const years = body.slice(0, body.indexOf('class="frame"'));

    expect(years.split('class="dead"').length - 1).toBe(outcome.notAccepted.length);
    expect(body).toContain("&lt;&amp;>");
  });
});

describe("the stretched scale", () => {
  it("keeps order and ends, and holds milliseconds apart beside days", () => {
    const anchors = [1_000, 1_300, 90_000_000];
    const x = anchoredScale(anchors, 0, 100_000_000, 10, 210);
    const places = [0, ...anchors, 100_000_000].map(x);

    expect(places[0]).toBe(10);
    expect(places.at(-1)).toBe(210);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
    expect(x(1_300) - x(1_000)).toBeGreaterThan(15);
    expect(x(45_000_000)).toBeGreaterThan(x(1_300));
  });
});
