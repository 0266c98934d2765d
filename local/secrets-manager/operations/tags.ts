import { type Input, list, secretId, tagKeys, tags } from "../input";
import type { Store } from "../store";

export function tagResource(store: Store, input: Input): object {
  const given = list(input, "Tags") ?? [];
  const secret = store.getUsable(secretId(input));
  store.save({ ...secret, tags: tags(given, secret.tags ?? []), lastChangedAt: store.clock.now() });
  return {};
}

export function untagResource(store: Store, input: Input): object {
  const keys = tagKeys(input);
  const secret = store.getUsable(secretId(input));
  const kept = (secret.tags ?? []).filter((tag) => !keys.has(tag.Key));
  store.save({ ...secret, tags: kept, lastChangedAt: store.clock.now() });
  return {};
}
