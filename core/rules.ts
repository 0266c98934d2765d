import { X509Certificate } from "node:crypto";

/**
 * What a text must look like that a person writes and a function or the command line reads later. Synth checks by the same
 * rules as they do: what synth lets through, no function refuses. Pure, and it imports nothing of the project.
 */

/** One rule for a text. */
export interface Rule {
  /** In words, after the name of the field: `must be …`. */
  readonly says: string;
  readonly holds: (text: string) => boolean;
  /** Set if a text that breaks the rule may hold a password or a private key. It is not shown then. */
  readonly isHidden?: true;
}

/** The first rule that the text breaks; `undefined` if it breaks none. */
export function brokenRule(rules: readonly Rule[], text: string): Rule | undefined {
  return rules.find(({ holds }) => !holds(text));
}

/** How an error shows a text that breaks a rule. */
export function shownText(text: string, { isHidden }: Rule): string {
  return isHidden ? `${text.length} characters` : text;
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** Whether a URL can't leave this machine. */
export function isLoopback(text: string): boolean {
  const hostname = parseUrl(text)?.hostname ?? "";
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** Whether requests to a URL are encrypted. */
export function isHttps(text: string): boolean {
  return parseUrl(text)?.protocol === "https:";
}

/** A text that is no URL may still hold a password before an `@`. */
function isWithoutUserAndQuery(text: string): boolean {
  const url = parseUrl(text);
  const hasUser = url ? url.username !== "" || url.password !== "" : text.includes("@");
  return !hasUser && !/[?#]/.test(text);
}

/** The base URL of the Control Plane. A key is sent there, so it is never sent in clear text. */
export const CONTROL_PLANE_URL_RULES: readonly Rule[] = [
  {
    says: "must be a URL without user, password, query and fragment",
    holds: isWithoutUserAndQuery,
    isHidden: true,
  },
  {
    says: "must be an https URL (http only to a loopback address)",
    holds: (text) => isHttps(text) || (parseUrl(text)?.protocol === "http:" && isLoopback(text)),
  },
];

const MAX_PROXY_URL_LENGTH = 256;

/** The proxy that leads to the Control Plane. */
export const PROXY_URL_RULES: readonly Rule[] = [
  {
    says:
      `must be an http or https URL of at most ${MAX_PROXY_URL_LENGTH} characters, without user, password, query ` +
      "and fragment",
    holds: (text) =>
      /^https?:$/.test(parseUrl(text)?.protocol ?? "") &&
      isWithoutUserAndQuery(text) &&
      text.length <= MAX_PROXY_URL_LENGTH,
    isHidden: true,
  },
];

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
const certificatesIn = (text: string): readonly string[] => text.match(CERTIFICATE) ?? [];

/**
 * The certificates of the authorities that may sign the Control Plane's. Node.js would take a text that holds none: it would
 * trust nobody, and say so with every request.
 */
export const CA_CERTIFICATE_RULES: readonly Rule[] = [
  {
    says: "must be certificates in PEM, and nothing beside them, a private key least of all",
    holds: (text) => certificatesIn(text).length > 0 && text.replace(CERTIFICATE, "").trim() === "",
    isHidden: true,
  },
  {
    says: "must be certificates of authorities (CA:TRUE), each readable",
    holds: (text) => certificatesIn(text).every(isAuthority),
    isHidden: true,
  },
];

function isAuthority(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca;
  } catch {
    return false;
  }
}

/** The ARNs of the things that the project is given or reads from. */
export const ARN_PATTERNS = {
  role: /^arn:[a-z-]+:iam::(?<accountId>\d{12}):role\/[\w+=,.@/-]+$/,
  policy: /^arn:[a-z-]+:iam::(\d{12}|aws):policy\/[\w+=,.@/-]+$/,
  oidcProvider: /^arn:[a-z-]+:iam::\d{12}:oidc-provider\/.+$/,
  kmsKey: /^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key\/[a-z0-9-]+$/,
  topic: /^arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$/,
  function: /^arn:[a-z-]+:lambda:(?<region>[a-z0-9-]+):(?<accountId>\d{12}):function:.+$/,
  /** With the six characters that Secrets Manager adds to the name. */
  secret:
    /^arn:(?<partition>[a-z-]+):secretsmanager:(?<region>[a-z0-9-]+):(?<accountId>\d{12}):secret:(?<name>[\w/+=.@!-]+)-[A-Za-z0-9]{6}$/,
};

/** The parts that a pattern names; `undefined` if the text is no such ARN. */
export function arnParts(
  kind: keyof typeof ARN_PATTERNS,
  text: string,
): Readonly<Record<string, string>> | undefined {
  return ARN_PATTERNS[kind].exec(text)?.groups;
}
