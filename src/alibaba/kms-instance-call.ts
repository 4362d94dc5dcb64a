import { Agent, request } from 'undici';
import { AutosignError } from '../domain/errors.ts';
import { version } from '../domain/version.ts';
import type { OpenApiTimeouts } from './call-openapi.ts';
import { parseEndpoint } from './endpoint.ts';
import { instanceMeaningOf } from './kms-instance-failures.ts';
import { decodeMessage, instanceMessages } from './kms-instance-messages.ts';
import { type RequestSigningKey, signedHeaders } from './kms-instance-signature.ts';
import { keyFailures } from './openapi-failures.ts';
import { redact } from './redact.ts';

export interface InstanceGatewayOptions {
  /** `host[:port]`, or `http://` with a loopback address. */
  readonly endpoint: string;
  /** For messages. */
  readonly region: string | undefined;
  /** PEM of the only authorities that the endpoint's certificate may be signed by; undefined: those of the system. */
  readonly ca: string | undefined;
  readonly timeouts: OpenApiTimeouts;
}

interface InstanceCall {
  readonly apiName: string;
  /** The message of the request, encoded. */
  readonly body: Uint8Array;
  readonly clientKey: RequestSigningKey;
  readonly at: Date;
}

/** The crypto service of one KMS instance. */
export interface InstanceGateway {
  /** Host, port and region, for messages. */
  readonly name: string;
  /**
   * One call, sent once.
   * @returns the message of a successful answer, not yet decoded
   * @throws AutosignError with the meaning of the service's error code (kms-instance-failures.ts)
   */
  call(call: InstanceCall): Promise<Uint8Array>;
}

const { unreachable } = keyFailures;

/** A signature has 384 bytes, a public key in PEM below a thousand; error messages are short. */
const answerBytesMax = 65_536;
/** For as many calls at once as a worker runs jobs by default. */
const connectionsMax = 16;
const userAgent = `acr-autosign/${version}`;

/** @throws AutosignError `rules-invalid` for a bad endpoint */
export function openInstanceGateway({ endpoint, region, ca, timeouts }: InstanceGatewayOptions): InstanceGateway {
  const { protocol, host } = parseEndpoint(endpoint);
  const url = `${protocol}://${host}/`;
  const name = region === undefined ? host : `${host} in ${region}`;
  const agent = new Agent({
    // Said outright, because NODE_TLS_REJECT_UNAUTHORIZED=0 would otherwise turn the check of certificates off.
    connect: { timeout: timeouts.connectTimeoutMs, rejectUnauthorized: true, ...(ca !== undefined && { ca }) },
    connections: connectionsMax,
    headersTimeout: timeouts.readTimeoutMs,
    bodyTimeout: timeouts.readTimeoutMs,
    maxResponseSize: answerBytesMax,
    allowH2: false,
  });

  async function send(headers: Readonly<Record<string, string>>, body: Uint8Array) {
    // Between two bytes the client's own limits begin anew: this one does not.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), timeouts.connectTimeoutMs + timeouts.readTimeoutMs);
    try {
      const sent = { method: 'POST', headers, body, dispatcher: agent, signal: late.signal } as const;
      const answer = await request(url, sent);
      return { status: answer.statusCode, bytes: await answer.body.bytes() };
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    name,
    call: async ({ apiName, body, clientKey, at }) => {
      const headers = await signedHeaders(apiName, body, clientKey, at);
      const where = `${apiName} at ${name}`;
      const { status, bytes } = await send({ ...headers, 'user-agent': userAgent }, body).catch((error: unknown) => {
        throw noAnswer(where, error, ca);
      });
      if (status === 200) return bytes;
      throw refusal(where, apiName, status, bytes);
    },
  };
}

/** Names the cause by its code alone: messages of lower layers may quote what was sent. */
function noAnswer(where: string, error: unknown, ca: string | undefined): AutosignError {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const name = code ?? (error instanceof Error ? error.name : 'unknown error');
  return new AutosignError(unreachable.code, `${where}: no usable answer (${name}). ${adviceFor(name, ca)}`, {
    cause: new Error(`${name} (the rest of the text of the HTTP client is withheld)`),
  });
}

/** By the codes of OpenSSL and Node for certificates: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
function adviceFor(name: string, ca: string | undefined): string {
  if (name === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return "The certificate is for another host: write the instance's own host in endpoint.";
  if (!/CERT|ISSUER|VERIFY/.test(name)) return unreachable.advice;
  return ca === undefined
    ? 'The certificate of a KMS instance has an authority of its own: name it in caFile.'
    : 'The certificate of the endpoint is not of the authority in caFile: get the right one from the KMS console.';
}

/** The body says what was wrong, whatever the status; what cannot be read is a gateway's in between. */
function refusal(where: string, apiName: string, status: number, bytes: Uint8Array): AutosignError {
  const { ErrorCode, ErrorMessage, RequestId } = readError(bytes) ?? { ErrorCode: '', ErrorMessage: '', RequestId: '' };
  if (status < 400 || !/^[\w.]{1,100}$/.test(ErrorCode)) {
    return new AutosignError(unreachable.code, `${where}: unexpected HTTP status ${status}. ${unreachable.advice}`);
  }
  const meaning = instanceMeaningOf(ErrorCode, status, apiName);
  const requestId = redact(RequestId, []) || undefined;
  const answer = `${ErrorCode}, HTTP ${status}, RequestId ${requestId ?? 'none'} (${redact(ErrorMessage, [])})`;
  return new AutosignError(meaning.code, `${where}: ${answer}. ${meaning.advice}`, { requestId });
}

function readError(bytes: Uint8Array) {
  try {
    return decodeMessage(instanceMessages.Error, bytes);
  } catch {
    return undefined;
  }
}
