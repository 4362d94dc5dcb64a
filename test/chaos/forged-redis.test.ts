import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { pushImage } from '../../infra/images/push-image.ts';
import { ruleIdentity } from '../../src/rules/rule-identity.ts';
import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, canRun, startChaosSetting, type Tagged } from './chaos-setting.ts';
import { faultless } from './checker.ts';
import { type EmulatedCloud, startEmulatedCloud } from './emulated-cloud.ts';
import { forgeries, intendedFor } from './forged-artifacts.ts';
import { openWorker, pushOf, statusesOf } from './open-worker.ts';
import { report } from './report.ts';

const deniedSeed = 'it is on the deny list';
const common = { key: 'release', algorithm: 'ECDSA_SHA_256', tags: { include: ['v*'] } };

describe.skipIf(!canRun)('somebody who writes what Redis keeps for us', () => {
  let cloud: EmulatedCloud;
  let setting: ChaosSetting;
  beforeAll(async () => {
    cloud = await startEmulatedCloud();
    const shared = { host: inject('fallbackHost'), repository: uniqueRepository(), tag: 'v1' };
    const { digest } = await pushImage({ ...shared, kind: 'oci-manifest', seed: deniedSeed });
    setting = await startChaosSetting({
      kms: cloud.kmsAt(cloud.emulator.url),
      moreRules: [
        { ...common, name: 'minimal-images', namespaces: { include: ['minimal'] }, mode: 'minimal', existing: 'sign' },
        { ...common, name: 'new-images', namespaces: { include: ['standing'] }, mode: 'default', existing: 'ignore' },
      ],
      deny: [{ digest, reason: 'leaked credential' }],
    });
  });
  afterAll(async () => {
    await setting?.stop();
    await cloud?.stop();
  });

  const keyUses = () => cloud.emulator.calls.filter(({ action }) => action === 'AsymmetricSign').length;
  const newPlace = (namespace: string): Tagged => ({
    registry: 'fallback',
    repository: uniqueRepository('app', namespace),
    tag: 'v1',
  });

  const cases = ['prod', 'minimal'].flatMap((namespace) => Object.keys(forgeries).map((what) => ({ namespace, what })));
  test.for(cases)(
    'cannot have an artifact pushed $what, nor keep ours away for longer than it stands ($namespace)',
    async ({ namespace, what }, { onTestFinished }) => {
      const startedAt = performance.now();
      const worker = await openWorker(setting, { atEnd: onTestFinished, cloud });
      const [place, elsewhere] = [newPlace(namespace), newPlace(namespace)];
      const { digest } = await setting.push(place);
      const other = await setting.push(elsewhere);
      const intended = await intendedFor(worker, place);
      const forged = await forgeries[what]?.(setting, intended, await intendedFor(worker, elsewhere));
      await worker.redis.set(intended.redisKey, Buffer.from(forged ?? []));
      const before = keyUses();
      expect(await worker.run(pushOf(place))).toMatchObject({
        next: 'give-up',
        error: { code: 'intent-conflict', message: expect.stringMatching(/Redis.*Delete it there/) },
      });
      expect(keyUses()).toBe(before);
      const forbidden = [setting.subject(place, digest), setting.subject(elsewhere, other.digest)];
      expect(await setting.check({ forbidden })).toEqual(faultless);

      await worker.redis.del(intended.redisKey);
      expect(statusesOf(await worker.run(pushOf(place)))).toEqual(['signed']);
      const expected = namespace === 'minimal' ? setting.subject(place, digest) : setting.expected(place, digest);
      const findings = await setting.check({ expected: [expected], forbidden });
      report({
        scenario: `forged artifact ${what} (${namespace})`,
        rounds: 1,
        pushes: 2,
        faults: 1,
        findings,
        startedAt,
      });
      expect(findings).toEqual(faultless);
    },
  );

  // What SECURITY.md says of it: older images are signed, which a reconcile would then sign too, and nothing else.
  test('gets older images signed by completing a baseline, but none that is denied or has no such tag', async ({
    onTestFinished,
  }) => {
    const worker = await openWorker(setting, { atEnd: onTestFinished, cloud });
    const [place, denied] = [newPlace('standing'), newPlace('standing')];
    const { digest } = await setting.push(place);
    const dev = await setting.push({ ...place, tag: 'dev' }, 'under a tag that no rule selects');
    const leaked = await setting.push(denied, deniedSeed);
    const jobs = [place, { ...place, tag: 'dev' }, { ...place, tag: 'v9' }, denied].map((each) => pushOf(each));
    const before = keyUses();
    expect((await worker.run(jobs[0])).next).toBe('sleep');
    const { ruleSet } = worker.state.current();
    const rule = ruleSet.rules.find(({ name }) => name === 'new-images');
    if (rule === undefined) throw new Error('the rules name it');
    const completed = `${worker.prefix}:baseline-complete:${ruleIdentity(ruleSet, rule)}:${place.registry}`;
    await worker.redis.set(completed, new Date().toISOString());

    const outcomes = [];
    for (const job of jobs) outcomes.push(await worker.run(job));
    expect(outcomes.map((verdict) => 'outcome' in verdict && verdict.outcome?.status)).toEqual([
      'examined',
      'no-rule',
      'gone',
      'denied',
    ]);
    expect(keyUses()).toBe(before + 1);
    const forbidden = [setting.subject(place, dev.digest), setting.subject(denied, leaked.digest)];
    expect(await setting.check({ expected: [setting.expected(place, digest)], forbidden })).toEqual(faultless);
  });
});
