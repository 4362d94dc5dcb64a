import type { TaggedImage } from '../ports/baseline.ts';

/** `registry/repository:tag`. Registries hold no slash, repositories and tags no colon, so it is unambiguous. */
export function nameOfImage({ registry, repository, tag }: TaggedImage): string {
  return `${registry}/${repository}:${tag}`;
}

/** The image of a name that `nameOfImage` made. */
export function imageOfName(name: string): TaggedImage {
  const [slash, colon] = [name.indexOf('/'), name.lastIndexOf(':')];
  return { registry: name.slice(0, slash), repository: name.slice(slash + 1, colon), tag: name.slice(colon + 1) };
}
