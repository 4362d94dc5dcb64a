import { html, type Markup } from './html.ts';
import type { Overview, QueueOverview, WalkedRegistry } from './overview.ts';
import { cut, showCount, showTime } from './show.ts';

interface StateOptions {
  readonly now: Date;
  readonly textLengthMax: number;
}

/** The state at a glance: what waits, what needs a hand, keys and registries. */
export function stateSection(overview: Overview, options: StateOptions): Markup {
  return html`<section id="state" data-live aria-label="State">
<h1>Overview</h1>
${attention(overview, options)}
${overview.queue && tiles(overview.queue)}
<div class="cards">
${keys(overview, options)}
${registries(overview, options)}
${rules(overview, options)}
</div>
</section>`;
}

/** What keeps images from being signed, the worst first; a calm sentence when there is nothing. */
function attention({ health, queue }: Overview, { now, textLengthMax }: StateOptions): Markup {
  const since = (at: string | undefined) =>
    at !== undefined && html` <span class="since">${showTime(new Date(at), now, 'for')}</span>`;
  const problem = (what: string, why: string, at?: string) =>
    html`<li><b>${what}</b>${since(at)}<span class="why">${cut(why, textLengthMax)}</span></li>`;
  const problems = [
    ...(health.redis && queue !== undefined
      ? []
      : [
          problem(
            'Redis does not answer',
            'Nothing is signed until it is back. Start Redis, or correct AUTOSIGN_REDIS_URL.',
          ),
        ]),
    ...health.keys.flatMap(({ name, state, reason = '', since: at }) =>
      state === 'paused' ? [problem(`Key ${name} is paused, its jobs wait`, reason, at)] : [],
    ),
    ...health.pausedRegistries.map(({ name, reason, since: at }) =>
      problem(`Registry ${name} is paused, its jobs wait`, reason, at),
    ),
    ...(health.rules.refused === undefined
      ? []
      : [
          problem(
            'The rules file is refused, the last good rules are in use',
            health.rules.refused,
            health.rules.refusedSince,
          ),
        ]),
    ...health.preparing.map(({ rule, registry, reason }) =>
      problem(`Rule ${rule} is preparing on ${registry}, its jobs wait`, reason),
    ),
    ...(queue?.walkedRegistries ?? []).flatMap(({ registry, run }) =>
      run?.error === undefined ? [] : [problem(`Registry ${registry} could not be compared with the rules`, run.error)],
    ),
  ];
  if (problems.length === 0)
    return html`<p class="calm"><span class="dot ready"></span>Nothing is paused or refused.</p>`;
  return html`<div class="attention"><h2>Needs attention</h2><ul>${problems}</ul></div>`;
}

function tiles({ counts }: QueueOverview): Markup {
  const tile = (state: string, name: string, what: string, tone = '') =>
    html`<div class="tile${(counts[state] ?? 0) > 0 && tone}"><dt>${name}</dt><dd>${showCount(counts[state] ?? 0)}</dd><dd class="what">${what}</dd></div>`;
  return html`<dl class="tiles">
${tile('waiting', 'Live', 'pushes that wait')}
${tile('prioritized', 'Behind', 'reconcile, backfill, retries')}
${tile('active', 'Running', 'in all workers')}
${tile('delayed', 'Asleep', 'paused or between tries')}
${tile('failed', 'Dead letters', 'wait for somebody', ' bad')}
</dl>`;
}

function keys({ health }: Overview, { now }: StateOptions): Markup {
  return html`<div class="card"><h2>Keys</h2><ul class="states">
${health.keys.map(
  ({ name, state, since }) =>
    html`<li><span class="dot ${state}"></span><b>${name}</b> ${state}${since !== undefined && html` <span class="since">${showTime(new Date(since), now, 'for')}</span>`}</li>`,
)}
${health.keys.length === 0 && html`<li>No rule in force uses a key.</li>`}
</ul></div>`;
}

function registries({ health, queue }: Overview, { now }: StateOptions): Markup {
  const paused = new Set(health.pausedRegistries.map(({ name }) => name));
  const walked = queue?.walkedRegistries ?? [];
  return html`<div class="card"><h2>Registries</h2><ul class="states">
${walked.map(
  (one) =>
    html`<li><span class="dot ${paused.has(one.registry) ? 'paused' : one.run?.error === undefined ? 'ready' : 'preparing'}"></span><b>${one.registry}</b> ${lastReconcile(one, now)}</li>`,
)}
${walked.length === 0 && html`<li>${queue === undefined ? 'Unknown without Redis.' : 'No rule in force names one.'}</li>`}
</ul></div>`;
}

function lastReconcile({ run }: WalkedRegistry, now: Date): Markup {
  if (run === undefined) return html`<span class="since">not compared yet</span>`;
  // The schedule keeps microseconds of Redis' clock.
  const at = showTime(new Date(run.finishedAt / 1_000), now);
  if (run.counts === undefined) return html`<span class="since">could not be compared, ${at}</span>`;
  const { tags, queued, waiting, failed } = run.counts;
  const rest = [
    queued > 0 && `${showCount(queued)} queued`,
    waiting > 0 && `${showCount(waiting)} waiting`,
    failed > 0 && `${showCount(failed)} failed`,
  ].filter((part) => part !== false);
  return html`<span class="since">compared ${at}, ${[`${showCount(tags)} tags`, ...rest].join(', ')}</span>`;
}

function rules({ health }: Overview, { now }: StateOptions): Markup {
  const { hash, refused, refusedSince } = health.rules;
  return html`<div class="card"><h2>Rules</h2><ul class="states"><li>
<span class="dot ${refused === undefined ? 'ready' : 'paused'}"></span><b class="mono" title="${hash}">${hash.slice(0, 12)}</b>
${refused === undefined ? 'in use' : 'in use, the file is refused'}
${refusedSince !== undefined && html` <span class="since">${showTime(new Date(refusedSince), now, 'for')}</span>`}
</li>${health.preparing.map(({ rule, registry }) => html`<li><span class="dot preparing"></span><b>${rule}</b> preparing on ${registry}</li>`)}</ul></div>`;
}
