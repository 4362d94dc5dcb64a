import { z } from 'zod';
import { isDigest } from '../domain/digest.ts';
import { AutosignError, type ErrorCode } from '../domain/errors.ts';
import { isRepository, isTag } from '../domain/image-reference.ts';
import type { AuthorizedSend } from './authorization.ts';
import { parseJson } from './json.ts';
import type { RegistryLimits } from './registry-limits.ts';
import type { HttpAnswer, Send } from './transport.ts';

/** What every operation on one registry shares. */
export interface RegistryContext {
  readonly host: string;
  readonly origin: URL;
  readonly limits: RegistryLimits;
  readonly send: AuthorizedSend;
  /** For object storage that a registry redirects to: never with credentials. */
  readonly sendUnauthorized: Send;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called right before each time the request is sent, also again; what it throws is not sent. */
  readonly beforeSend?: (() => void) | undefined;
}

export const catalogScope = 'registry:catalog:*';

export function pullScope(repository: string): string {
  return `repository:${repository}:pull`;
}

export function pushScope(repository: string): string {
  return `repository:${repository}:pull,push`;
}

export function deleteScope(repository: string): string {
  return `repository:${repository}:delete`;
}

/**
 * The address below `/v2/<repository>/`. Names are checked, because they become part of a path.
 * @throws AutosignError `usage`
 */
export function repositoryUrl(context: RegistryContext, repository: string, path: string): URL {
  if (!isRepository(repository)) throw new AutosignError('usage', `"${repository}" is not a repository name`);
  return new URL(`/v2/${repository}/${path}`, context.origin);
}

/** `host/repository:tag` or `host/repository@sha256:…`, for messages. */
export function referenceText(context: RegistryContext, repository: string, reference: string): string {
  return `${context.host}/${repository}${isDigest(reference) ? '@' : ':'}${reference}`;
}

/** @throws AutosignError `usage` for what is neither a tag nor a sha256 digest */
export function checkReference(reference: string): void {
  if (!isDigest(reference) && !isTag(reference)) {
    throw new AutosignError('usage', `"${reference}" is neither a tag nor a sha256 digest`);
  }
}

/** The error that follows from an answer nobody can go on with. */
export function refusal(answer: HttpAnswer, about: string): AutosignError {
  const detail = `${answer.status}${errorCodes(answer)}`;
  return new AutosignError(
    refusalCode(answer.status),
    `${about}: the registry answered ${detail}${advice(answer.status)}`,
  );
}

function refusalCode(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'registry-denied';
  if (status === 404) return 'not-found';
  if (status >= 300 && status < 400) return 'host-refused';
  return 'registry-protocol';
}

function advice(status: number): string {
  if (status === 401 || status === 403) return '; give the login of this registry the right to this repository';
  if (status >= 300 && status < 400) return '; redirects are followed for blobs only';
  return '';
}

const ErrorBody = z.object({ errors: z.array(z.object({ code: z.string().regex(/^[A-Z_]{1,64}$/) })) });

/** The codes of distribution-spec "Error Codes"; free text of a registry stays out of our messages. */
function errorCodes(answer: HttpAnswer): string {
  const parsed = ErrorBody.safeParse(parseJson(answer.bytes));
  if (!parsed.success || parsed.data.errors.length === 0) return '';
  const codes = parsed.data.errors.slice(0, 3).map((error) => error.code);
  return ` (${codes.join(', ')})`;
}
