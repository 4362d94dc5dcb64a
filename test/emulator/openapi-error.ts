/** An answer that refuses a request, in Alibaba's form. */
export class OpenApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** What an action throws for a parameter that is missing or wrong. */
export function requireParameter(query: URLSearchParams, name: string): string {
  const value = query.get(name);
  if (value === null || value === '') {
    throw new OpenApiError(400, 'MissingParameter', `The parameter ${name} is needed but not provided.`);
  }
  return value;
}

export function invalidParameter(name: string): OpenApiError {
  return new OpenApiError(400, 'InvalidParameter', `The specified parameter "${name}" is not valid.`);
}
