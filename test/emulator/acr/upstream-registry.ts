import { z } from 'zod';

/** The real registry behind an instance, asked directly: what it holds is what the instance has. */
export interface UpstreamRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  repositories(): Promise<readonly string[]>;
  /** Sorted; none for a repository that is not there. */
  tags(repository: string): Promise<readonly string[]>;
  /** `sha256:…`; undefined for what is not there. */
  digestOf(repository: string, reference: string): Promise<string | undefined>;
  /** What the manifest with this digest says about its image. */
  details(repository: string, digest: string): Promise<ImageDetails>;
}

interface ImageDetails {
  /** Hex of the configuration's digest; of the manifest's own for an index, which has none. */
  readonly imageId: string;
  /** Sum of the layers, in bytes. */
  readonly size: number;
}

const accept = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');

const Catalog = z.object({ repositories: z.array(z.string()).nullish() });
const TagList = z.object({ tags: z.array(z.string()).nullish() });
const Manifest = z.object({
  config: z.object({ digest: z.string() }).optional(),
  layers: z.array(z.object({ size: z.number() })).default([]),
});

/** More than a test has. The registry with the referrers API knows no second page and takes `n` as the end. */
const pageSize = 1_000;
const pagesMax = 100;

export function createUpstreamRegistry(host: string): UpstreamRegistry {
  const known = new Map<string, ImageDetails>();
  const get = (path: string, method = 'GET') =>
    fetch(new URL(path, `http://${host}`), { method, headers: { accept }, redirect: 'error' });

  async function pages(path: string, read: (body: unknown) => readonly string[]): Promise<string[]> {
    const names = new Set<string>();
    let next: string | undefined = `${path}?n=${pageSize}`;
    for (let page = 0; next !== undefined && page < pagesMax; page += 1) {
      const answer: Response = await get(next);
      const body: unknown = await answer.json();
      if (answer.status === 404) break;
      if (answer.status !== 200) throw new Error(`the real registry answered ${answer.status} to ${path}`);
      for (const name of read(body)) names.add(name);
      next = /<([^>]+)>;\s*rel="?next/.exec(answer.headers.get('link') ?? '')?.[1];
    }
    return [...names].sort();
  }

  return {
    host,
    repositories: () => pages('/v2/_catalog', (body) => Catalog.parse(body).repositories ?? []),
    tags: (repository) => pages(`/v2/${repository}/tags/list`, (body) => TagList.parse(body).tags ?? []),
    async digestOf(repository, reference) {
      const answer = await get(`/v2/${repository}/manifests/${reference}`, 'HEAD');
      return answer.status === 200 ? (answer.headers.get('docker-content-digest') ?? undefined) : undefined;
    },
    async details(repository, digest) {
      const found = known.get(digest);
      if (found !== undefined) return found;
      const answer = await get(`/v2/${repository}/manifests/${digest}`);
      const manifest = Manifest.parse(await answer.json());
      const imageId = hexOf(manifest.config?.digest ?? digest);
      const details = { imageId, size: manifest.layers.reduce((sum, layer) => sum + layer.size, 0) };
      known.set(digest, details);
      return details;
    },
  };
}

/** A digest as the OpenAPI writes it: without its algorithm. */
export function hexOf(digest: string): string {
  return digest.replace(/^sha256:/, '');
}
