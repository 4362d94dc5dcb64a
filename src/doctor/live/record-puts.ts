import { type Digest, digestOf } from '../../domain/digest.ts';
import type { RegistryClient } from '../../registry/registry-client.ts';

/** A manifest that was pushed, or may have been: the answer can be lost. */
export interface Put {
  /** The tag or digest that it was pushed by. */
  readonly reference: string;
  readonly digest: Digest;
  answer?: { readonly at: Date; readonly ociSubject: Digest | undefined };
}

export interface RecordedClient {
  readonly client: RegistryClient;
  /** Oldest first. */
  readonly puts: readonly Put[];
}

/** Remembers every manifest before it is sent, so that all can be taken away again, and what the registry answered. */
export function recordPuts(client: RegistryClient, now: () => Date): RecordedClient {
  const puts: Put[] = [];
  return {
    puts,
    client: {
      ...client,
      async putManifest(repository, reference, mediaType, bytes, options) {
        const put: Put = { reference, digest: digestOf(bytes) };
        puts.push(put);
        const answer = await client.putManifest(repository, reference, mediaType, bytes, options);
        put.answer = { at: now(), ociSubject: answer.ociSubject };
        return answer;
      },
    },
  };
}
