import { isIP } from 'node:net';

/** Whether `text` is a URL that ioredis understands: scheme, host, and at most a database number as its path. */
export function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname } = new URL(text);
  return ['redis:', 'rediss:'].includes(protocol) && hostname !== '' && /^\/?\d{0,5}$/.test(pathname);
}

/** Whether `text` is an IP address, or one with the length of its network (`10.0.0.0/8`). */
export function isNetwork(text: string): boolean {
  const [ip = '', length, ...rest] = text.split('/');
  const version = isIP(ip);
  if (version === 0 || rest.length > 0) return false;
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (version === 4 ? 32 : 128));
}

/** Whether `text` is scheme, host and perhaps port of a web page, and nothing else. */
export function isOrigin(text: string): boolean {
  if (!/^https?:\/\/[^/?#@\s]+\/?$/i.test(text) || !URL.canParse(text)) return false;
  return new URL(text).hostname !== '';
}
