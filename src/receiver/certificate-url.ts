// No name of EventBridge's certificates is a quarter as long: x509_public_certificate_<date and number>.pem.
const lengthMax = 256;
// Nothing that a URL parser would change: no escapes, no "..", no query, no fragment.
const pathPattern = /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/)*[A-Za-z0-9_-][A-Za-z0-9._-]*\.pem$/;

/**
 * The URL of a signing certificate of EventBridge, or undefined for all else. Held against the one origin of the region
 * letter by letter and before anything parses it: other customers own other hosts below `aliyuncs.com`, and the key that
 * is found there is believed.
 * https://help.aliyun.com/en/eventbridge/user-guide/signature-algorithm
 * @param region id of the region whose EventBridge delivers, like `cn-hangzhou`
 */
export function readCertificateUrl(text: string, region: string): URL | undefined {
  const base = `https://${region}-eventbridge.oss-accelerate.aliyuncs.com/`;
  if (text.length > lengthMax || !text.startsWith(base)) return undefined;
  return pathPattern.test(text.slice(base.length)) ? new URL(text) : undefined;
}
