/**
 * Tags that hold signatures, attestations or the list of referrers of an image, never an image:
 * `sha256-<hex>` (distribution-spec, "Referrers tag schema") and cosign's `.sig`, `.att`, `.sbom`.
 */
const signatureTagPattern = /^sha256-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?$/;

/** Whether `tag` is one that signing tools write; such a tag is never signed. */
export function isSignatureTag(tag: string): boolean {
  return signatureTagPattern.test(tag);
}
