/**
 * Something that this machine lacks. The message is one line: what is missing, and how to get it; whoever prints it
 * needs no stack trace.
 */
export class PrerequisiteError extends Error {
  override readonly name = "PrerequisiteError";

  constructor(missing: string, fix: string, options?: ErrorOptions) {
    super(`${oneLine(missing)}. Fix: ${oneLine(fix)}`, options);
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
