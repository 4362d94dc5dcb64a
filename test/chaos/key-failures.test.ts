import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { sample } from '../emulator/sample-config.ts';
import type { Emulator } from '../emulator/start-emulator.ts';
import { openQueue } from '../integration/worker/open-queue.ts';
import { uniqueRepository } from '../support/names.ts';
import { signingKey } from '../support/signing-keys.ts';
import { type ChaosSetting, canRun, startChaosSetting, type Tagged } from './chaos-setting.ts';
import { faultless } from './checker.ts';
import { type EmulatedCloud, startEmulatedCloud } from './emulated-cloud.ts';
import { type HttpProxy, startHttpProxy } from './http-proxy.ts';
import { openWorker, pushOf, statusesOf } from './open-worker.ts';
import { report, scale } from './report.ts';

interface KeyFault {
  readonly name: string;
  readonly spoil: (emulator: Emulator) => unknown;
  readonly reason: RegExp;
}

const forEver = 1_000_000;

function failing(action: string, status: number, code: string) {
  return (emulator: Emulator) => {
    // Only who has no session asks for one.
    if (action === 'AssumeRole') emulator.expireSessions();
    emulator.faults.failNext = { count: forEver, status, code, action };
  };
}

const keyFaults: readonly KeyFault[] = [
  {
    name: 'KMS throttled',
    spoil: ({ faults }) => Object.assign(faults, { throttleNext: forEver }),
    reason: /Rejected\.Throttling.*tried again more slowly. Raise the KMS quota if it lasts/,
  },
  {
    name: 'KMS and STS down',
    spoil: ({ faults }) => Object.assign(faults, { down: true }),
    reason: /no usable answer.*Check that this machine reaches the endpoint/,
  },
  {
    name: 'KMS out of order',
    spoil: failing('AsymmetricSign', 503, 'ServiceUnavailableTemporary'),
    reason: /ServiceUnavailableTemporary.*look at the status of the service/,
  },
  {
    name: 'a wrong signature',
    spoil: ({ faults }) => Object.assign(faults, { wrongSignatureNext: forEver }),
    reason: /not its signature .*Compare publicKeyFile with the key version in KMS/,
  },
  {
    name: 'the key disabled',
    spoil: (emulator) => emulator.setKeyState(sample.keys.EC_P256, 'Disabled'),
    reason: /Rejected\.Disabled.*Enable the key in the KMS console/,
  },
];

// The session is over too: the first job finds that out, and the next one asks STS.
const sessionFaults: readonly KeyFault[] = [
  {
    name: 'the role refused',
    spoil: failing('AssumeRole', 403, 'NoPermission'),
    reason: /add to the role's trust policy.*"RAM":\["acs:ram::1234567890123456:user\/autosign-worker"\]/,
  },
  {
    name: 'STS throttled',
    spoil: failing('AssumeRole', 400, 'Throttling.User'),
    reason: /AssumeRole .*Throttling\.User/,
  },
  {
    name: 'STS out of order',
    spoil: failing('AssumeRole', 500, 'InternalError'),
    reason: /AssumeRole .*InternalError/,
  },
];

describe.skipIf(!canRun)('a key in trouble', () => {
  let cloud: EmulatedCloud;
  let kms: HttpProxy;
  let setting: ChaosSetting;
  beforeAll(async () => {
    cloud = await startEmulatedCloud();
    kms = await startHttpProxy(cloud.emulator.host);
    const { publicKeySha256 } = signingKey('EC_P256');
    const files = { publicKeyFile: 'release.pub.pem', certificateChain: 'release.crt.pem', publicKeySha256 };
    setting = await startChaosSetting({
      kms: cloud.kmsAt(kms.url),
      moreKeys: [{ name: 'other', spec: 'EC_P256', local: { privateKeyFile: 'release.pem' }, ...files }],
      moreRules: [{ ...otherRule, key: 'other' }],
    });
  });
  afterAll(async () => {
    await setting?.stop();
    await kms?.stop();
    await cloud?.stop();
  });
  afterEach(heal);

  function heal() {
    const { emulator } = cloud;
    Object.assign(emulator.faults, { throttleNext: 0, failNext: undefined, wrongSignatureNext: 0, down: false });
    emulator.setKeyState(sample.keys.EC_P256, 'Enabled');
    kms.setPolicy(undefined);
  }

  /** Pushes images; gives where they are, the signatures they are to have, and what must not be signed meanwhile. */
  async function pushImages(count: number, namespace = 'prod', registry: Tagged['registry'] = 'referrers') {
    const images = Array.from({ length: count }, async () => {
      const place: Tagged = { registry, repository: uniqueRepository('app', namespace), tag: 'v1' };
      const { digest } = await setting.push(place);
      return { place, expected: setting.expected(place, digest), subject: setting.subject(place, digest) };
    });
    return await Promise.all(images);
  }

  async function openWarmWorker(atEnd: (end: () => Promise<void>) => void) {
    const worker = await openWorker(setting, { atEnd, cloud });
    for (const { place } of await pushImages(1))
      expect(statusesOf(await worker.run(pushOf(place)))).toEqual(['signed']);
    kms.forget();
    return worker;
  }

  test.for([
    ...keyFaults.map((fault) => ({ ...fault, turnsToTell: 1 })),
    ...sessionFaults.map((fault) => ({ ...fault, turnsToTell: 3 })),
  ])(
    '$name: all its jobs sleep, one alarm, few requests; other keys go on, and so does it afterwards',
    async ({ name, spoil, reason, turnsToTell }, { onTestFinished }) => {
      const startedAt = performance.now();
      const worker = await openWarmWorker(onTestFinished);
      const images = await pushImages(8);
      const [other, ...others] = await pushImages(3, 'other');
      spoil(cloud.emulator);
      for (let turn = 1; turn <= 4; turn += 1) {
        const verdicts = await Promise.all(images.map(({ place }) => worker.run(pushOf(place))));
        expect(verdicts.map(({ next }) => next)).toEqual(images.map(() => 'sleep'));
        const told = verdicts.filter((verdict) => verdict.next === 'sleep' && reason.test(verdict.reason));
        if (turn >= turnsToTell) expect(told).toHaveLength(images.length);
        // The jobs of the first turn were under way together; then one tries for all, with three requests at most.
        if (turn === 1) kms.forget();
        expect(kms.requests.length).toBeLessThanOrEqual(3);
        kms.forget();
        worker.pass(10_000);
      }
      expect(worker.alarms).toEqual(['key release paused']);
      expect(await setting.check({ forbidden: images.map(({ subject }) => subject) })).toEqual(faultless);
      if (other === undefined) throw new Error('one was pushed');
      expect(statusesOf(await worker.run(pushOf(other.place)))).toEqual(['signed']);

      heal();
      worker.pass(15_000);
      for (const { place } of images) expect(statusesOf(await worker.run(pushOf(place)))).toEqual(['signed']);
      for (const { place } of others) expect(statusesOf(await worker.run(pushOf(place)))).toEqual(['signed']);
      expect(worker.alarms).toEqual(['key release paused', 'key release works']);
      const expected = [...images, other, ...others].map((image) => image.expected);
      const findings = await setting.check({ expected });
      report({ scenario: name, rounds: 1, pushes: expected.length, faults: 1, findings, startedAt });
      expect(findings).toEqual(faultless);
    },
  );

  test('a session that is over costs one turn, and nobody has to do anything', async ({ onTestFinished }) => {
    const worker = await openWarmWorker(onTestFinished);
    const [image] = await pushImages(1);
    if (image === undefined) throw new Error('one was pushed');
    cloud.emulator.expireSessions();
    expect(await worker.run(pushOf(image.place))).toMatchObject({
      next: 'sleep',
      reason: expect.stringMatching(/InvalidSecurityToken\.Expired/),
    });
    worker.pass(1_000);
    expect(statusesOf(await worker.run(pushOf(image.place)))).toEqual(['signed']);
    expect(await setting.check({ expected: [image.expected] })).toEqual(faultless);
  });

  test('a role that is refused from the beginning pauses the key until it is let in', async ({ onTestFinished }) => {
    failing('AssumeRole', 403, 'NoPermission')(cloud.emulator);
    const worker = await openWorker(setting, { atEnd: onTestFinished, cloud });
    const [image] = await pushImages(1);
    if (image === undefined) throw new Error('one was pushed');
    const reason = expect.stringMatching(/add to the role's trust policy/);
    expect(await worker.run(pushOf(image.place))).toMatchObject({ next: 'sleep', reason });
    heal();
    await worker.state.update();
    expect(statusesOf(await worker.run(pushOf(image.place)))).toEqual(['signed']);
    expect(await setting.check({ expected: [image.expected] })).toEqual(faultless);
  });

  test('a KMS that asks for five seconds is asked nothing by anybody until then', async ({ onTestFinished }) => {
    const worker = await openWarmWorker(onTestFinished);
    const images = await pushImages(5);
    const body = JSON.stringify({ Code: 'Rejected.Throttling', Message: 'QPS Limit Exceeded', RequestId: '1' });
    kms.setPolicy(() => ({ kind: 'answer', status: 400, headers: { 'x-acs-retry-after': '5000' }, body }));
    const [first] = images;
    expect(await worker.run(pushOf(first?.place ?? otherPlace))).toMatchObject({ next: 'sleep', afterMs: 5_000 });
    for (let passed = 0; passed < 4; passed += 1) {
      for (const { place } of images) expect((await worker.run(pushOf(place))).next).toBe('sleep');
      worker.pass(1_000);
    }
    expect(kms.requests).toHaveLength(1);
    heal();
    worker.pass(1_000);
    for (const { place } of images) expect(statusesOf(await worker.run(pushOf(place)))).toEqual(['signed']);
    expect(await setting.check({ expected: images.map(({ expected }) => expected) })).toEqual(faultless);
  });

  const atOnce = 4;
  test.for([
    // The first failure of a key pauses it; those under way with it fail too.
    { what: 'KMS', finders: atOnce, tries: 1 },
    // Three images in a row must fail before it is the registry's fault, so two more begin; each request has three tries.
    { what: 'registry', finders: atOnce + 2, tries: 3 },
  ] as const)(
    'a queue whose $what is down for a while is empty soon after, without an attempt too many',
    async ({ what, finders, tries }, { onTestFinished }) => {
      const startedAt = performance.now();
      const worker = await openWarmWorker(onTestFinished);
      const { queue, inspect, startWorker, until, jobOf } = openQueue(setting.redis.url);
      const proxy = what === 'KMS' ? kms : setting.proxies.fallback;
      const images = await pushImages(20, 'prod', 'fallback');
      const others = await pushImages(3, 'other');
      proxy.forget();
      proxy.setPolicy(() => ({ kind: 'cut', at: 'request' }));
      onTestFinished(() => proxy.setPolicy(undefined));
      const downSince = performance.now();
      startWorker(worker.run, { concurrency: atOnce });
      for (const { place } of images) await queue.add(pushOf(place));
      const ids = [];
      for (const { place } of others) ids.push((await queue.add(pushOf(place))).id);
      await until('completed', others.length);
      await sleep(1_000 * scale);

      // After those that found out, one job a second at the most tries for all.
      const turnsMax = Math.ceil((performance.now() - downSince) / 1_000);
      expect(proxy.requests.length).toBeLessThanOrEqual((finders + turnsMax) * tries);
      expect(await inspect.getJobCounts('failed', 'completed')).toEqual({ failed: 0, completed: others.length });
      proxy.setPolicy(undefined);
      await until('completed', images.length + others.length);

      const paused = what === 'KMS' ? 'key release' : 'registry fallback';
      expect(worker.alarms).toEqual([`${paused} paused`, `${paused} works`]);
      // A job that only waits uses no attempt; those that found the registry away have used one each time.
      for (const id of ids) expect((await jobOf(id)).attemptsMade).toBe(1);
      const expected = [...images, ...others].map((image) => image.expected);
      const findings = await setting.check({ expected });
      const scenario = `${what} down under load`;
      report({ scenario, rounds: 1, pushes: expected.length, faults: proxy.requests.length, findings, startedAt });
      expect(findings).toEqual(faultless);
    },
  );
});

/** Images of another key in the same registries. */
const otherRule = {
  name: 'other-images',
  namespaces: { include: ['other'] },
  mode: 'default',
  existing: 'sign',
  algorithm: 'ECDSA_SHA_256',
};
const otherPlace: Tagged = { registry: 'referrers', repository: 'other/none', tag: 'v1' };
