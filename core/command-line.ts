/**
 * A line of the command line that a user may paste, such as `command("status")`. It runs in a clone and beside an installed
 * package alike. Without `--no-install` npx would fetch a package of that name and run it beside the user's credentials, and
 * on npm the name is nobody's yet.
 */
export function command(line: string): string {
  return `npx --no-install valmi-agent-keys ${line}`;
}

/** What was typed is wrong, and nothing was changed. The text names the option, the rule and what was got. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
