import { playStory, readsOnce, type StoryOptions } from "../../../proofs/consumers/story";

const play = (options: StoryOptions, stories: number) =>
  Promise.all(Array.from({ length: stories }, (_, seed) => playStory(seed, options)));
const brokenIn = (stories: Awaited<ReturnType<typeof play>>) =>
  stories.flatMap(({ broken }, seed) => broken.map((text) => `${seed}: ${text}`));

test.each(["calm", "stormy"] as const)(
  "no promise is broken in %s stories",
  async (weather) => {
    const stories = await play({ weather }, 8);
    expect(brokenIn(stories)).toEqual([]);
    const sum = (field: "rotations" | "failedCalls" | "failedReads") =>
      stories.reduce((total, story) => total + story[field], 0);
    expect(sum("rotations")).toBeGreaterThan(20);
    // What no agent can avoid, happens; so the judge has something to judge.
    expect(sum("failedCalls") > 0).toBe(weather === "stormy");
    expect(sum("failedReads") > 0).toBe(weather === "stormy");
  },
  600_000,
);

test.each<[string, StoryOptions["agent"]]>([
  ["reads its key once", readsOnce],
  ["reads it again, and doesn't repeat a call", (keys) => async (use) => use(await keys.current())],
])(
  "an agent that %s breaks one",
  async (_, agent) => {
    const stories = await play({ weather: "stormy", ...(agent && { agent }) }, 5);
    expect(brokenIn(stories).join("\n")).toContain("a call failed at");
  },
  600_000,
);
