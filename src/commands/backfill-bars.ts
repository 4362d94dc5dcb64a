import cliProgress from 'cli-progress';
import type { BackfillProgress } from '../backfill/backfill-event.ts';
import type { TagCount } from '../backfill/count-tags.ts';
import { type BackfillOutput, durationText, sentenceOf, summaryText } from './backfill-output.ts';
import { printable } from './printable.ts';

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
      const line = `${printable(sentence)}\n`;
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
  const startedAt = now();
  const before = lookedAt(progress());
  const bar = (name: string, most: number, value: number) => bars.create(most, value, { name, more: '' });
  const namespaces = bar('namespaces', total.namespaces, 0);
  const images = bar('images    ', before + total.tags, before);
  const signatures = bar('signed    ', progress().queued, progress().signed);
  let left = 0;
  return {
    log: (line: string) => bars.log(line),
    stop: () => bars.stop(),
    update: (namespaceLeft: boolean) => {
      const counts = progress();
      if (namespaceLeft) left += 1;
      namespaces.update(Math.min(left, total.namespaces));
      const looked = lookedAt(counts) - before;
      const rate = looked / Math.max(0.001, (now() - startedAt) / 1000);
      const toDo = Math.max(0, total.tags - looked);
      const time = rate > 0 ? durationText(toDo / rate) : '?';
      images.update(Math.min(before + looked, before + total.tags), { more: `, ${Math.round(rate)}/s, ${time} left` });
      signatures.setTotal(counts.queued);
      const { skipped, failed, waiting, unread } = counts;
      const others = waiting + unread > 0 ? `, ${waiting + unread} not yet` : '';
      signatures.update(counts.signed, { more: ` queued, ${skipped} skipped, ${failed} failed${others}` });
    },
  };
}

function lookedAt({ tags, waiting, unread }: BackfillProgress): number {
  return tags + waiting + unread;
}
