import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putManifest } from '../../infra/images/registry-upload.ts';
import { waitUntil } from '../e2e/wait-until.ts';
import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, canRun, startChaosSetting } from './chaos-setting.ts';
import { faultless } from './checker.ts';
import { type HttpProxy, startHttpProxy } from './http-proxy.ts';
import { listSignatures } from './read-signatures.ts';
import { report, scale } from './report.ts';

/** Moments of a frozen worker: the name of the request whose answer it does not hear any more. */
const moments = {
  'it has read the tag': { method: 'GET', path: /\/manifests\/v1$/, nth: 1 },
  'it has read the fallback index under the lock': { method: 'GET', path: /\/manifests\/sha256-/, nth: 2 },
  'it has pushed its signature': { method: 'PUT', path: /\/manifests\/sha256:/, nth: 1 },
} as const;

// Each round lasts as long as the lease of a subject's lock, 30 s; the moments run side by side.
describe.skipIf(!canRun)('a worker that freezes past its lock and wakes', () => {
  let setting: ChaosSetting;
  const proxies: HttpProxy[] = [];
  beforeAll(async () => {
    setting = await startChaosSetting();
  });
  afterAll(async () => {
    await setting?.stop();
    await Promise.all(proxies.map((proxy) => proxy.stop()));
  });

  test('takes nothing away from what others have signed meanwhile, and signs nothing twice', async () => {
    const startedAt = performance.now();
    const expected = [];
    const rounds = Math.min(3, scale);
    for (let round = 0; round < rounds; round += 1) {
      const frozen = [];
      // One after another, alone: each takes the one job that is there, and freezes in the middle of it.
      for (const [name, moment] of Object.entries(moments)) frozen.push(await freezeAt(name, moment));
      const rescuer = await setting.group.startWorker('rescuer');
      for (const { place } of frozen) await setting.group.queue.add('push', { ...place, tag: 'v2' });
      const both = frozen.flatMap(({ place, digest }) =>
        ['v1', 'v2'].map((tag) => setting.expected({ ...place, tag }, digest)),
      );
      for (const { place, digest } of frozen) {
        await waitUntil(
          () => listSignatures({ host: setting.registries.fallback.host }, place.repository, digest),
          (signatures) => signatures.length === 2,
          90_000,
        );
      }
      for (const { worker } of frozen) worker.thaw();
      for (const { worker } of frozen) await worker.stop();
      await setting.group.queue.untilIdle();
      await rescuer.stop();
      expected.push(...both);
    }
    const findings = await setting.check({ expected });
    const faults = rounds * Object.keys(moments).length;
    report({ scenario: 'a worker frozen past its lock', rounds, pushes: expected.length, faults, findings, startedAt });
    expect(findings).toEqual(faultless);
  });

  async function freezeAt(name: string, moment: (typeof moments)[keyof typeof moments]) {
    const proxy = await startHttpProxy(setting.registries.fallback.host);
    proxies.push(proxy);
    const worker = await setting.group.startWorker(`frozen ${name}`, { hosts: { fallback: proxy.host } });
    const place = { registry: 'fallback' as const, repository: uniqueRepository('frozen'), tag: 'v1' };
    const image = await setting.push(place);
    const target = { host: setting.registries.fallback.host, repository: place.repository };
    await putManifest(target, 'v2', image.mediaType, image.manifest);
    const asleep = Promise.withResolvers<void>();
    let seen = 0;
    proxy.setPolicy(({ method, path }) => {
      if (method !== moment.method || !moment.path.test(path) || !path.includes(place.repository)) return undefined;
      seen += 1;
      if (seen !== moment.nth) return undefined;
      // The answer waits in the socket of a process that does not run.
      const freeze = () => {
        worker.freeze();
        asleep.resolve();
      };
      return { kind: 'answered', call: freeze };
    });
    await setting.group.queue.add('push', place);
    await asleep.promise;
    return { worker, place, digest: image.digest };
  }
});
