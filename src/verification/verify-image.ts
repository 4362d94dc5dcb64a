import type { Format } from '../domain/algorithm.ts';
import type { Descriptor } from '../domain/descriptor.ts';
import type { Binding, SignatureFormat } from '../formats/signature-format.ts';
import type { SignatureStores } from '../ports/signature-store.ts';
import { findListedSignature, type SignatureFinding } from './find-signature.ts';
import { listOnce } from './list-once.ts';
import type { KeyTrust } from './trust.ts';

/** One signature that an image should bear. */
export interface Expectation {
  /** Name of the rule that demands it. */
  readonly rule: string;
  readonly format: SignatureFormat;
  readonly binding: Binding;
  readonly trust: KeyTrust;
}

export interface ExpectationResult extends SignatureFinding {
  readonly rule: string;
  readonly format: Format;
  readonly keyName: string;
  readonly binding: Binding;
}

export interface VerifyImageOptions {
  readonly stores: SignatureStores;
  /** Without host. */
  readonly repository: string;
  /** The image as resolved. */
  readonly subject: Descriptor;
  readonly expectations: readonly Expectation[];
  readonly now: Date;
}

/**
 * Holds an image against what the rules demand of it: one result an expectation, in their order; fulfilled where `found` is set.
 * Each place is listed once. A signature that ends soon is valid today.
 * @throws AutosignError as `findListedSignature`
 */
export async function verifyImage(options: VerifyImageOptions): Promise<readonly ExpectationResult[]> {
  const { stores, repository, subject, expectations, now } = options;
  const list = listOnce(stores, repository, subject.digest);
  const results: ExpectationResult[] = [];
  for (const { rule, format, binding, trust } of expectations) {
    const finding = await findListedSignature({
      store: stores[format.place],
      format,
      repository,
      subject,
      binding,
      trust,
      now,
      outliveMs: 0,
      listed: await list(format.place),
    });
    results.push({ rule, format: format.name, keyName: trust.keyName, binding, ...finding });
  }
  return results;
}
