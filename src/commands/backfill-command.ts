import { Command, Option } from 'commander';
import { AutosignError } from '../domain/errors.ts';
import { durationMs, durationPattern } from '../rules/duration.ts';

/** What stands behind `autosign backfill`. */
export interface BackfillCommandOptions {
  readonly rules: string;
  readonly registry?: string;
  readonly namespace?: string;
  readonly rule?: string;
  readonly since?: Since;
  readonly limit?: number;
  readonly dryRun?: true;
  readonly wait?: true;
  readonly resume?: true;
  readonly json?: true;
}

/** A moment as it was written, which names it, and as it was understood. */
interface Since {
  readonly text: string;
  readonly date: Date;
}

const help = `
AUTOSIGN_REDIS_URL must be set, but for --dry-run. The command walks the registries, with the logins of the rules file,
and queues what lacks a signature that a rule in state sign demands, also what stood before the rule. It uses no key:
"autosign work" signs, live pushes first. Never more than 1,000 images wait in its lane. What is queued once counts as
new for its rule from then on: a reconcile would queue it again if it were lost. Several backfills may run at once.

--since goes by the time that an image says it was built at, as registries do not tell when it was pushed. An image
that does not tell, or tells a time before 2013, is included; "undated" counts those.

Ctrl-C ends after the images that are being looked at; what is queued goes on. --resume, with the same choice, goes on
where the last run ended, however it ended, and looks again at what could not be looked at. Without it a new run begins,
which passes over what is signed by then. A second Ctrl-C ends at once, and loses nothing either.

On a terminal there are progress bars; otherwise, and with --json, one JSON object a line: "step" says what it is, the
last one is the summary. Every image looked at (tags) ends as one of signed, skipped (signed before, no image, denied,
too old, left by the workers), failed (a dead letter) or, until then, pending.

Examples:
  $ autosign backfill --rules rules.yaml --dry-run
  $ autosign backfill --rules rules.yaml --registry prod --rule prod-images --wait
  $ autosign backfill --rules rules.yaml --namespace team-a --since 90d --limit 500
  $ autosign backfill --rules rules.yaml --registry prod --rule prod-images --wait --resume
  $ autosign backfill --rules rules.yaml --json | jq 'select(.step == "summary").queued'

Exit codes:
  0 all is queued; with --wait: signed
  1 something could not be looked at or waits (a key is paused), or an image failed ("autosign dead list")
  2 usage, settings or rules  8 Redis or a registry unreachable  130 stopped by a signal; go on with --resume`;

/** `autosign backfill` */
export function backfillCommand(): Command {
  return new Command('backfill')
    .description('sign the images that stood before their rule, whatever its "existing" says')
    .addOption(new Option('--rules <file>', 'the rules file').env('AUTOSIGN_RULES').makeOptionMandatory())
    .option('--registry <name>', 'this registry only')
    .option('--namespace <name>', 'this namespace only')
    .option('--rule <name>', 'for this rule only')
    .addOption(
      new Option('--since <time>', 'only images built since: 2026-01-31, 2026-01-31T08:00:00Z, or 7d ago').argParser(
        parseSince,
      ),
    )
    .addOption(new Option('--limit <n>', 'queue this many images at most').argParser(parseLimit))
    .option('--dry-run', 'change nothing; print how many images, signatures and KMS calls there are, and the time')
    .option('--wait', 'wait until all that was queued is signed or has failed')
    .option('--resume', 'go on with the unfinished run of the same choice')
    .option('--json', 'print JSON lines also on a terminal')
    .addHelpText('after', help)
    .action(async (options: BackfillCommandOptions) => {
      if (options.dryRun && (options.wait || options.resume)) {
        throw new AutosignError('usage', '--dry-run queues nothing: leave --wait and --resume out.');
      }
      const { runBackfill } = await import('./run-backfill.ts');
      await runBackfill(options);
    });
}

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new AutosignError('usage', `--limit "${text}": a whole number from 1 is expected.`);
}

function parseSince(text: string): Since {
  const now = Date.now();
  const date = durationPattern.test(text) ? new Date(now - durationMs(text)) : readDate(text);
  if (date !== undefined && date.getTime() <= now) return { text, date };
  const expected = 'a date in the past, written like 2026-01-31 or 2026-01-31T08:00:00Z, or a duration like 7d or 12h';
  throw new AutosignError('usage', `--since "${text}": expected ${expected}.`);
}

/** A day begins at midnight UTC; a time of day needs its zone, as nobody would know which one is meant. */
function readDate(text: string): Date | undefined {
  const day = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/.exec(text);
  const date = new Date(day === null ? Number.NaN : text);
  // Without this the 31st of February would be a day in March.
  const exists =
    !Number.isNaN(date.getTime()) &&
    new Date(`${text.slice(0, 10)}T00:00:00Z`).toISOString().startsWith(text.slice(0, 10));
  return exists ? date : undefined;
}
