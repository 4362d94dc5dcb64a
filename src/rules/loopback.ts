/**
 * Whether `host` (with or without port) is this machine: `localhost`, 127.0.0.0/8 (RFC 1122, 3.2.1.3) or `[::1]`.
 * Only there may anything go unencrypted.
 */
export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:\d{1,5}$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || /^127(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/.test(name);
}
