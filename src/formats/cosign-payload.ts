import { z } from 'zod';
import type { Digest } from '../domain/digest.ts';
import { digestSchema } from './descriptor-schema.ts';
import { readJson } from './read-json.ts';
import type { Binding } from './signature-format.ts';

/** cosign takes other words too; containers/image (Podman, CRI-O) does not. */
const payloadType = 'cosign container image signature';

const payloadSchema = z.looseObject({
  critical: z.looseObject({
    identity: z.looseObject({ 'docker-reference': z.string() }),
    image: z.looseObject({ 'docker-manifest-digest': digestSchema }),
    type: z.literal(payloadType),
  }),
});

export interface CosignPayload {
  readonly digest: Digest;
  /** Undefined when the payload is not, to the byte, that of one of our modes. */
  readonly binding: Binding | undefined;
}

/**
 * The bytes that are signed, exactly as cosign writes them (sigstore/cosign, specs/SIGNATURE_SPEC.md, "Payloads"): the
 * same for the same image and binding at any time. In mode `default` the reference has the tag, which Podman holds
 * against the tag that is pulled (containers-policy.json.5, `matchRepoDigestOrExact`).
 */
export function buildCosignPayload(digest: Digest, binding: Binding): Uint8Array {
  if (binding.repository === undefined) throw new Error('a cosign payload names the repository in every mode');
  const reference = binding.mode === 'default' ? `${binding.repository}:${binding.tag}` : binding.repository;
  const critical = {
    identity: { 'docker-reference': reference },
    image: { 'docker-manifest-digest': digest },
    type: payloadType,
  };
  return new TextEncoder().encode(JSON.stringify({ critical, optional: null }));
}

/** @throws AutosignError `manifest-invalid` */
export function readCosignPayload(bytes: Uint8Array): CosignPayload {
  const { critical } = readJson(bytes, 'payload', payloadSchema);
  const digest = critical.image['docker-manifest-digest'];
  const binding = bindingOf(critical.identity['docker-reference']);
  // What says more, or says it otherwise, may be a condition that somebody relies on, so it is another binding.
  const isOurs = binding !== undefined && Buffer.compare(buildCosignPayload(digest, binding), bytes) === 0;
  return { digest, binding: isOurs ? binding : undefined };
}

/** `host/repository` or `host/repository:tag`; the host may have a port. */
function bindingOf(reference: string): Binding | undefined {
  const slash = reference.lastIndexOf('/');
  const colon = reference.indexOf(':', slash);
  if (slash < 0) return undefined;
  if (colon < 0) return { mode: 'minimal', repository: reference };
  return { mode: 'default', repository: reference.slice(0, colon), tag: reference.slice(colon + 1) };
}
