import type { FinishedJob, FinishedOutcome } from '../queue/finished-jobs.ts';
import { html, type Markup } from './html.ts';
import { cut, showDuration, showImage, showTime } from './show.ts';

interface FinishedOptions {
  readonly now: Date;
  readonly textLengthMax: number;
}

/** The newest jobs that were done: what became of each image, and how long it took. */
export function finishedSection(jobs: readonly FinishedJob[], options: FinishedOptions): Markup {
  return html`<section id="finished" data-live aria-label="Newest images">
<h2>Newest images</h2>
${
  jobs.length === 0
    ? html`<p class="empty">None yet. An image that is pushed shows up here.</p>`
    : html`<table><thead><tr><th>Image</th><th>Outcome</th><th>Digest</th><th>Because of</th><th>Took</th><th>Done</th></tr></thead>
<tbody>${jobs.map((job) => row(job, options))}</tbody></table>`
}
</section>`;
}

function row({ job, outcome, finishedAt, tookMs }: FinishedJob, { now, textLengthMax }: FinishedOptions): Markup {
  const { digest } = outcome;
  return html`<tr>
<td data-label="Image">${showImage(job)}</td>
<td data-label="Outcome">${outcomes(outcome, textLengthMax)}</td>
<td data-label="Digest">${digest && html`<code class="mono" title="${digest}">${digest.slice('sha256:'.length, 'sha256:'.length + 12)}</code>`}</td>
<td data-label="Because of">${job.cause.kind}</td>
<td data-label="Took">${tookMs !== undefined && showDuration(tookMs)}</td>
<td data-label="Done">${showTime(finishedAt, now)}</td>
</tr>`;
}

/** One mark for each thing that a rule demanded, or why nothing was. */
function outcomes({ status, reason, intents }: FinishedOutcome, textLengthMax: number): Markup {
  if (intents === undefined || intents.length === 0) return mark(status, '', reason, textLengthMax);
  return html`${intents.map((intent) => mark(intent.status, intent.format, intent.reason, textLengthMax))}`;
}

const tones: Readonly<Record<string, string>> = {
  signed: 'good',
  'already-signed': 'good',
  failed: 'bad',
  denied: 'bad',
  waiting: 'wait',
};

function mark(status: string, format: string, reason: string | undefined, textLengthMax: number): Markup {
  const tone = Object.hasOwn(tones, status) ? tones[status] : 'plain';
  return html`<span class="mark ${tone}">${cut(status.replaceAll('-', ' '), 64)}${format !== '' && html` <small>${cut(format, 64)}</small>`}</span>
${reason && html`<span class="why">${cut(reason, textLengthMax)}</span>`}`;
}
