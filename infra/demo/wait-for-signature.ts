import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '../../src/domain/digest.ts';

export interface SignatureQuery {
  /** `127.0.0.1:PORT` of a registry without the referrers API. */
  readonly host: string;
  readonly repository: string;
  readonly authorization?: string;
  readonly subject: Digest;
  readonly timeoutMs: number;
}

/** Looks at the fallback tag of an image (distribution-spec, "Referrers tag schema") until it lists a signature. */
export async function waitForSignature(
  query: SignatureQuery,
): Promise<{ readonly digest: string; readonly manifest: string }> {
  const giveUpAt = Date.now() + query.timeoutMs;
  for (;;) {
    const index = await getManifest(query, query.subject.replace(':', '-'));
    const [first] = index === undefined ? [] : (JSON.parse(index).manifests as { readonly digest: string }[]);
    if (first !== undefined) return { digest: first.digest, manifest: pretty(await getManifest(query, first.digest)) };
    if (Date.now() > giveUpAt)
      throw new Error(
        `no signature of ${query.subject} within ${query.timeoutMs} ms; see the worker's log with --keep`,
      );
    await sleep(20);
  }
}

async function getManifest(
  { host, repository, authorization }: SignatureQuery,
  reference: string,
): Promise<string | undefined> {
  const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
  const headers = { accept, ...(authorization !== undefined && { authorization }) };
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${reference}`, { headers });
  const text = await answer.text();
  if (answer.status === 404) return undefined;
  if (!answer.ok) throw new Error(`the registry answered ${answer.status}: ${text}`);
  return text;
}

function pretty(manifest: string | undefined): string {
  return JSON.stringify(JSON.parse(manifest ?? 'null'), null, 2);
}
