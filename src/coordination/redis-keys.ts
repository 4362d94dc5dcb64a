import type { TaggedImage } from '../ports/baseline.ts';

/** The hash of the pushes that are under way in one registry. */
export function marksKey(prefix: string, registry: string): string {
  return `${prefix}:pushed:${registry}`;
}

/** Neither repository names nor tags hold a colon, so the field is unambiguous. */
export function markField(image: Pick<TaggedImage, 'repository' | 'tag'>): string {
  return `${image.repository}:${image.tag}`;
}
