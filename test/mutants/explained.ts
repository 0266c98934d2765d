/** A mutant that no test can or should kill. Its place is told by text, since line numbers move. */
export interface Explained {
  readonly file: string;
  /** The source line on which the mutated code begins, without its indent. */
  readonly line: string;
  /** As `npm run test:mutants` prints it: `original → replacement`. */
  readonly mutant: string;
  readonly because: string;
}

/** Every survivor, and why it is one. The command fails on a survivor that isn't here, and on an entry that is killed. */
export const EXPLAINED: readonly Explained[] = [];
