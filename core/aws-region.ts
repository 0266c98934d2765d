import { loadConfig } from "@smithy/core/config";
import { UsageError } from "./command-line";

/**
 * The region for a client of AWS: what was given, else that of an ARN or a queue's URL, else `AWS_REGION`, else
 * `AWS_DEFAULT_REGION`, else the profile's. An empty text is none. The client's first call fails by a `UsageError` if there is
 * no region at all.
 *
 * @param of what the client is for: names, ARNs and URLs
 */
export function awsRegion(
  given: string | undefined,
  ...of: readonly (string | undefined)[]
): () => Promise<string> {
  const known = given || of.map(regionOf).find((region) => region !== undefined);
  if (known !== undefined && known !== "") return async () => known;
  return loadConfig<string>({
    environmentVariableSelector: ({ AWS_REGION, AWS_DEFAULT_REGION }) =>
      AWS_REGION || AWS_DEFAULT_REGION || undefined,
    configFileSelector: ({ region }) => region || undefined,
    default: () => {
      throw new UsageError(
        "no AWS region is known: give --region, set AWS_REGION or AWS_DEFAULT_REGION, or give the profile a region",
      );
    },
  });
}

function regionOf(text: string | undefined): string | undefined {
  return /^(?:arn:[^:]+:[^:]+:|https:\/\/sqs\.)([a-z]{2}-[a-z0-9-]+\d)[:.]/.exec(text ?? "")?.[1];
}
