import { signJobOptions } from '../../src/queue/job-options.ts';
import type { SignJob } from '../../src/queue/sign-job.ts';
import { type BenchGroup, registryName, startBenchGroup, startRegistry, untilFinished } from './bench-group.ts';
import { buildService } from './build-service.ts';
import { residentBytesOf } from './process-usage.ts';
import { type BenchImage, pushImages } from './push-images.ts';
import { type Scenario, type ScenarioContext, scaled } from './scenario.ts';
import { withParts } from './with-parts.ts';

const queueLengths = [1_000, 10_000, 100_000];
const imagesMax = 1_000;
const repositories = 20;
const aimMiB = 200;
const sampleMs = 100;
// Far below the size at which one command would hold Redis up.
const addedAtOnce = 1_000;

interface Measured {
  readonly queued: number;
  readonly signed: number;
  readonly images: number;
  readonly peakMiB: number;
}

/** What the worker holds while a queue is long. */
export const memory: Scenario = {
  name: 'memory',
  run: async (context) => {
    const measured: Measured[] = [];
    const main = await buildService();
    for (const length of queueLengths) measured.push(await measure(scaled(length, context, 20), main, context));
    const peaks = measured.map(({ peakMiB }) => peakMiB);
    const [least = 0, most = 0] = [Math.min(...peaks), Math.max(...peaks)];
    context.log(`peaks of ${peaks.map((peak) => peak.toFixed(0)).join(', ')} MiB`);
    return {
      title: 'Memory of the worker',
      text: [
        `Jobs are queued, then a worker, built as for a release, is started on them. The first ${measured[0]?.images ?? 0} name images, which it signs, while its first reconcile walks the registry; the others wait behind them. The peak of its resident memory from its start until those images are done.`,
      ],
      ratios: [
        {
          what: 'memory of the worker, most of all lengths',
          measured: `${most.toFixed(0)} MiB`,
          against: '',
          aim: `${aimMiB} MiB`,
          reached: most < aimMiB,
        },
        {
          what: `memory of the worker, ${measured.at(-1)?.queued ?? 0} queued jobs`,
          measured: `${(peaks.at(-1) ?? 0).toFixed(0)} MiB`,
          against: `${measured[0]?.queued ?? 0} queued jobs ${(peaks[0] ?? 0).toFixed(0)} MiB`,
          ratio: (peaks.at(-1) ?? 0) / Math.max(1, peaks[0] ?? 0),
          aim: 'flat',
          reached: most - least < 0.2 * least,
        },
      ],
      table: {
        head: ['queued jobs', 'signed meanwhile', 'peak, MiB'],
        rows: measured.map(({ queued, signed, peakMiB }) => [queued, signed, peakMiB.toFixed(0)]),
      },
      counts: Object.fromEntries(measured.map(({ queued, signed, images }) => [`${queued} unsigned`, images - signed])),
    };
  },
};

function measure(queued: number, main: string, context: ScenarioContext): Promise<Measured> {
  return withParts(async (keep) => {
    const { host } = keep(await startRegistry('referrers', context));
    const group = await startBenchGroup({ host, main }, keep);
    const wanted = Math.min(scaled(imagesMax, context, 20), queued);
    const images = await pushImages({ host, name: 'app', repositories, images: wanted });
    await queueJobs(group, images, queued);
    // As after an outage: its first reconcile walks the registry while it works on the queue.
    const worker = await group.services.startWorker('worker');
    let peak = 0;
    const sampling = setInterval(() => {
      peak = Math.max(peak, residentBytesOf(worker.process.pid));
    }, sampleMs);
    try {
      const jobs = await untilFinished(worker, images);
      const signed = new Set(
        jobs.flatMap(({ repository, tag, statuses }) => (statuses[0] === 'signed' ? `${repository}:${tag}` : [])),
      );
      return { queued, images: images.length, signed: signed.size, peakMiB: peak / 1024 ** 2 };
    } finally {
      clearInterval(sampling);
    }
  });
}

/** The images first, then tags that are not there. */
async function queueJobs({ services }: BenchGroup, images: readonly BenchImage[], queued: number): Promise<void> {
  const { bullmq } = services.queue;
  for (let first = 0; first < queued; first += addedAtOnce) {
    const numbers = Array.from({ length: Math.min(addedAtOnce, queued - first) }, (_, index) => first + index);
    await bullmq.addBulk(
      numbers.map((number) => {
        const { repository, tag } = images[number] ?? { repository: 'prod/app-0', tag: `gone-${number}` };
        const cause = { kind: 'push', receivedAt: new Date().toISOString() } as const;
        const job: SignJob = { version: 1, registry: registryName, repository, tag, lane: 'push', cause };
        return { name: job.lane, data: job, opts: signJobOptions(job) };
      }),
    );
  }
}
