import { type AutosignError, isAutosignError } from '../domain/errors.ts';

export interface ErrorAnswer {
  readonly status: number;
  /** What the caller is told. */
  readonly message: string;
}

/** What a caller is told of an error: the field of a bad event, the status of a bad request, and nothing else. */
export function answerFor(error: unknown): ErrorAnswer {
  if (isAutosignError(error)) return answerForOurs(error);
  switch (statusOf(error)) {
    case 413:
      return { status: 413, message: 'the body is too large' };
    case 415:
      return { status: 415, message: 'expected Content-Type: application/json' };
    case 400:
      return { status: 400, message: 'bad request' };
    default:
      return { status: 500, message: 'internal error' };
  }
}

function answerForOurs(error: AutosignError): ErrorAnswer {
  switch (error.code) {
    case 'event-invalid':
      return { status: 422, message: error.message };
    case 'redis-unreachable':
      return { status: 503, message: 'the event is not confirmed to be queued, send it again' };
    default:
      return { status: 500, message: 'internal error' };
  }
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}
