import { isIP } from 'node:net';
import { parseRedisAddress } from '../queue/redis-address.ts';

/** Whether `text` is the URL of a Redis or the nodes of a cluster (queue/redis-address.ts), and no path of a socket. */
export function isRedisUrl(text: string): boolean {
  return !text.startsWith('/') && parseRedisAddress(text) !== undefined;
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
