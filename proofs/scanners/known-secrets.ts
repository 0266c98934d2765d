/**
 * What the scanner takes for a secret and is none. `line` is matched by the line that it found, so that another secret in
 * the same file is found all the same.
 */
export interface KnownSecret {
  readonly type: string;
  readonly path: RegExp;
  readonly line: RegExp;
  readonly why: string;
}

export const KNOWN_SECRETS: readonly KnownSecret[] = [
  {
    type: "Base64 High Entropy String",
    path: /^test\/__snapshots__\/stacks\.test\.ts\.snap$/,
    line: /"agent-keys_[\w-]+_[0-9A-F]{8}"/,
    why: "names that CDKTF gives to resources",
  },
  {
    type: "Hex High Entropy String",
    path: /^test\/__snapshots__\/stacks\.test\.ts\.snap$/,
    line: /^ +"digest": "[0-9a-f]{64}",$/,
    why: "digests of what is configured for an instance",
  },
  {
    type: "Hex High Entropy String",
    path: /^test\/((lambda\/mint|core\/intent-table)\/intent-store|cli\/tables)\.test\.ts$/,
    line: /revious[Ff]ingerprint: .*"012345abcdef"|"[0-9a-f]{12}"/,
    why: "fingerprints, which is what may be told of a key",
  },
  {
    type: "Hex High Entropy String",
    path: /^(test|proofs)\/plan\/previous-release\.ts$/,
    line: /PREVIOUS_RELEASE = "[0-9a-f]{40}"/,
    why: "a commit",
  },
  {
    type: "Hex High Entropy String",
    path: /^(test|proofs)\/fuzz\/events\.ts$/,
    line: /"0123456789abcdef0123456789abcdef"/,
    why: "a token that is counted up",
  },
  {
    type: "Valmi Key",
    path: /^(test|proofs)\/(fuzz\/target|leaks\/run)\.ts$/,
    line: /"(agent_marker|token_marker|token_pl4nted)[0-9a-f]+"/,
    why: "markers that no message may hold, of no Control Plane's",
  },
  {
    type: "Basic Auth Credentials",
    path: /^(test|proofs)\/(constructs\/(environment\/)?checks\.test|(lambda|core)\/settings(\/function-settings)?\.test|fuzz\/target|scanners\/known-secrets|processes\/cli-network\.test|core\/aws-client\.test)\.ts$/,
    line: /\/\/(me:(pw|hunter2|p%40ss)|operator:pass|user:password|us%20er:p%40ss)@/,
    why: "URLs with a password that tests want refused",
  },
  {
    type: "Private Key",
    path: /^test\/(lambda|core)\/settings(\/function-settings)?\.test\.ts$/,
    line: /`\$\{PEM\}-----BEGIN PRIVATE KEY-----`/,
    why: "the first line of none, which a test wants refused",
  },
  {
    type: "Base64 High Entropy String",
    path: /^(test|proofs)\/scanners\/secrets\.ts$/,
    line: /^ +const digits = "\w{24}";$/,
    why: "what is planted, for the scanner to find",
  },
  ...["Hex High Entropy String", "Private Key"].map((type) => ({
    type,
    path: /^(test|proofs)\/scanners\/known-secrets\.ts$/,
    line: /^ {4}line: \//,
    why: "what this list knows",
  })),
];
