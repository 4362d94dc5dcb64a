import type { FastifyReply } from 'fastify';
import { type Content, html, type Markup } from './html.ts';
import type { Notice } from './sessions.ts';
import type { OpsUser } from './users-file.ts';

export interface PageOptions {
  readonly title: string;
  /** Who is logged in; undefined on pages before the login. */
  readonly user?: OpsUser | undefined;
  /** A token for the button that logs out. */
  readonly csrfToken?: string | undefined;
  readonly notice?: Notice | undefined;
  /** Whether the page looks after news by itself. */
  readonly live?: boolean;
  readonly content: Content;
}

// Without the script, which exchanges what has changed, the browser loads the whole page now and then.
const reloadSeconds = 15;

/** Answers with a page of ours. */
export function sendPage(reply: FastifyReply, options: PageOptions): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(`<!doctype html>\n${pageOf(options).text}\n`);
}

function pageOf({ title, user, csrfToken, notice, live = false, content }: PageOptions): Markup {
  return html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · acr-autosign</title>
<link rel="icon" type="image/svg+xml" href="/ops/icon.svg">
<link rel="stylesheet" href="/ops/style.css">
${live && html`<script defer src="/ops/live.js"></script><noscript><meta http-equiv="refresh" content="${reloadSeconds}"></noscript>`}
</head>
<body>
${user && bar(user, csrfToken)}
<main>
${notice && html`<p class="notice ${notice.kind}" role="status">${notice.text}</p>`}
${content}
</main>
</body>
</html>`;
}

function bar({ name, role }: OpsUser, csrfToken: string | undefined): Markup {
  return html`<header class="bar">
<a class="brand" href="/ops"><img src="/ops/icon.svg" alt="" width="22" height="22">acr-autosign</a>
<nav><a href="/ops" aria-current="page">Overview</a><a href="/ops/queues/">Queues</a></nav>
<span class="who"><b>${name}</b> ${role}</span>
<form method="post" action="/ops/logout">${csrfField(csrfToken)}<button class="quiet">Log out</button></form>
</header>`;
}

/** The hidden field that every form of ours carries. */
export function csrfField(token: string | undefined): Markup {
  return html`<input type="hidden" name="_csrf" value="${token}">`;
}
