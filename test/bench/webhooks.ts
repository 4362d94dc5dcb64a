import autocannon from 'autocannon';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { signJobOptions, signQueueName, signQueuePrefix } from '../../src/queue/job-options.ts';
import type { SignJob } from '../../src/queue/sign-job.ts';
import { acrEventBody } from '../support/acr-event.ts';
import { type BenchGroup, registryName, startBenchGroup } from './bench-group.ts';
import { type Scenario, type ScenarioContext, scaled } from './scenario.ts';
import { sideBySide } from './side-by-side.ts';
import { withParts } from './with-parts.ts';

const p99MaxMs = 50;
const firstRate = 250;
const rateStep = 250;
const rateMax = 10_000;
// Of a rate that was asked for; below it the receiver or the sender no longer keeps up.
const keptUpFrom = 0.97;
const connections = 32;
const repositories = 50;

interface Step {
  readonly rate: number;
  readonly sent: number;
  readonly accepted: number;
  readonly perSecond: number;
  readonly p99Ms: number;
}

/** Webhooks a second that the receiver confirms within 50 ms (p99), against bare adds to the same queue. */
export const webhooks: Scenario = {
  name: 'webhooks',
  run: async (context) => {
    const { steps, adds } = await withParts(async (keep) => {
      // Nothing is signed here, so no registry is needed: port 9 discards.
      const group = await startBenchGroup({ host: '127.0.0.1:9' }, keep);
      await group.services.startReceiver();
      const climbed = await climb(group, context);
      return { steps: climbed, adds: await addBare(group, context) };
    });
    const best = steps.findLast(keepsUp);
    const perSecond = best?.perSecond ?? 0;
    const refused = steps.reduce((sum, { sent, accepted }) => sum + sent - accepted, 0);
    context.log(`webhooks ${perSecond.toFixed(0)}/s, bare adds ${adds.perSecond.toFixed(0)}/s`);
    return {
      title: 'Webhooks a second',
      text: [
        `One receiver, Redis with an append-only file, no worker; every event names another tag. Autocannon sends at a fixed rate over ${connections} connections, faster step by step, until the 99th percentile of the answers passes ${p99MaxMs} ms or the rate is not reached any more. Bare: \`queue.add\` with the same jobs and options, ${connections} at once, in a process that does nothing else.`,
      ],
      ratios: [
        {
          what: `webhooks accepted with p99 below ${p99MaxMs} ms`,
          measured: `${perSecond.toFixed(0)}/s`,
          against: `bare queue.add ${adds.perSecond.toFixed(0)}/s`,
          ratio: perSecond / adds.perSecond,
          aim: '',
          reached: undefined,
        },
      ],
      table: {
        head: ['asked for, a second', 'accepted a second', 'p99, ms'],
        rows: steps.map((step) => [step.rate, step.perSecond.toFixed(0), step.p99Ms]),
      },
      counts: { refused, accepted: steps.reduce((sum, { accepted }) => sum + accepted, 0), added: adds.added },
    };
  },
};

function keepsUp({ rate, perSecond, p99Ms }: Step): boolean {
  return p99Ms <= p99MaxMs && perSecond >= keptUpFrom * rate;
}

async function climb(group: BenchGroup, context: ScenarioContext): Promise<readonly Step[]> {
  const seconds = scaled(5, context, 1);
  const steps: Step[] = [];
  let tags = 0;
  const nextBody = () => {
    tags += 1;
    return acrEventBody({ repository: `prod/app-${tags % repositories}`, tag: `v${tags}` });
  };
  // The first seconds compile code.
  await shoot(group, { rate: firstRate, seconds, nextBody });
  // A tiny run takes one step: it is about whether it works.
  const most = context.scale < 0.1 ? firstRate : rateMax;
  for (let rate = firstRate; rate <= most; rate += rateStep) {
    const step = await shoot(group, { rate, seconds, nextBody });
    steps.push(step);
    if (!keepsUp(step)) break;
  }
  return steps;
}

interface Shot {
  readonly rate: number;
  readonly seconds: number;
  readonly nextBody: () => string;
}

async function shoot({ services }: BenchGroup, { rate, seconds, nextBody }: Shot): Promise<Step> {
  const url = services.webhookUrl(registryName);
  const result = await autocannon({
    url,
    connections,
    overallRate: rate,
    duration: seconds,
    requests: [
      {
        method: 'POST',
        path: new URL(url).pathname,
        headers: { 'content-type': 'application/json' },
        setupRequest: (request) => ({ ...request, body: nextBody() }),
      },
    ],
  });
  const accepted = result['2xx'];
  return {
    rate,
    sent: accepted + result.non2xx + result.errors,
    accepted,
    perSecond: accepted / result.duration,
    p99Ms: result.latency.p99,
  };
}

async function addBare({ redisUrl }: BenchGroup, context: ScenarioContext) {
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null });
  const queue = new Queue<SignJob>(signQueueName, { connection: redis, prefix: signQueuePrefix });
  try {
    const added = scaled(20_000, context, 100);
    const jobs = Array.from({ length: added }, (_, index): SignJob => {
      const cause = { kind: 'push', receivedAt: new Date().toISOString() } as const;
      const repository = `prod/bare-${index % repositories}`;
      return { version: 1, registry: registryName, repository, tag: `v${index}`, lane: 'push', cause };
    });
    const startedAt = performance.now();
    await sideBySide(jobs, connections, (job) => queue.add(job.lane, job, signJobOptions(job)));
    return { added, perSecond: (added / (performance.now() - startedAt)) * 1_000 };
  } finally {
    await queue.close();
    redis.disconnect();
  }
}
