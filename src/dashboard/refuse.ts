import type { FastifyReply, FastifyRequest } from 'fastify';
import { html } from './html.ts';
import { sendPage } from './page.ts';

/** Whether the answer is for a person's eyes. */
export function wantsPage(request: FastifyRequest): boolean {
  return request.headers.accept?.includes('text/html') === true;
}

/** Says why a request is not served: as a page to a browser, as JSON to all others. */
export function refuse(request: FastifyRequest, reply: FastifyReply, status: number, reason: string): FastifyReply {
  // What was not read of the body is not worth reading.
  reply.code(status).header('connection', 'close');
  if (!wantsPage(request)) return reply.send({ error: reason });
  return sendPage(reply, {
    title: 'Not done',
    content: html`<div class="login"><h1>Not done</h1><p>${reason}</p><p><a href="/ops">To the overview</a></p></div>`,
  });
}
