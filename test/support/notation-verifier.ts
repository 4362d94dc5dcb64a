import { startLineProgram } from './line-program.ts';

interface VerificationRequest {
  /** `host/repository@sha256:…` */
  readonly reference: string;
  /** Paths of PEM files with the trusted roots (or self-signed leaves). */
  readonly certificates: readonly string[];
  /** As a trust policy has them, such as `x509.subject: C=…,ST=…,O=…`; absent: `*`. */
  readonly trustedIdentities?: readonly string[];
  /** What the signature must bind besides the digest (`notation verify -m`). */
  readonly userMetadata?: Readonly<Record<string, string>>;
  /** How many signatures notation tries; absent: its default, 100. */
  readonly maxSignatures?: number;
}

interface Verification {
  readonly ok: boolean;
  /** notation's own words when not ok. */
  readonly error?: string;
  /** How many signatures notation lists for the image, good or bad. */
  readonly signatures: number;
  /** Media type of the image's manifest as the registry gave it; empty when it could not be resolved. */
  readonly mediaType: string;
  /** Media type of the accepted envelope. */
  readonly signatureMediaType?: string;
  /** The user metadata of the accepted signature. */
  readonly signedMetadata?: Readonly<Record<string, string>>;
}

export interface NotationVerifier {
  /** Asks notation-go at trust level strict. Rejected only when the program itself fails. */
  verify(request: VerificationRequest): Promise<Verification>;
  stop(): Promise<void>;
}

// The program gives up on a registry after 60 s; a little more, so that its reason is what a test shows.
const answerTimeoutMs = 70_000;

/** Starts the verifier program (`inject('verifierPath')`); it serves any number of requests, one after another. */
export async function startNotationVerifier(program: string): Promise<NotationVerifier> {
  const { ask, stop } = await startLineProgram<VerificationRequest, Verification>(program, answerTimeoutMs);
  return { verify: ask, stop };
}
