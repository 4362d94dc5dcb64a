import { z } from 'zod';
import type { Descriptor } from '../domain/descriptor.ts';
import { digestSchema } from './descriptor-schema.ts';
import { readJson } from './read-json.ts';
import type { Binding } from './signature-format.ts';

/** Content type of what is signed, the same in every envelope (notaryproject/specifications, signature-specification.md, "Payload"). */
export const payloadContentType = 'application/vnd.cncf.notary.payload.v1+json';

/** User metadata of mode `default`. Signed for good: verifiers name them, so they never change. */
const repositoryKey = 'autosign.repository';
const tagKey = 'autosign.tag';

/** Other keys beside these are allowed by verifiers and say nothing to us. */
const payloadSchema = z.looseObject({
  targetArtifact: z.looseObject({
    mediaType: z.string().min(1),
    digest: digestSchema,
    size: z.int().nonnegative(),
    annotations: z.record(z.string(), z.string()).nullish(),
  }),
});

export interface NotationPayload {
  readonly subject: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>;
  /** Undefined when the user metadata is not exactly that of one of our modes. */
  readonly binding: Binding | undefined;
}

/** The JSON that is signed: media type, digest and size of the image, and in mode `default` its repository and tag. */
export function buildPayload(subject: Descriptor, binding: Binding): string {
  const { mediaType, digest, size } = subject;
  switch (binding.mode) {
    case 'minimal':
      return JSON.stringify({ targetArtifact: { mediaType, digest, size } });
    case 'default': {
      const annotations = { [repositoryKey]: binding.repository, [tagKey]: binding.tag };
      return JSON.stringify({ targetArtifact: { mediaType, digest, size, annotations } });
    }
  }
}

/** @throws AutosignError `manifest-invalid` */
export function readPayload(bytes: Uint8Array): NotationPayload {
  const { targetArtifact } = readJson(bytes, 'payload', payloadSchema);
  const { mediaType, digest, size, annotations } = targetArtifact;
  return { subject: { mediaType, digest, size }, binding: bindingOf(annotations ?? {}) };
}

function bindingOf(metadata: Readonly<Record<string, string>>): Binding | undefined {
  const names = Object.keys(metadata);
  if (names.length === 0) return { mode: 'minimal' };
  const repository = metadata[repositoryKey];
  const tag = metadata[tagKey];
  // One entry more may be a condition that somebody relies on, so it is another binding.
  if (names.length !== 2 || repository === undefined || tag === undefined) return undefined;
  return { mode: 'default', repository, tag };
}
