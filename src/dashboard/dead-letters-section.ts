import { type DeadLetter, type DeadLetterCode, nextStepFor } from '../queue/dead-letters.ts';
import type { DashboardLimits } from './dashboard-limits.ts';
import { html, type Markup } from './html.ts';
import { csrfField } from './page.ts';
import { cut, showCount, showImage, showTime } from './show.ts';

/** Which dead letters are looked at. */
export interface DeadLetterChoice {
  readonly code?: DeadLetterCode | undefined;
  /** From 1. */
  readonly page: number;
}

export interface DeadLettersOptions {
  /** The newest, as many as were read. */
  readonly letters: readonly DeadLetter[];
  /** How many there are. */
  readonly total: number;
  readonly choice: DeadLetterChoice;
  readonly now: Date;
  readonly limits: DashboardLimits;
  /** For the buttons; undefined for whoever may only look. */
  readonly csrfToken: string | undefined;
}

/** The dead letters with cause and next step, and the buttons that send them again. */
export function deadLettersSection(options: DeadLettersOptions): Markup {
  const { letters, total, choice, limits } = options;
  const chosen = choice.code === undefined ? letters : letters.filter(({ code }) => code === choice.code);
  const pages = Math.max(1, Math.ceil(chosen.length / limits.deadLettersShown));
  const page = Math.min(choice.page, pages);
  const shown = chosen.slice((page - 1) * limits.deadLettersShown, page * limits.deadLettersShown);
  return html`<section id="dead-letters" data-live aria-label="Dead letters">
<div class="head"><h2>Dead letters</h2>${choice.code !== undefined && chosen.length > 0 && retryAllForm(choice.code, options)}</div>
${letters.length > 0 && filters(options)}
${
  shown.length === 0
    ? html`<p class="empty">${choice.code === undefined ? 'None: nothing has failed for good.' : `None with the cause ${choice.code}.`}</p>`
    : html`<table><thead><tr><th>Image</th><th>Cause and next step</th><th>Failed</th>${options.csrfToken !== undefined && html`<th><span class="hidden">Retry</span></th>`}</tr></thead>
<tbody>${shown.map((letter) => row(letter, options))}</tbody></table>`
}
${pages > 1 && pager(choice.code, page, pages)}
${letters.length < total && letters.length >= limits.deadLettersRead && html`<p class="note">These are the newest ${showCount(letters.length)} of ${showCount(total)}; “autosign dead list” has them all.</p>`}
</section>`;
}

function filters({ letters, choice }: DeadLettersOptions): Markup {
  const counts = new Map<DeadLetterCode, number>();
  for (const { code } of letters) counts.set(code, (counts.get(code) ?? 0) + 1);
  const most = [...counts].sort(([, one], [, other]) => other - one);
  const link = (code: DeadLetterCode | undefined, count: number) => html`<a href="${addressOf(code, 1)}"
${choice.code === code && html` aria-current="true"`}>${code ?? 'all'} <span>${showCount(count)}</span></a>`;
  return html`<nav class="filters" aria-label="Dead letters by cause">${link(undefined, letters.length)}${most.map(([code, count]) => link(code, count))}</nav>`;
}

function row(letter: DeadLetter, { now, limits, csrfToken }: DeadLettersOptions): Markup {
  const { id, job, code, message, failedAt, attempts } = letter;
  return html`<tr>
<td data-label="Image">${job === undefined ? html`<span class="image">not a job of this release</span> <span class="registry">job ${cut(id, 64)}</span>` : showImage(job)}</td>
<td data-label="Cause"><code class="cause">${code}</code> <span class="why">${cut(message, limits.textLengthMax)}</span><span class="next">${nextStepFor(code)}</span></td>
<td data-label="Failed">${showTime(failedAt, now)}<span class="since">${attempts === 1 ? '1 attempt' : `${showCount(attempts)} attempts`}</span></td>
${csrfToken !== undefined && html`<td class="act">${job === undefined ? html`<span class="since">post its event again</span>` : retryForm(id, csrfToken)}</td>`}
</tr>`;
}

function retryForm(id: string, csrfToken: string): Markup {
  return html`<form method="post" action="/ops/retry">${csrfField(csrfToken)}<input type="hidden" name="id" value="${id}"><button>Retry</button></form>`;
}

function retryAllForm(code: DeadLetterCode, { csrfToken }: DeadLettersOptions): Markup | undefined {
  if (csrfToken === undefined) return undefined;
  return html`<form method="post" action="/ops/retry-all">${csrfField(csrfToken)}<input type="hidden" name="code" value="${code}"><button>Retry all with this cause</button></form>`;
}

function pager(code: DeadLetterCode | undefined, page: number, pages: number): Markup {
  return html`<nav class="pager" aria-label="Pages of dead letters">
${page > 1 && html`<a rel="prev" href="${addressOf(code, page - 1)}">Newer</a>`}
<span>page ${page} of ${pages}</span>
${page < pages && html`<a rel="next" href="${addressOf(code, page + 1)}">Older</a>`}
</nav>`;
}

function addressOf(code: DeadLetterCode | undefined, page: number): string {
  const query = new URLSearchParams({ ...(code !== undefined && { code }), ...(page > 1 && { page: String(page) }) });
  return `/ops${query.size > 0 ? `?${query}` : ''}#dead-letters`;
}
