import type { Descriptor } from '../domain/descriptor.ts';
import type { Digest } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { mediaTypes } from '../domain/media-types.ts';
import {
  type CallOptions,
  pullScope,
  type RegistryContext,
  referenceText,
  refusal,
  repositoryUrl,
} from './exchange.ts';
import { nextLink } from './link-header.ts';
import { readReferrersIndex } from './referrers-index.ts';
import { resolveOnSameOrigin } from './target-check.ts';
import type { HttpAnswer } from './transport.ts';

export interface ReferrersOperations {
  /**
   * All pages of the referrers API, unfiltered: registries disagree on what an artifact type is.
   * @throws AutosignError `referrers-incomplete` when the list is cut off, too long or unreadable
   */
  getReferrers(
    repository: string,
    subject: Digest,
    options?: CallOptions,
  ): Promise<{ readonly supported: boolean; readonly referrers: readonly Descriptor[] }>;
}

export function createReferrers(context: RegistryContext): ReferrersOperations {
  const { limits, send } = context;

  return {
    async getReferrers(repository, subject, options = {}) {
      const about = `GET referrers of ${referenceText(context, repository, subject)}`;
      const incomplete = (reason: string, cause?: unknown): AutosignError =>
        new AutosignError('referrers-incomplete', `${about}: ${reason}`, { cause });
      const found = new Map<Digest, Descriptor>();
      let url = repositoryUrl(context, repository, `referrers/${subject}`);
      for (let page = 0; page < limits.referrersPagesMax; page += 1) {
        const headers = { accept: mediaTypes.ociIndex };
        const answer = await send(
          { method: 'GET', url, headers, about, bytesMax: limits.listBytesMax, signal: options.signal },
          pullScope(repository),
        ).catch((error: unknown) => {
          throw isAutosignError(error, 'too-large') ? incomplete('a page is too large', error) : error;
        });
        if (!isReferrersList(answer)) {
          if (page > 0) throw incomplete(`page ${page + 1} is missing (${answer.status})`);
          if (isWithoutApi(answer)) return { supported: false, referrers: [] };
          throw refusal(answer, about);
        }
        for (const referrer of readReferrersIndex(answer.bytes, about)) found.set(referrer.digest, referrer);
        if (found.size > limits.referrersMax) throw incomplete(`more than ${limits.referrersMax} referrers`);
        const next = nextLink(answer.header('link'));
        if (next === undefined) return { supported: true, referrers: [...found.values()] };
        url = resolveOnSameOrigin(next, url, about);
      }
      throw incomplete(`more than ${limits.referrersPagesMax} pages`);
    },
  };
}

function isReferrersList(answer: HttpAnswer): boolean {
  const mediaType = answer.header('content-type')?.split(';', 1)[0]?.trim();
  return answer.status === 200 && mediaType === mediaTypes.ociIndex;
}

/**
 * A registry with the API never answers 404. Those without it also answer 400, 405 or 406, or 200 with something that
 * is no index; oras-go and go-containerregistry, on which the verifiers rest, then turn to the fallback tag likewise.
 */
function isWithoutApi(answer: HttpAnswer): boolean {
  return [200, 400, 404, 405, 406].includes(answer.status);
}
