import { setTimeout as sleep } from 'node:timers/promises';
import { startEmulatedCloud } from '../chaos/emulated-cloud.ts';
import { startHttpProxy } from '../chaos/http-proxy.ts';
import type { Service } from '../chaos/service-group.ts';
import { waitUntil } from '../e2e/wait-until.ts';
import {
  type BenchGroup,
  type RegistryKind,
  registryKinds,
  registryName,
  startBenchGroup,
  startRegistry,
  untilFinished,
} from './bench-group.ts';
import { finishedJobs } from './job-log.ts';
import { percentile } from './percentile.ts';
import { createEventPoster } from './post-events.ts';
import { type BenchImage, createImagePusher, type PushNumbered, pushImages } from './push-images.ts';
import { type Ratio, type Scenario, type ScenarioContext, scaled } from './scenario.ts';
import { type Keep, withParts } from './with-parts.ts';

const pushesPerSecond = 50;
const kmsMs = 30;
const registryMs = 20;
const p50AimMs = 250;
const p99AimMs = 1_000;
const repositories = 50;
// More than the worker can sign behind the live pushes in a second, so that the backlog lasts.
const backlogPerSecond = 60;

interface Streamed {
  readonly pushes: number;
  readonly unsigned: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Measured extends Streamed {
  readonly kind: RegistryKind;
  readonly beside: 'alone' | 'beside a backfill';
  readonly backfilled: number;
}

/** How long a pushed image waits for its signature, with a KMS and a registry that are as far away as in a region. */
export const latency: Scenario = {
  name: 'latency',
  run: async (context) => {
    const measured: Measured[] = [];
    for (const kind of registryKinds) measured.push(...(await measure(kind, context)));
    const seconds = secondsOf(context);
    return {
      title: 'From push to signed',
      text: [
        `${pushesPerSecond} pushes a second for ${seconds} seconds; every answer of STS and KMS comes ${kmsMs} ms later, every request to the registry waits ${registryMs} ms. Counted from the moment at which the event is sent to the worker's log line after the read-back. Beside a backfill: a reconcile queues ${backlogPerSecond * seconds} unsigned images, and the worker signs them behind the live pushes. One receiver, one worker; EC_P256 in the emulated KMS, through an assumed role.`,
      ],
      ratios: measured.flatMap(ratiosOf),
      table: {
        head: ['registry', '', 'pushes', 'p50, ms', 'p99, ms', 'backfilled meanwhile'],
        rows: measured.map((one) => [one.kind, one.beside, one.pushes, one.p50Ms, one.p99Ms, one.backfilled]),
      },
      counts: Object.fromEntries(
        measured.map(({ kind, beside, unsigned }) => [`${kind} ${beside} unsigned`, unsigned]),
      ),
    };
  },
};

function secondsOf(context: ScenarioContext): number {
  return scaled(30, context, 1);
}

function ratiosOf({ kind, beside, p50Ms, p99Ms }: Measured): readonly Ratio[] {
  const row = (name: string, ms: number, aimMs: number): Ratio => ({
    what: `push to signed, ${kind}, ${beside}, ${name}`,
    measured: `${ms} ms`,
    against: '',
    aim: `${aimMs} ms`,
    reached: ms <= aimMs,
  });
  return [row('p50', p50Ms, p50AimMs), row('p99', p99Ms, p99AimMs)];
}

function measure(kind: RegistryKind, context: ScenarioContext): Promise<readonly Measured[]> {
  return withParts(async (keep) => {
    const { host } = keep(await startRegistry(kind, context));
    const { group, worker } = await startFarServices(host, keep);
    const images = secondsOf(context) * pushesPerSecond;
    const push = await createImagePusher({ host, name: 'live', repositories });
    await stream(group, worker, numbersFrom(0, pushesPerSecond), push);
    const alone = await stream(group, worker, numbersFrom(pushesPerSecond, images), push);

    const backlog = secondsOf(context) * backlogPerSecond;
    await pushImages({ host, name: 'old', repositories, images: backlog });
    await group.services.run(['reconcile', '--rules', group.services.rulesFile]);
    await waitUntil(
      () => group.services.queue.counts(),
      ({ prioritized }) => prioritized > 0,
    );
    const before = countBackfilled(worker);
    const beside = await stream(group, worker, numbersFrom(pushesPerSecond + images, images), push);
    const backfilled = countBackfilled(worker) - before;
    context.log(`${kind}: p50 ${alone.p50Ms} ms, p99 ${alone.p99Ms} ms; beside ${beside.p50Ms}, ${beside.p99Ms} ms`);
    return [
      { kind, beside: 'alone', backfilled: 0, ...alone },
      { kind, beside: 'beside a backfill', backfilled, ...beside },
    ];
  });
}

/** A worker and a receiver that reach registry, STS and KMS as from another machine. */
async function startFarServices(host: string, keep: Keep): Promise<{ group: BenchGroup; worker: Service }> {
  const proxy = keep(await startHttpProxy(host));
  proxy.setPolicy(() => ({ kind: 'delay', beforeRequestMs: registryMs }));
  const { emulator, kmsAt, workerEnvironment } = keep(await startEmulatedCloud());
  emulator.faults.latencyMs = kmsMs;
  const group = await startBenchGroup({ host: proxy.host, kms: kmsAt(emulator.url), workerEnvironment }, keep);
  const worker = await group.startWorker();
  await group.services.startReceiver();
  return { group, worker };
}

function numbersFrom(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

/** Pushes and announces one image after the other at the given pace, whatever becomes of those before. */
async function stream(
  { services }: BenchGroup,
  worker: Service,
  numbers: readonly number[],
  push: PushNumbered,
): Promise<Streamed> {
  const poster = createEventPoster(services.webhookUrl(registryName));
  const sentAt = new Map<string, number>();
  const announce = async (number: number): Promise<BenchImage> => {
    const image = await push(number);
    sentAt.set(nameOf(image), Date.now());
    await poster.post(image);
    return image;
  };
  try {
    const startedAt = performance.now();
    const announced: Promise<BenchImage>[] = [];
    for (const [index, number] of numbers.entries()) {
      await sleep(Math.max(0, startedAt + (index * 1_000) / pushesPerSecond - performance.now()));
      announced.push(announce(number));
    }
    const jobs = await untilFinished(worker, await Promise.all(announced));
    // The reconcile may find an image before its event does; the first signature counts.
    const signed = new Map<string, number>();
    for (const job of jobs.filter(({ statuses }) => statuses[0] === 'signed')) signed.set(nameOf(job), job.at);
    const waits = [...signed].map(([name, at]) => at - (sentAt.get(name) ?? at));
    return {
      pushes: numbers.length,
      unsigned: numbers.length - signed.size,
      p50Ms: percentile(waits, 50),
      p99Ms: percentile(waits, 99),
    };
  } finally {
    await poster.stop();
  }
}

function nameOf({ repository, tag }: Pick<BenchImage, 'repository' | 'tag'>): string {
  return `${repository}:${tag}`;
}

function countBackfilled(worker: Service): number {
  return finishedJobs(worker.process).filter(({ repository }) => repository.startsWith('prod/old-')).length;
}
