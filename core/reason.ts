import { KEY_SHAPE } from "./contract";

/**
 * Why something failed, for a person: what the service said, behind its name for it. Never a part of a value: what has the
 * shape of a key is masked, and the text of a parser, which quotes what it could not parse, is left out.
 */
export function reasonOf(error: unknown): string {
  return said(error).replace(KEY_SHAPE, "[masked]");
}

function said(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  if (error instanceof SyntaxError || error.name === "SyntaxError") return "an answer of AWS is not JSON";
  const { name, message, cause } = error;
  const { code, errors, $fault } = error as Error & { code?: unknown; errors?: unknown; $fault?: unknown };
  if ($fault !== undefined) return message === "" || message === name ? name : `${name}: ${message}`;
  // Several addresses were tried, and the error itself says nothing.
  if (message === "" && Array.isArray(errors) && errors.length > 0) return said(errors[0]);
  if (message === "fetch failed" && cause instanceof Error) return `${message}: ${said(cause)}`;
  if (typeof code === "string" && !message.includes(code))
    return message === "" ? code : `${code}: ${message}`;
  return message === "" ? name : message;
}
