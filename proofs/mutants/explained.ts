/** A mutant that no test can or should kill. Its place is told by text, since line numbers move. */
export interface Explained {
  readonly file: string;
  /** The source line on which the mutated code begins, without its indent. */
  readonly line: string;
  /** As `npm run test:mutants` prints it: `original → replacement`. */
  readonly mutant: string;
  readonly because: string;
}

const STEPS = "core/rotation/steps.ts";
/**
 * `createSecret` mints at once where its intent is the first and its version is empty. Where its version holds something,
 * `decideMint` never gives this course. The case is there because every course has one.
 */
const MINTED_BEFORE =
  "The case is not reached: a first intent with an empty version has minted some lines before.";

const SELF_TEST = "core/rotation/self-test.ts";
const NEVER_WRITTEN =
  "The table's condition refuses the write: only the permission to ask for it is tested, whatever would be written.";

/** Every survivor, and why it is one. The command fails on a survivor that isn't here, and on an entry that is killed. */
export const EXPLAINED: readonly Explained[] = [
  {
    file: STEPS,
    line: 'case "mint":',
    mutant: 'case "mint": return mintAndPromote(deps, sight, intent); → case "mint":',
    because: MINTED_BEFORE,
  },
  { file: STEPS, line: 'case "mint":', mutant: '"mint" → ""', because: MINTED_BEFORE },
  {
    file: "core/rotation/look.ts",
    line: 'throw new Stop(state, error instanceof Error ? error.message : "");',
    mutant: '"" → "Stryker was here!"',
    because: "`parseRecord` throws nothing but errors; the empty text is what the compiler asks for.",
  },
  {
    file: "core/rotation/look.ts",
    line: "const isGuarded = guard !== undefined && controlPlane.now() < guard;",
    mutant: "guard !== undefined → true",
    because: "No time is before an undefined one; the question is the compiler's.",
  },
  { file: SELF_TEST, line: 'outcome: "refused",', mutant: '"refused" → ""', because: NEVER_WRITTEN },
  { file: SELF_TEST, line: "earlierMints: [],", mutant: '[] → ["Stryker was here"]', because: NEVER_WRITTEN },
  {
    file: SELF_TEST,
    line: 'await intents.settle(intent, { outcome: "refused", settledAt: 0 });',
    mutant: '{ outcome: "refused", settledAt: 0 } → {}',
    because: NEVER_WRITTEN,
  },
  {
    file: SELF_TEST,
    line: 'await intents.settle(intent, { outcome: "refused", settledAt: 0 });',
    mutant: '"refused" → ""',
    because: NEVER_WRITTEN,
  },
  {
    file: "core/key/ownership.ts",
    line: 'const match = MARKER.exec(description ?? "");',
    mutant: '"" → "Stryker was here!"',
    because: "Neither text has a marker.",
  },
];
