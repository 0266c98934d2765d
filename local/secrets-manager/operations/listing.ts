import { invalidParameter, SecretsManagerError } from "../errors";
import { flag, type Input, list, oneOf, pageSize, secretId, text } from "../input";
import type { Secret, Version } from "../model";
import type { Store } from "../store";
import { describe, epochSeconds } from "./describe";
import { filtersOf } from "./filters";
import { readValue } from "./values";

const MAX_PAGE = 100;
const MAX_BATCH = 20;
const SORT_KEYS = ["created-date", "last-accessed-date", "last-changed-date", "name"] as const;
const SORT_ORDERS = ["asc", "desc"] as const;

const PAGE_TOKEN = /^page-(\d+)$/;

/** A page, and the token of the next. A token only counts: what changes between two pages can shift them. */
function page<T>(items: readonly T[], input: Input, size: number): { items: readonly T[]; next: object } {
  const token = text(input, "NextToken", 1, 4_096);
  const match = token === null ? null : PAGE_TOKEN.exec(Buffer.from(token, "base64url").toString());
  if (token !== null && match === null) {
    throw new SecretsManagerError("InvalidNextTokenException", "The NextToken value is invalid.");
  }
  const start = Number(match?.[1] ?? 0);
  const end = start + size;
  const next = end < items.length ? { NextToken: Buffer.from(`page-${end}`).toString("base64url") } : {};
  return { items: items.slice(start, end), next };
}

function sorted(secrets: Secret[], input: Input): Secret[] {
  const by = oneOf({ SortBy: input.SortBy ?? "created-date" }, "SortBy", SORT_KEYS);
  const order = oneOf({ SortOrder: input.SortOrder ?? "asc" }, "SortOrder", SORT_ORDERS);
  const keyOf = (secret: Secret): number => {
    if (by === "last-accessed-date") return secret.lastAccessedDay ?? 0;
    return by === "last-changed-date" ? secret.lastChangedAt : secret.createdAt;
  };
  const compare = (a: Secret, b: Secret) => {
    if (by === "name") return a.name < b.name ? -1 : 1;
    return keyOf(a) - keyOf(b);
  };
  return secrets.sort(order === "asc" ? compare : (a, b) => compare(b, a));
}

export function listSecrets(store: Store, input: Input): object {
  const size = pageSize(input, MAX_PAGE);
  const filter = filtersOf(input);
  const withDeleted = flag(input, "IncludePlannedDeletion") ?? false;
  const found = store.all().filter((secret) => (withDeleted || secret.deletionAt === null) && filter(secret));
  const { items, next } = page(sorted(found, input), input, size);
  return { SecretList: items.map((secret) => describe(secret, "SecretVersionsToStages")), ...next };
}

function listEntry({ id, labels, createdAt, lastAccessedDay, kmsKeyId }: Version): object {
  return {
    VersionId: id,
    ...(labels.length === 0 ? {} : { VersionStages: [...labels] }),
    ...(lastAccessedDay === null ? {} : { LastAccessedDate: epochSeconds(lastAccessedDay) }),
    CreatedDate: epochSeconds(createdAt),
    KmsKeyIds: [kmsKeyId ?? "DefaultEncryptionKey"],
  };
}

export function listSecretVersionIds(store: Store, input: Input): object {
  const size = pageSize(input, MAX_PAGE);
  const deprecated = flag(input, "IncludeDeprecated") ?? false;
  const secret = store.get(secretId(input));
  const listsEmpty = store.undocumented.emptyVersions === "listed";
  const versions = secret.versions.filter(
    ({ labels, value }) => (deprecated || labels.length > 0) && (listsEmpty || value !== null),
  );
  const { items, next } = page(versions, input, size);
  return { ARN: secret.arn, Name: secret.name, Versions: items.map(listEntry), ...next };
}

export function batchGetSecretValue(store: Store, input: Input): object {
  const ids = list(input, "SecretIdList");
  const filters = list(input, "Filters");
  if ((ids === null) === (filters === null)) {
    throw invalidParameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.");
  }
  if (ids !== null) {
    if ((input.MaxResults ?? null) !== null) {
      throw invalidParameter(
        "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.",
      );
    }
    if (ids.length < 1 || ids.length > MAX_BATCH) {
      throw invalidParameter(`SecretIdList must have 1-${MAX_BATCH} members, got: ${ids.length}.`);
    }
    return readAll(
      store,
      ids.map((id) => secretId({ SecretId: id })),
    );
  }
  const filter = filtersOf(input);
  const found = store.all().filter((secret) => secret.deletionAt === null && filter(secret));
  const { items, next } = page(found, input, pageSize(input, MAX_BATCH));
  return {
    ...readAll(
      store,
      items.map(({ arn }) => arn),
    ),
    ...next,
  };
}

/** One secret's error doesn't fail the others. */
function readAll(store: Store, ids: readonly string[]): object {
  const values: object[] = [];
  const errors: object[] = [];
  for (const id of ids) {
    try {
      values.push(readValue(store, store.getUsable(id), null, null));
    } catch (error) {
      if (!(error instanceof SecretsManagerError)) throw error;
      errors.push({ SecretId: id, ErrorCode: error.code, Message: error.message });
    }
  }
  return { SecretValues: values, Errors: errors };
}
