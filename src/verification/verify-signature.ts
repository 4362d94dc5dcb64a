import type { Descriptor } from '../domain/descriptor.ts';
import type { Binding, ParsedSignature } from '../formats/signature-format.ts';
import type { KeyTrust, TrustedVersion } from './trust.ts';

/** What a signature must be to count. */
export interface SignatureDemand {
  /** The image as resolved. */
  readonly subject: Descriptor;
  readonly binding: Binding;
  readonly trust: KeyTrust;
  readonly now: Date;
  /** How long an own expiry, or an older certificate, must outlive `now`, in milliseconds: `renewBefore`. */
  readonly outliveMs: number;
}

/** Why a signature does not count. */
export type Refusal =
  /** By no certificate of the trust. */
  | 'untrusted'
  /** Names a trusted certificate, but is not its key's over these bytes. */
  | 'bad-signature'
  | 'other-subject'
  | 'other-binding'
  | 'not-yet-valid'
  | 'expired'
  /** Valid today, and to be renewed. */
  | 'ends-soon';

export type Verdict =
  | { readonly valid: true; readonly version: TrustedVersion }
  | { readonly valid: false; readonly reason: Refusal; readonly message: string };

/**
 * Judges one parsed signature. Nothing it says is believed before a trusted key is seen to have signed it.
 *
 * A signature by the current version counts until its certificate ends: only when a newer certificate is configured,
 * and so the old one is no longer first in the trust, is it renewed `outliveMs` before that end.
 */
export function verifySignature(options: SignatureDemand & { readonly signature: ParsedSignature }): Verdict {
  const { signature, subject, binding, trust } = options;
  const version = trust.versions.find(({ chain }) => isSameChain(chain, signature.certificateChain));
  if (version === undefined) return refuse('untrusted', `no certificate of key ${trust.keyName} made it`);
  if (!signature.isSignedBy(version.publicKey)) {
    return refuse('bad-signature', `it names a certificate of key ${trust.keyName}, but the key did not sign it`);
  }
  if (!isSameSubject(signature.subject, subject)) {
    const { mediaType, digest, size } = signature.subject;
    return refuse('other-subject', `it is for ${digest} (${mediaType}, ${size} bytes)`);
  }
  if (!isSameBinding(signature.binding, binding)) {
    return refuse('other-binding', `it binds ${describeBinding(signature.binding)}, not ${describeBinding(binding)}`);
  }
  return refusalByTime(version, options) ?? { valid: true, version };
}

function refusalByTime(
  version: TrustedVersion,
  { signature, trust, now, outliveMs }: SignatureDemand & { readonly signature: ParsedSignature },
): Verdict | undefined {
  const { expiry } = signature;
  if (now < version.notBefore) {
    return refuse('not-yet-valid', `its certificate begins on ${version.notBefore.toISOString()}`);
  }
  if (now > version.notAfter) return refuse('expired', `its certificate ended on ${version.notAfter.toISOString()}`);
  if (expiry !== undefined && now >= expiry) return refuse('expired', `it expired on ${expiry.toISOString()}`);
  const deadline = now.getTime() + outliveMs;
  if (expiry !== undefined && expiry.getTime() < deadline) {
    return refuse('ends-soon', `it expires on ${expiry.toISOString()}`);
  }
  if (version !== trust.versions[0] && version.notAfter.getTime() < deadline) {
    return refuse('ends-soon', `its certificate, an earlier one, ends on ${version.notAfter.toISOString()}`);
  }
  return undefined;
}

function refuse(reason: Refusal, message: string): Verdict {
  return { valid: false, reason, message };
}

function isSameChain(trusted: readonly Uint8Array[], found: readonly Uint8Array[]): boolean {
  return (
    trusted.length > 0 &&
    trusted.length === found.length &&
    trusted.every((certificate, index) => Buffer.compare(certificate, found[index] ?? new Uint8Array()) === 0)
  );
}

function isSameSubject(found: ParsedSignature['subject'], subject: Descriptor): boolean {
  return found.mediaType === subject.mediaType && found.digest === subject.digest && found.size === subject.size;
}

function isSameBinding(found: Binding | undefined, demanded: Binding): boolean {
  if (demanded.mode === 'minimal') return found?.mode === 'minimal';
  return found?.mode === 'default' && found.repository === demanded.repository && found.tag === demanded.tag;
}

function describeBinding(binding: Binding | undefined): string {
  if (binding === undefined) return 'other user metadata';
  return binding.mode === 'minimal' ? 'the digest alone' : `${binding.repository}:${binding.tag}`;
}
