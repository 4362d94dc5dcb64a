import cliProgress from 'cli-progress';
import type { BackfillProgress } from '../backfill/backfill-event.ts';
import type { TagCount } from '../backfill/count-tags.ts';
import { type BackfillOutput, durationText, sentenceOf, summaryText } from './backfill-output.ts';
import { withoutControls } from './terminal.ts';

export interface BarOutputOptions {
  /** For the bars and what is told meanwhile. */
  readonly terminal: NodeJS.WritableStream;
  /** Where the summary goes. */
  readonly write: (text: string) => void;
  /** In milliseconds, of any origin. */
  readonly now: () => number;
}

const format = '{name} [{bar}] {value}/{total}{more}';

/** Bars for namespaces, images and signatures, and a line for what else happens. */
export function createBarOutput({ terminal, write, now }: BarOutputOptions): BackfillOutput {
  let bars: ReturnType<typeof createBars> | undefined;
  const close = () => {
    bars?.stop();
    bars = undefined;
    process.off('exit', close);
  };
  // A second Ctrl-C ends the process without a word to us, and must not leave a terminal without a cursor.
  process.once('exit', close);
  return {
    wantsTotal: true,
    tell: (event) => {
      bars?.update(event.step === 'namespace');
      const sentence = sentenceOf(event);
      if (sentence === undefined) return;
      const line = `${withoutControls(sentence)}\n`;
      if (bars === undefined) terminal.write(line);
      else bars.log(line);
    },
    follow: (progress, total = { tags: 0, namespaces: 0 }) => {
      bars = createBars({ terminal, progress, now, total });
    },
    end: (summary) => {
      bars?.update(false);
      close();
      write(summaryText(summary));
    },
    close,
  };
}

interface BarsOptions extends Pick<BarOutputOptions, 'terminal' | 'now'> {
  readonly progress: () => BackfillProgress;
  readonly total: TagCount;
}

function createBars({ terminal, progress, now, total }: BarsOptions) {
  const options = { stream: terminal, format, hideCursor: true, emptyOnZero: true, barsize: 30, gracefulExit: false };
  const bars = new cliProgress.MultiBar(options, cliProgress.Presets.legacy);
  const before = progress();
  const bar = (name: string, most: number, value: number) => bars.create(most, value, { name, more: '' });
  const namespaces = bar('namespaces', total.namespaces, 0);
  const images = bar('images    ', lookedAt(before) + total.tags, lookedAt(before));
  const signatures = bar('signed    ', before.queued, before.signed);
  const looking = speedOf(now);
  const signing = speedOf(now);
  let left = 0;
  return {
    log: (line: string) => bars.log(line),
    stop: () => bars.stop(),
    update: (namespaceLeft: boolean) => {
      const counts = progress();
      if (namespaceLeft) left += 1;
      namespaces.update(Math.min(left, total.namespaces));

      const looked = lookedAt(counts) - lookedAt(before);
      const toLookAt = Math.max(0, total.tags - looked);
      images.update(Math.min(lookedAt(counts), images.getTotal()), { more: looking(looked, toLookAt) });

      const { queued, signed, skipped, failed, pending, waiting, unread } = counts;
      const notYet = waiting + unread > 0 ? `, ${waiting + unread} not yet` : '';
      const speed = signing(signed - before.signed, pending);
      signatures.setTotal(queued);
      signatures.update(signed, { more: ` queued, ${skipped} skipped, ${failed} failed${notYet}${speed}` });
    },
  };
}

/** The mean since the beginning, and how long what is left takes at that; the end is the last time that it grew. */
function speedOf(now: () => number): (done: number, left: number) => string {
  const startedAt = now();
  let [known, grewAt] = [0, startedAt];
  return (done, left) => {
    if (done > known) grewAt = now();
    known = done;
    const aSecond = done / Math.max(0.001, (grewAt - startedAt) / 1000);
    return `, ${Math.round(aSecond)}/s, ${done > 0 ? durationText(left / aSecond) : '?'} left`;
  };
}

function lookedAt({ tags, waiting, unread }: BackfillProgress): number {
  return tags + waiting + unread;
}
