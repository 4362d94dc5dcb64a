import { OpenApiError } from './openapi-error.ts';

/**
 * `DryRun=true`: the call is tried and always refused, with a code that tells what would have become of it
 * (AsymmetricSign, parameter DryRun). Its HTTP statuses are not documented.
 */
export function dryRunVerdict(call: () => unknown): OpenApiError {
  try {
    call();
    return new OpenApiError(400, 'DryRunOperationError', 'The request would have succeeded, but DryRun is set.');
  } catch (error) {
    if (!(error instanceof OpenApiError)) throw error;
    return error.status === 403
      ? new OpenApiError(403, 'AccessDeniedError', error.message)
      : new OpenApiError(400, 'ValidationError', error.message);
  }
}
