import { html, type Markup } from './html.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** A moment as its age, `3 min ago` or `for 3 min`, with the moment itself on demand. */
export function showTime(at: Date, now: Date, form: 'ago' | 'for' = 'ago'): Markup {
  const ms = at.getTime();
  // Nothing that Redis holds as a time need be one.
  if (Number.isNaN(ms) || ms <= 0) return html`<span>unknown</span>`;
  const exact = at.toISOString();
  const age = Math.max(0, now.getTime() - ms);
  const text = form === 'for' ? `for ${showAge(age)}` : age < 2_000 ? 'just now' : `${showAge(age)} ago`;
  return html`<time datetime="${exact}" title="${exact}">${text}</time>`;
}

/** In whole seconds: a page that is refreshed now and then knows no better. */
function showAge(ms: number): string {
  return ms < 10_000 ? `${Math.max(1, Math.floor(ms / 1_000))} s` : showDuration(ms);
}

/** A duration in one unit: `870 ms`, `2.4 s`, `41 s`, `12 min`, `5 h`, `3 d`. */
export function showDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  if (ms < minuteMs) return `${Math.floor(ms / 1_000)} s`;
  if (ms < hourMs) return `${Math.floor(ms / minuteMs)} min`;
  return ms < dayMs ? `${Math.floor(ms / hourMs)} h` : `${Math.floor(ms / dayMs)} d`;
}

/** A whole number with commas between its thousands. */
export function showCount(count: number): string {
  return count.toLocaleString('en');
}

/** A text of any length, cut. */
export function cut(text: string, lengthMax: number): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
}

/** Registry, repository and tag of a job; a long name breaks where its parts end. */
export function showImage({
  registry,
  repository,
  tag,
}: {
  registry: string;
  repository: string;
  tag: string;
}): Markup {
  const [first = '', ...levels] = repository.split('/');
  const name = html`${first}${levels.map((level) => html`/<wbr>${level}`)}`;
  return html`<span class="image"><b>${name}</b><wbr>:<b>${tag}</b></span> <span class="registry">${registry}</span>`;
}
