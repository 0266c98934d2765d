import {
  DescribeSecretCommand,
  type Filter,
  ListSecretVersionIdsCommand,
  paginateListSecrets,
  RotateSecretCommand,
  type SecretListEntry,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";

/** A secret as Secrets Manager describes it, without any value. Times in milliseconds since the epoch. */
export interface ListedSecret {
  readonly secretArn: string;
  readonly secretName: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Staging labels by version id. */
  readonly versionStages: Readonly<Record<string, readonly string[]>>;
  readonly createdAt: number;
  /** When value, labels or settings changed last. If Secrets Manager doesn't say, when the secret was created. */
  readonly lastChangedAt: number;
  /** When the UTC day of the last read began, whoever read it: the auditor counts too. */
  readonly lastAccessedDay?: number;
  readonly rotation: {
    readonly enabled: boolean;
    readonly functionArn?: string;
    /** Whether there is a schedule, and not only a function. */
    readonly scheduled: boolean;
    /** Absent if there is no schedule in days. */
    readonly automaticallyAfterDays?: number;
    readonly lastAt?: number;
    /** The last moment of the next window; in the past after a window without success. */
    readonly nextAt?: number;
  };
}

/** What is asked of Secrets Manager about a fleet, beside the values of single secrets. */
export interface Fleet {
  /** The secrets whose names begin with `nameStart` and end with `nameEnd`, 100 a call. It may be 5 minutes behind. */
  list(nameStart: string, nameEnd: string): AsyncIterable<readonly ListedSecret[]>;
  /** One secret, as it is now, by its name or ARN. */
  describe(secretId: string): Promise<ListedSecret>;
  /** When each labelled version was made. */
  versionTimes(secretArn: string): Promise<ReadonlyMap<string, number>>;
  /** Asks for a rotation, or for the unfinished one again. The auditor changes nothing else. */
  rotate(secretArn: string): Promise<RotationAnswer>;
}

/** `reattempted`: an earlier rotation is unfinished, and Secrets Manager goes on with that one. */
type RotationAnswer = "asked" | "reattempted";

/** How the secrets of several fleets are found. */
export interface TaggedSecrets {
  /** The secrets that have a tag, with that value if one is given; as far behind as `Fleet.list`. */
  tagged(key: string, value?: string): AsyncIterable<readonly ListedSecret[]>;
}

export function secretsManagerFleet(client: SecretsManagerClient): Fleet & TaggedSecrets {
  return {
    async *list(nameStart, nameEnd) {
      const filter = { Filters: [{ Key: "name" as const, Values: [nameStart] }] };
      for await (const { SecretList = [] } of paginateListSecrets({ client, pageSize: 100 }, filter)) {
        // The filter takes words apart and ignores case.
        yield SecretList.map((entry) => toListed(entry, entry.SecretVersionsToStages)).filter(
          ({ secretName }) => secretName.startsWith(nameStart) && secretName.endsWith(nameEnd),
        );
      }
    },
    async *tagged(key, value) {
      // Both filters match beginnings.
      const Filters: Filter[] = [{ Key: "tag-key", Values: [key] }];
      if (value !== undefined) Filters.push({ Key: "tag-value", Values: [value] });
      for await (const { SecretList = [] } of paginateListSecrets({ client, pageSize: 100 }, { Filters })) {
        yield SecretList.map((entry) => toListed(entry, entry.SecretVersionsToStages)).filter(({ tags }) =>
          value === undefined ? tags[key] !== undefined : tags[key] === value,
        );
      }
    },
    async describe(secretId) {
      const answer = await client.send(new DescribeSecretCommand({ SecretId: secretId }));
      return toListed(answer, answer.VersionIdsToStages);
    },
    async versionTimes(secretArn) {
      const { Versions = [] } = await client.send(
        new ListSecretVersionIdsCommand({ SecretId: secretArn, MaxResults: 100 }),
      );
      return new Map(
        Versions.map(({ VersionId, CreatedDate }) => [VersionId ?? "", CreatedDate?.getTime() ?? 0]),
      );
    },
    rotate: async (secretArn) => (await askForRotation(client, secretArn)).answer,
  };
}

/** Asks Secrets Manager for a rotation, or for the unfinished one again. `versionId` is that of a new one. */
export async function askForRotation(
  client: SecretsManagerClient,
  secretArn: string,
): Promise<{ readonly answer: RotationAnswer; readonly versionId?: string | undefined }> {
  try {
    const { VersionId } = await client.send(new RotateSecretCommand({ SecretId: secretArn }));
    return { answer: "asked", versionId: VersionId };
  } catch (error) {
    // "A previous rotation isn't complete. That rotation will be reattempted."
    if (error instanceof Error && /previous rotation isn.t complete/i.test(error.message))
      return { answer: "reattempted" };
    throw error;
  }
}

/** What a list's entry, or a description, says of a secret. */
function toListed(
  entry: Omit<SecretListEntry, "SecretVersionsToStages" | "OwningService">,
  versionStages: Record<string, string[]> = {},
): ListedSecret {
  const createdAt = entry.CreatedDate?.getTime() ?? 0;
  const rules = entry.RotationRules;
  return {
    secretArn: entry.ARN ?? "",
    secretName: entry.Name ?? "",
    tags: Object.fromEntries((entry.Tags ?? []).map(({ Key, Value }) => [Key ?? "", Value ?? ""])),
    versionStages,
    createdAt,
    lastChangedAt: entry.LastChangedDate?.getTime() ?? createdAt,
    ...(entry.LastAccessedDate ? { lastAccessedDay: entry.LastAccessedDate.getTime() } : {}),
    rotation: {
      enabled: entry.RotationEnabled ?? false,
      scheduled: rules?.AutomaticallyAfterDays !== undefined || rules?.ScheduleExpression !== undefined,
      ...(rules?.AutomaticallyAfterDays ? { automaticallyAfterDays: rules.AutomaticallyAfterDays } : {}),
      ...(entry.RotationLambdaARN ? { functionArn: entry.RotationLambdaARN } : {}),
      ...(entry.LastRotatedDate ? { lastAt: entry.LastRotatedDate.getTime() } : {}),
      ...(entry.NextRotationDate ? { nextAt: entry.NextRotationDate.getTime() } : {}),
    },
  };
}
