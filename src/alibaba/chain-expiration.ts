import { z } from 'zod';

/** Providers wrap providers: the default chain the one that answered, a profile the one that it describes. */
const providersDeepMax = 5;

// The library tells no caller when credentials end (@alicloud/credentials 2.4.7, CredentialModel), though every provider
// of temporary ones keeps the answer of its source. These are its private fields, so their absence is no error: then the
// end stays unknown, and the service that refuses the credentials is the one who tells.
const Client = z.object({ credential: z.object({ provider: z.unknown() }) });
const Provider = z.object({
  lastUsedProvider: z.unknown().optional(),
  innerProvider: z.unknown().optional(),
  /** The command of a profile in mode External writes `expiration` too. */
  session: z.object({ expiration: z.string().optional() }).optional().catch(undefined),
});

/** When what `client`, a client of Alibaba's credentials library, gave out last ends; undefined when that cannot be told. */
export function expirationBehind(client: unknown): Date | undefined {
  let candidate: unknown = Client.safeParse(client).data?.credential.provider;
  for (let depth = 0; depth < providersDeepMax; depth += 1) {
    const provider = Provider.safeParse(candidate).data;
    if (provider === undefined) return undefined;
    const text = provider.session?.expiration;
    if (text !== undefined) return validDate(text);
    candidate = provider.lastUsedProvider ?? provider.innerProvider;
  }
  return undefined;
}

function validDate(text: string): Date | undefined {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
