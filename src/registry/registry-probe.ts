import type { Digest } from '../domain/digest.ts';
import {
  type CallOptions,
  deleteScope,
  pushScope,
  type RegistryContext,
  referenceText,
  refusal,
  repositoryUrl,
} from './exchange.ts';
import { resolveOnSameOrigin } from './target-check.ts';

/** For whoever looks for faults: questions that change nothing, and taking away again what was pushed to find out. */
export interface ProbeOperations {
  /** The `Date` of an answer to `/v2/`, whatever its status; undefined when there is none or it is no date. */
  readDate(options?: CallOptions): Promise<Date | undefined>;
  /**
   * Opens an upload in `repository` and cancels it (distribution-spec, "Pushing blobs" and "Cancel a blob upload").
   * @returns whether it was cancelled; if not, the registry drops it after a while
   * @throws AutosignError `registry-denied` without the right to push
   */
  tryPush(repository: string, options?: CallOptions): Promise<{ readonly cancelled: boolean }>;
  /**
   * Deletes a manifest, with all tags that point at it (distribution-spec, "Content Management").
   * @returns whether there was one
   * @throws AutosignError `registry-denied`; `registry-protocol` where a registry deletes nothing
   */
  deleteManifest(repository: string, digest: Digest, options?: CallOptions): Promise<boolean>;
}

export function createProbe(context: RegistryContext): ProbeOperations {
  const { limits, send, sendUnauthorized } = context;
  const bytesMax = limits.errorBytesMax;

  return {
    async readDate({ signal } = {}) {
      const about = `GET ${context.host}/v2/`;
      const url = new URL('/v2/', context.origin);
      const answer = await sendUnauthorized({ method: 'GET', url, about, bytesMax, signal });
      const ms = Date.parse(answer.header('date') ?? '');
      return Number.isNaN(ms) ? undefined : new Date(ms);
    },

    async tryPush(repository, { signal } = {}) {
      const about = `POST ${context.host}/${repository} (an upload that is cancelled)`;
      const url = repositoryUrl(context, repository, 'blobs/uploads/');
      const scope = pushScope(repository);
      const opened = await send({ method: 'POST', url, about, bytesMax, signal, once: true }, scope);
      if (opened.status !== 202) throw refusal(opened, about);
      const location = opened.header('location');
      if (location === undefined) return { cancelled: false };
      const target = resolveOnSameOrigin(location, url, about);
      const ending = { method: 'DELETE', url: target, about, bytesMax, signal, once: true } as const;
      const answer = await send(ending, scope);
      return { cancelled: answer.status >= 200 && answer.status < 300 };
    },

    async deleteManifest(repository, digest, { signal } = {}) {
      const about = `DELETE ${referenceText(context, repository, digest)}`;
      const url = repositoryUrl(context, repository, `manifests/${digest}`);
      const answer = await send({ method: 'DELETE', url, about, bytesMax, signal }, deleteScope(repository));
      if (answer.status === 404) return false;
      if (answer.status < 200 || answer.status >= 300) throw refusal(answer, about);
      return true;
    },
  };
}
