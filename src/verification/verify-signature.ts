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
  const version = trust.versions.find((candidate) => isBy(candidate, signature));
  if (version === undefined) return refuse('untrusted', `no version of key ${trust.keyName} that counts made it`);
  if (!signature.isSignedBy(version.publicKey)) {
    return refuse('bad-signature', `it names a certificate of key ${trust.keyName}, but the key did not sign it`);
  }
  if (!isSameSubject(signature.subject, subject)) {
    const { digest, mediaType, size } = signature.subject;
    return refuse(
      'other-subject',
      `it is for ${digest}${mediaType === undefined ? '' : ` (${mediaType}, ${size} bytes)`}`,
    );
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
  const { notBefore, notAfter } = version;
  if (notBefore !== undefined && now < notBefore) {
    return refuse('not-yet-valid', `its certificate begins on ${notBefore.toISOString()}`);
  }
  if (notAfter !== undefined && now > notAfter) {
    return refuse('expired', `its certificate ended on ${notAfter.toISOString()}`);
  }
  if (expiry !== undefined && now >= expiry) return refuse('expired', `it expired on ${expiry.toISOString()}`);
  const deadline = now.getTime() + outliveMs;
  if (expiry !== undefined && expiry.getTime() < deadline) {
    return refuse('ends-soon', `it expires on ${expiry.toISOString()}`);
  }
  if (version !== trust.versions[0] && notAfter !== undefined && notAfter.getTime() < deadline) {
    return refuse('ends-soon', `its certificate, an earlier one, ends on ${notAfter.toISOString()}`);
  }
  return undefined;
}

function refuse(reason: Refusal, message: string): Verdict {
  return { valid: false, reason, message };
}

/** A signature with certificates names who made it; of one without, only a key that verifies it tells. */
function isBy({ chain, publicKey }: TrustedVersion, signature: ParsedSignature): boolean {
  const { certificateChain } = signature;
  return certificateChain.length === 0 ? signature.isSignedBy(publicKey) : isSameChain(chain, certificateChain);
}

function isSameChain(trusted: readonly Uint8Array[], found: readonly Uint8Array[]): boolean {
  return (
    trusted.length > 0 &&
    trusted.length === found.length &&
    trusted.every((certificate, index) => Buffer.compare(certificate, found[index] ?? new Uint8Array()) === 0)
  );
}

function isSameSubject(found: ParsedSignature['subject'], subject: Descriptor): boolean {
  const { mediaType = subject.mediaType, size = subject.size } = found;
  return found.digest === subject.digest && mediaType === subject.mediaType && size === subject.size;
}

function isSameBinding(found: Binding | undefined, demanded: Binding): boolean {
  if (found?.repository !== demanded.repository) return false;
  if (demanded.mode === 'minimal') return found?.mode === 'minimal';
  return found?.mode === 'default' && found.tag === demanded.tag;
}

function describeBinding(binding: Binding | undefined): string {
  if (binding === undefined) return 'something else';
  if (binding.mode === 'default') return `${binding.repository}:${binding.tag}`;
  return binding.repository === undefined ? 'the digest alone' : binding.repository;
}
