import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { icon } from './icon.ts';
import { liveScript } from './live-script.ts';
import { stylesheet } from './stylesheet.ts';

const assets = [
  { path: '/style.css', type: 'text/css; charset=utf-8', text: stylesheet },
  { path: '/live.js', type: 'text/javascript; charset=utf-8', text: liveScript },
  { path: '/icon.svg', type: 'image/svg+xml', text: icon },
];

/** What our pages load. Parts of the program, so that a build needs to copy nothing; open, because the login needs it. */
export function addAssetRoutes(app: FastifyInstance): void {
  for (const { path, type, text } of assets) {
    const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
    app.get(path, async (request, reply) => {
      // Asked for again with each page, so that a new release is seen at once.
      reply.header('cache-control', 'no-cache').header('etag', etag);
      return request.headers['if-none-match'] === etag ? reply.code(304).send() : reply.type(type).send(text);
    });
  }
}
