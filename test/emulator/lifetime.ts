import type { CheckedConfig } from './config.ts';

/**
 * How long, in milliseconds, what Alibaba lets live for `seconds` lives here. Everything that ends by itself (sessions,
 * logins, bearer tokens) takes its end from this one function, and the answers tell that end.
 */
export function lifetimeMs({ lifetimeScale }: Pick<CheckedConfig, 'lifetimeScale'>, seconds: number): number {
  return seconds * 1000 * lifetimeScale;
}
