import { AutosignError } from '../domain/errors.ts';
import { type Clock, systemClock } from '../ports/clock.ts';
import { createDefaultChain } from './alibaba-sdk.ts';
import { expirationBehind } from './chain-expiration.ts';
import type { CredentialsSource, StsCredentials } from './sts-credentials.ts';

const sources =
  'the environment (ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET), OIDC (ALIBABA_CLOUD_ROLE_ARN, ' +
  'ALIBABA_CLOUD_OIDC_PROVIDER_ARN and ALIBABA_CLOUD_OIDC_TOKEN_FILE), ~/.aliyun/config.json, ~/.alibabacloud/credentials, ' +
  'the RAM role of this ECS instance, ALIBABA_CLOUD_CREDENTIALS_URI';

/** The call that they are for must arrive while they count. */
const lastMinuteMs = 60_000;

/**
 * The identity that the process itself has, by the default chain of Alibaba's credentials library, which reads the
 * environment (https://github.com/aliyun/credentials-nodejs, "Default credential provider chain"). What is over by
 * `clock` is never given, though the library goes on with it when its source does not answer.
 */
export function createBaseCredentials(clock: Clock = systemClock): CredentialsSource {
  let chain: ReturnType<typeof createDefaultChain> | undefined;
  let inFlight: Promise<StsCredentials> | undefined;

  async function ask(): Promise<StsCredentials> {
    // Held here: whoever forgets it meanwhile must not make what it answers a secret without an end.
    chain ??= createDefaultChain();
    const asked = chain;
    const { accessKeyId, accessKeySecret, securityToken } = await asked.getCredential();
    if (!accessKeyId || !accessKeySecret) throw new Error('the source answered an empty access key');
    return {
      accessKeyId,
      accessKeySecret,
      securityToken: securityToken || undefined,
      // A permanent key has no end, whatever a profile that was read before it had.
      expiration: securityToken ? expirationBehind(asked) : undefined,
    };
  }

  async function read(): Promise<StsCredentials> {
    try {
      const isOver = ({ expiration }: StsCredentials) =>
        expiration !== undefined && expiration.getTime() - lastMinuteMs <= clock.now().getTime();
      const found = await ask();
      if (!isOver(found)) return found;
      // A source that did not answer leaves the library with what it had: a new chain has nothing to fall back to.
      chain = undefined;
      const again = await ask();
      if (isOver(again)) throw new Error(over);
      return again;
    } catch (error) {
      // A chain remembers the last provider it tried, even when that one failed too: only a new chain looks everywhere again.
      chain = undefined;
      throw new AutosignError(
        'credentials-missing',
        `The worker has no identity of its own${hintsOf(error)}. Tried: ${sources}. Set one of them.`,
        { cause: new Error('The text of the credentials library is withheld: it may quote credential files') },
      );
    }
  }

  return {
    credentials() {
      // The library asks once per caller while it has nothing yet.
      inFlight ??= read().finally(() => {
        inFlight = undefined;
      });
      return inFlight;
    },
    forget() {
      // The providers keep what they have found for as long as they live: files are read again by a new chain only.
      chain = undefined;
    },
  };
}

const over = 'the source gives credentials that are over; check it, and this machine’s clock';

/** The parts of the library's message that say what went wrong and cannot be a secret. */
function hintsOf(error: unknown): string {
  const message = error instanceof Error ? error.message : '';
  if (message === over) return ` (${over})`;
  const hints = message.matchAll(
    /"Code"\s*:\s*"([A-Za-z.]{1,60})"|\b(ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EACCES)\b|httpStatus: (\d{3})/g,
  );
  const found = [...new Set([...hints].map((hint) => hint[1] ?? hint[2] ?? `HTTP ${hint[3]}`))];
  return found.length === 0 ? '' : ` (${found.join(', ')})`;
}
