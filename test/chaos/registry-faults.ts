import type { ErrorCode } from '../../src/domain/errors.ts';
import { corrupted, type Fault, type ProxiedRequest, throttled, truncatedTo } from './fault.ts';

/** Which of a job's requests a fault strikes. */
export const places = {
  'the tag': ({ method, path }) => method === 'GET' && path.endsWith('/manifests/v1'),
  'the list of referrers': ({ method, path }) => method === 'GET' && /\/referrers\/|\/manifests\/sha256-/.test(path),
  'an upload': ({ method, path }) => method !== 'GET' && path.includes('/blobs/uploads/'),
  'the signature': ({ method, path }) => method === 'PUT' && path.includes('/manifests/sha256:'),
  'the signature read back': ({ method, path }) => method === 'GET' && path.includes('/manifests/sha256:'),
  'the envelope read back': ({ method, path }) => method === 'GET' && path.includes('/blobs/sha256:'),
} as const satisfies Readonly<Record<string, (request: ProxiedRequest) => boolean>>;
type Place = keyof typeof places;

/** What a registry does wrong, where, and how the job that meets it ends. */
export interface RegistryFault {
  readonly name: string;
  readonly fault: Fault;
  readonly at: readonly Place[];
  readonly next: 'retry' | 'give-up';
  readonly code: ErrorCode;
  readonly message: RegExp;
}

const everywhere = Object.keys(places) as readonly Place[];
const writes = ['an upload', 'the signature'] as const;
const mebibyte = 1024 * 1024;

function refusal(status: number, code: string): Fault {
  return { kind: 'answer', status, body: JSON.stringify({ errors: [{ code, message: 'no' }] }) };
}

const garbage: Fault = {
  kind: 'answer',
  status: 200,
  headers: { 'content-type': 'text/html' },
  body: '<html><body>Login to the hotel network</body></html>',
};

/** A list of so many signatures of others, well formed. */
function listOf(count: number): Fault {
  const manifests = Array.from({ length: count }, (_, index) => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${index.toString(16).padStart(64, '0')}`,
    size: 700,
    artifactType: 'application/vnd.example.scan.v1+json',
  }));
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const body = JSON.stringify({ schemaVersion: 2, mediaType, manifests });
  return { kind: 'answer', status: 200, headers: { 'content-type': mediaType }, body };
}

/**
 * `retry` ends well by itself when the fault is over, `give-up` when somebody sends the dead letter again. An answer
 * may mean different things in different places, as 404 does.
 */
export const registryFaults: readonly RegistryFault[] = [
  {
    name: '401 without a challenge',
    fault: refusal(401, 'UNAUTHORIZED'),
    at: everywhere,
    next: 'give-up',
    code: 'registry-denied',
    message: /answered 401 \(UNAUTHORIZED\); give the login of this registry the right to this repository/,
  },
  {
    name: '403',
    fault: refusal(403, 'DENIED'),
    at: everywhere,
    next: 'give-up',
    code: 'registry-denied',
    message: /answered 403 \(DENIED\); give the login of this registry the right to this repository/,
  },
  {
    name: '404 to what is pushed',
    fault: refusal(404, 'NAME_UNKNOWN'),
    at: writes,
    next: 'give-up',
    code: 'not-found',
    message: /answered 404 \(NAME_UNKNOWN\)/,
  },
  {
    name: '404 of the signature that it lists',
    fault: refusal(404, 'MANIFEST_UNKNOWN'),
    at: ['the signature read back', 'the envelope read back'],
    next: 'retry',
    code: 'referrers-incomplete',
    message: /lists the signature sha256:[0-9a-f]{64}, which is gone.*remove it from the list/,
  },
  {
    name: '429 with Retry-After',
    fault: throttled(30),
    at: everywhere,
    next: 'retry',
    code: 'registry-throttled',
    message: /answered 429 \(too many requests\); try again later/,
  },
  {
    name: '500',
    fault: refusal(500, 'UNKNOWN'),
    at: everywhere,
    next: 'retry',
    code: 'registry-unreachable',
    message: /answered 500; try again later/,
  },
  {
    name: 'garbage',
    fault: garbage,
    at: ['the tag'],
    next: 'retry',
    code: 'registry-protocol',
    message: /the answer is no JSON object/,
  },
  // A 200 that stored nothing; a manifest that is taken is answered with 201.
  {
    name: 'garbage as if it had stored',
    fault: garbage,
    at: ['the signature'],
    next: 'retry',
    code: 'registry-protocol',
    message: /PUT .*@sha256:[0-9a-f]{64}: the registry answered 200/,
  },
  {
    name: 'garbage for the envelope',
    fault: garbage,
    at: ['the envelope read back'],
    next: 'retry',
    code: 'digest-mismatch',
    message: /got sha256:[0-9a-f]{64} of 52 bytes/,
  },
  {
    name: 'a connection cut in the headers',
    fault: { kind: 'cut', at: 'headers' },
    at: everywhere,
    next: 'retry',
    code: 'registry-unreachable',
    message: /no answer \(.*\); check host, network and TLS/,
  },
  {
    name: 'a connection cut in the body',
    fault: { kind: 'cut', at: 'body', afterBytes: 20 },
    at: ['the tag', 'the signature read back', 'the envelope read back'],
    next: 'retry',
    code: 'registry-unreachable',
    message: /no answer \(.*\); check host, network and TLS/,
  },
  {
    name: 'a manifest of 5 MiB',
    fault: { kind: 'rewrite', body: (body) => Buffer.concat([body, Buffer.alloc(5 * mebibyte, ' ')]) },
    at: ['the tag'],
    next: 'give-up',
    code: 'too-large',
    message: /more than 4194304 bytes/,
  },
  {
    name: 'bytes that differ from their digest',
    fault: corrupted,
    at: ['the tag', 'the signature read back', 'the envelope read back'],
    next: 'retry',
    code: 'digest-mismatch',
    message: /sha256:[0-9a-f]{64}/,
  },
  {
    name: 'a list of referrers cut in half',
    fault: truncatedTo(40),
    at: ['the list of referrers'],
    next: 'retry',
    code: 'referrers-incomplete',
    message: /the list of referrers cannot be read|fallback index .* cannot be read/,
  },
  {
    name: '10,000 foreign referrers',
    fault: listOf(10_000),
    at: ['the list of referrers'],
    next: 'retry',
    code: 'referrers-incomplete',
    message: /more than 2000 referrers/,
  },
  {
    name: 'a list of referrers without an end',
    fault: { kind: 'rewrite', body: () => Buffer.alloc(5 * mebibyte, ' ') },
    at: ['the list of referrers'],
    next: 'retry',
    code: 'referrers-incomplete',
    message: /too large|cannot be read: .*more than 4194304 bytes/,
  },
  {
    name: 'headers without an end',
    fault: { kind: 'answer', status: 401, headers: { 'www-authenticate': `Bearer realm="${'x'.repeat(64 * 1024)}"` } },
    at: ['the tag', ...writes],
    next: 'retry',
    code: 'registry-protocol',
    message: /the answer is not HTTP/,
  },
];
