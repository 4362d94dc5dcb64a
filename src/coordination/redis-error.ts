import { AutosignError } from '../domain/errors.ts';

/** Runs one exchange with Redis; what Redis or the connection refuses becomes `redis-unreachable`. */
export async function askRedis<T>(what: string, exchange: () => Promise<T>): Promise<T> {
  try {
    return await exchange();
  } catch (cause) {
    if (cause instanceof AutosignError) throw cause;
    throw new AutosignError('redis-unreachable', `Redis did not ${what}. Check AUTOSIGN_REDIS_URL and the server.`, {
      cause,
    });
  }
}
