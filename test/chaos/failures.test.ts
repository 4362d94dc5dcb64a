import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reconcileRegistry } from '../../src/backfill/reconcile.ts';
import { nextStepOf } from '../../src/domain/errors.ts';
import { builtFormats } from '../../src/formats/built-formats.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { systemClock } from '../../src/ports/clock.ts';
import type { SignJob } from '../../src/queue/sign-job.ts';
import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, canRun, registryNames, startChaosSetting, type Tagged } from './chaos-setting.ts';
import { type Expected, faultless } from './checker.ts';
import { type EmulatedCloud, startEmulatedCloud } from './emulated-cloud.ts';
import { corrupted, type Fault, throttled } from './fault.ts';
import { type HttpProxy, startHttpProxy } from './http-proxy.ts';
import { type AtEnd, type OpenWorker, openWorker, pushOf, statusesOf } from './open-worker.ts';
import { places, registryFaults } from './registry-faults.ts';
import { report } from './report.ts';
import { type SpoiltRepositories, spoilRepositories } from './spoil-repositories.ts';

describe.skipIf(!canRun)('a registry in trouble', () => {
  let cloud: EmulatedCloud;
  let realm: HttpProxy;
  let setting: ChaosSetting;
  let spoilt: SpoiltRepositories;
  beforeAll(async () => {
    cloud = await startEmulatedCloud();
    realm = await startHttpProxy(cloud.emulator.host);
    const login = { ...cloud.robot, realm: `${realm.url}/auth` };
    // The registries ask for no login; a fault may.
    setting = await startChaosSetting({ logins: { fallback: login, referrers: login } });
    spoilt = spoilRepositories(registryNames.map((name) => setting.proxies[name]));
  });
  afterAll(async () => {
    await setting?.stop();
    await realm?.stop();
    await cloud?.stop();
  });

  const newPlace = (registry: Tagged['registry']): Tagged => ({ registry, repository: uniqueRepository(), tag: 'v1' });

  /** Pushes an image; gives where it is and the signature that it is to have. */
  async function pushNew(registry: Tagged['registry']) {
    const place = newPlace(registry);
    const { digest } = await setting.push(place);
    return { place, expected: setting.expected(place, digest) };
  }

  /** A worker that knows its registry, as every worker does after its first image. */
  async function openWarmWorker(registry: Tagged['registry'], atEnd: AtEnd) {
    const worker = await openWorker(setting, { atEnd, cloud });
    const { place } = await pushNew(registry);
    expect(statusesOf(await worker.run(pushOf(place)))).toEqual(['signed']);
    return worker;
  }

  /** When requests about this repository came, in milliseconds, each met by `fault`. */
  function timesOf(place: Tagged, fault: Fault, faults = Number.POSITIVE_INFINITY) {
    const times: number[] = [];
    spoilt.spoil(place, () => {
      times.push(performance.now());
      return times.length <= faults ? fault : undefined;
    });
    return times;
  }

  const cases = registryNames.flatMap((registry) => registryFaults.map((row) => ({ ...row, registry })));
  test.concurrent.for(cases)(
    'that answers $name ends a job as $next, $code, and its image is signed afterwards ($registry)',
    async ({ registry, at, ...row }, { onTestFinished }) => {
      const startedAt = performance.now();
      const worker = await openWarmWorker(registry, onTestFinished);
      const meet = async (where: keyof typeof places): Promise<Expected> => {
        const { place, expected } = await pushNew(registry);
        spoilt.spoil(place, (request) => (places[where](request) ? row.fault : undefined));
        const verdict = await worker.runUnwarned(pushOf(place));
        expect({ where, ...verdict }).toMatchObject({
          where,
          next: row.next,
          error: { code: row.code, message: expect.stringMatching(row.message) },
        });
        spoilt.heal(place);
        const healed = statusesOf(await worker.runUnwarned(pushOf(place)));
        expect({ where, healed }).toEqual({ where, healed: [expect.stringMatching(/^(already-)?signed$/)] });
        return expected;
      };
      const expected = await Promise.all(at.map(meet));
      expect(nextStepOf(row.code)).toMatch(/^[A-Z]\w+ .*\.$/);
      const findings = await setting.check({ expected });
      const scenario = `${row.name} (${registry})`;
      report({ scenario, rounds: at.length, pushes: at.length, faults: at.length, findings, startedAt });
      expect(findings).toEqual(faultless);
    },
  );

  describe.each(registryNames)('(%s)', (registry) => {
    test('that denies a tag for a moment ends its job as gone, and reconcile finds the image', async ({
      onTestFinished,
    }) => {
      const worker = await openWarmWorker(registry, onTestFinished);
      const { place, expected } = await pushNew(registry);
      spoilt.spoil(place, () => ({ kind: 'answer', status: 404 }));
      expect(await worker.run(pushOf(place))).toMatchObject({ next: 'done', outcome: { status: 'gone' } });
      spoilt.heal(place);

      const queued = (await reconcile(worker, registry)).filter(({ repository }) => repository === place.repository);
      expect(queued).toMatchObject([{ ...place, lane: 'backfill', cause: { kind: 'reconcile' } }]);
      expect(statusesOf(await worker.run(queued[0]))).toEqual(['signed']);
      expect(await setting.check({ expected: [expected] })).toEqual(faultless);
    });

    test('that damages a signature it holds, or leaves it out of a list, gets no second one', async ({
      onTestFinished,
    }) => {
      const worker = await openWarmWorker(registry, onTestFinished);
      const { place, expected } = await pushNew(registry);
      await worker.run(pushOf(place));

      spoilt.spoil(place, (request) => (places['the envelope read back'](request) ? corrupted : undefined));
      expect(await worker.run(pushOf(place))).toMatchObject({ next: 'retry', error: { code: 'digest-mismatch' } });
      // The list of the API has no digest that tells; the fallback index has.
      spoilt.spoil(place, (request) => (places['the list of referrers'](request) ? withoutEntries : undefined));
      expect((await worker.run(pushOf(place))).next).toBe('retry');
      spoilt.heal(place);
      expect(statusesOf(await worker.run(pushOf(place)))).toEqual(['already-signed']);
      expect(await setting.check({ expected: [expected] })).toEqual(faultless);
    });

    test('that asks for a second gets it within the job', async ({ onTestFinished }) => {
      const worker = await openWarmWorker(registry, onTestFinished);
      const { place, expected } = await pushNew(registry);
      const times = timesOf(place, throttled(1), 1);
      expect(statusesOf(await worker.run(pushOf(place)))).toEqual(['signed']);
      const [first = 0, second = 0] = times;
      expect(second - first).toBeGreaterThanOrEqual(1_000);
      expect(worker.alarms).toEqual([]);
      expect(await setting.check({ expected: [expected] })).toEqual(faultless);
    });

    test('that asks for half a minute is asked nothing by anybody until then, and other registries go on', async ({
      onTestFinished,
    }) => {
      const worker = await openWarmWorker(registry, onTestFinished);
      const images = await Promise.all(Array.from({ length: 10 }, () => pushNew(registry)));
      const other = await pushNew(registry === 'fallback' ? 'referrers' : 'fallback');
      const times = images.map(({ place }) => timesOf(place, throttled(30)));
      const [first] = images;
      expect(await worker.run(pushOf(first?.place ?? newPlace(registry)))).toMatchObject({
        next: 'retry',
        error: { code: 'registry-throttled', retryAfterMs: 30_000 },
      });
      for (let passed = 0; passed < 29; passed += 1) {
        const verdicts = await Promise.all(images.map(({ place }) => worker.run(pushOf(place))));
        expect(verdicts).toEqual(images.map(() => expect.objectContaining({ next: 'sleep' })));
        worker.pass(1_000);
      }
      expect(times.flat()).toHaveLength(1);
      expect(statusesOf(await worker.run(pushOf(other.place)))).toEqual(['signed']);

      for (const { place } of images) spoilt.heal(place);
      worker.pass(2_000);
      for (const { place } of images) expect(statusesOf(await worker.run(pushOf(place)))).toEqual(['signed']);
      expect(worker.alarms).toEqual([`registry ${registry} paused`, `registry ${registry} works`]);
      const expected = [...images, other].map((image) => image.expected);
      expect(await setting.check({ expected })).toEqual(faultless);
    });

    test('that refuses every token is asked twice, and only that image ends', async ({ onTestFinished }) => {
      const worker = await openWarmWorker(registry, onTestFinished);
      const { place, expected } = await pushNew(registry);
      realm.forget();
      const times = timesOf(place, challengeOf(cloud, `${realm.url}/auth`));
      expect(await worker.run(pushOf(place))).toMatchObject({
        next: 'give-up',
        error: { code: 'registry-denied', message: expect.stringMatching(/answered 401; give the login/) },
      });
      expect(times).toHaveLength(2);
      expect(realm.requests).toHaveLength(1);
      expect(worker.alarms).toEqual([]);
      spoilt.heal(place);
      expect(statusesOf(await worker.run(pushOf(place)))).toEqual(['signed']);
      expect(await setting.check({ expected: [expected] })).toEqual(faultless);
    });

    test.for([
      ['whose realm refuses the login', 401, '/auth', /the realm refuses the login/],
      ['that names a realm we do not know', undefined, '/elsewhere', /which is not configured.*registries\[\]\.realms/],
    ] as const)('%s is paused with one alarm, and goes on by itself', async (row, { onTestFinished }) => {
      const [, status, path, message] = row;
      const worker = await openWarmWorker(registry, onTestFinished);
      const images = await Promise.all(Array.from({ length: 5 }, () => pushNew(registry)));
      const times = images.map(({ place }) => timesOf(place, challengeOf(cloud, `${realm.url}${path}`)));
      realm.setPolicy(() => (status === undefined ? undefined : { kind: 'answer', status }));
      const verdicts = [];
      for (const { place } of images) verdicts.push(await worker.run(pushOf(place)));
      expect(verdicts).toEqual(
        images.map(() => expect.objectContaining({ next: 'sleep', reason: expect.stringMatching(message) })),
      );
      expect(times.flat()).toHaveLength(1);
      expect(worker.alarms).toEqual([`registry ${registry} paused`]);

      realm.setPolicy(undefined);
      for (const { place } of images) spoilt.heal(place);
      worker.pass(1_000);
      for (const { place } of images) expect(statusesOf(await worker.run(pushOf(place)))).toEqual(['signed']);
      expect(worker.alarms).toEqual([`registry ${registry} paused`, `registry ${registry} works`]);
      expect(await setting.check({ expected: images.map(({ expected }) => expected) })).toEqual(faultless);
    });
  });

  /** Walks a registry as the service does; gives what it would queue. */
  async function reconcile(worker: OpenWorker, registry: Tagged['registry']): Promise<readonly SignJob[]> {
    const { ruleSet, keyRing, registries } = worker.state.current();
    const access = registries.get(registry);
    if (access === undefined) throw new Error(`the rules name ${registry}`);
    const queued: SignJob[] = [];
    await reconcileRegistry({
      access,
      ruleSet,
      keyRing,
      baseline: worker.baseline,
      marks: worker.marks,
      formats: builtFormats,
      clock: systemClock,
      add: async (job) => void queued.push(job),
      deadLetters: { keepNewest: async () => undefined, takeAway: async () => undefined },
      concurrency: 4,
      logger: createLogger({ level: 'silent' }),
      signal: new AbortController().signal,
    });
    return queued;
  }
});

/** A list of referrers that is well formed and names none. */
const withoutEntries: Fault = {
  kind: 'rewrite',
  body: (body) => {
    const index = JSON.parse(Buffer.from(body).toString('utf8'));
    return Buffer.from(JSON.stringify({ ...index, ...('manifests' in index && { manifests: [] }) }));
  },
};

/** Wants a token from `realm`, whatever the request carries. */
function challengeOf({ emulator }: EmulatedCloud, realm: string): Fault {
  const challenge = `Bearer realm="${realm}",service="${emulator.tokenService.service}"`;
  return { kind: 'answer', status: 401, headers: { 'www-authenticate': challenge } };
}
