import type { FastifyInstance } from 'fastify';
import { AutosignError } from '../domain/errors.ts';

export interface ListenOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The settings that name the address, for the error. */
  readonly settings: string;
}

/**
 * Listens, and gives `http://HOST:PORT` with the port it really has.
 * @throws AutosignError `settings-invalid` when the address cannot be listened on
 */
export async function listen(app: FastifyInstance, { host, port, settings }: ListenOptions): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'failed';
    throw new AutosignError(
      'settings-invalid',
      `${settings}: cannot listen on ${host} port ${port} (${code}). Choose another address or port.`,
      { cause },
    );
  }
}
