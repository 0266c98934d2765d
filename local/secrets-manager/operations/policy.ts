import { SecretsManagerError } from "../errors";
import { flag, type Input, requiredText, secretId, text } from "../input";
import type { Store } from "../store";

const MAX_POLICY = 20_480;

const malformed = (message: string) => new SecretsManagerError("MalformedPolicyDocumentException", message);

type Statement = Readonly<Record<string, unknown>>;

/** The statements of a policy; throws `MalformedPolicyDocumentException` where the document isn't one. */
function statements(document: string): readonly Statement[] {
  let policy: unknown;
  try {
    policy = JSON.parse(document);
  } catch {
    throw malformed("This resource policy contains invalid Json");
  }
  const given = (policy as { Statement?: unknown } | null)?.Statement;
  const list = Array.isArray(given) ? given : [given];
  for (const statement of list) checkStatement(statement);
  return list as Statement[];
}

function checkStatement(statement: unknown): void {
  if (typeof statement !== "object" || statement === null) {
    throw malformed("This resource policy has no Statement.");
  }
  const { Effect, Principal, NotPrincipal, Action, NotAction } = statement as Statement;
  if (Effect !== "Allow" && Effect !== "Deny")
    throw malformed(`Effect must be Allow or Deny, got: ${String(Effect)}.`);
  if (Principal === undefined && NotPrincipal === undefined)
    throw malformed("A statement must have a Principal.");
  if (Action === undefined && NotAction === undefined) throw malformed("A statement must have an Action.");
}

/** AWS reasons about the whole policy; here, only an Allow for everybody without a condition is broad. */
function isBroad({ Effect, Principal, Condition }: Statement): boolean {
  const aws = typeof Principal === "object" ? (Principal as Statement | null)?.AWS : Principal;
  return Effect === "Allow" && Condition === undefined && [aws].flat().includes("*");
}

const policyText = (input: Input) => requiredText(input, "ResourcePolicy", 1, MAX_POLICY);

export function getResourcePolicy(store: Store, input: Input): object {
  const secret = store.getUsable(secretId(input));
  return {
    ARN: secret.arn,
    Name: secret.name,
    ...(secret.policy === null ? {} : { ResourcePolicy: secret.policy }),
  };
}

export function putResourcePolicy(store: Store, input: Input): object {
  const policy = policyText(input);
  const secret = store.getUsable(secretId(input));
  if (statements(policy).some(isBroad) && flag(input, "BlockPublicPolicy") === true) {
    throw new SecretsManagerError(
      "PublicPolicyException",
      "The resource policy grants broad access to the secret, and BlockPublicPolicy is true.",
    );
  }
  store.save({ ...secret, policy, lastChangedAt: store.clock.now() });
  return { ARN: secret.arn, Name: secret.name };
}

export function deleteResourcePolicy(store: Store, input: Input): object {
  const secret = store.getUsable(secretId(input));
  store.save({ ...secret, policy: null, lastChangedAt: store.clock.now() });
  return { ARN: secret.arn, Name: secret.name };
}

export function validateResourcePolicy(store: Store, input: Input): object {
  const policy = policyText(input);
  const id = text(input, "SecretId", 1, 2_048);
  if (id !== null) store.getUsable(id);
  const broad = statements(policy).some(isBroad);
  const found = {
    CheckName: "PublicPolicy",
    ErrorMessage: "The resource policy grants broad access to the secret.",
  };
  return { PolicyValidationPassed: !broad, ValidationErrors: broad ? [found] : [] };
}
