import { describe, expect, inject, test } from 'vitest';
import { runAutosign } from '../../infra/demo/autosign.ts';
import { pushBlob, putManifest, type UploadTarget } from '../../infra/images/registry-upload.ts';
import { startRedisCluster } from '../../infra/processes/start-redis-cluster.ts';
import { startReferrersRegistry } from '../../infra/processes/start-referrers-registry.ts';
import { digestOf } from '../../src/domain/digest.ts';
import { mediaTypes } from '../../src/domain/media-types.ts';
import { createLab, type Service } from './lab.ts';
import { waitUntil } from './wait-until.ts';

const registryProgram = inject('registryProgram');
const repositories = 100;
const tagsEach = 20;
const atOnce = 16;
const workers = 3;
// The first third is under way, and the rest is still to come.
const killAfter = Math.floor((repositories * tagsEach) / 3);
const idleTimeoutMs = 180_000;

interface Image {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

// Its length is that of two thousand images on a loaded machine.
describe.skipIf(registryProgram === undefined)(
  'three workers on four queues of a cluster',
  { timeout: 300_000 },
  () => {
    test('2,000 pushes, and a primary dies under them: after one reconcile each image has one signature', async ({
      onTestFinished,
    }) => {
      const cluster = await startRedisCluster();
      onTestFinished(() => cluster.stop());
      const registry = await startReferrersRegistry({ program: registryProgram ?? '' });
      onTestFinished(() => registry.stop());
      const { host } = registry;
      const lab = await createLab({ registries: { lab: host }, redisUrl: cluster.url }, onTestFinished);
      const env = { AUTOSIGN_QUEUES: '4' };
      const started = Array.from({ length: workers }, (_, index) =>
        lab.start('work', { ...env, AUTOSIGN_STATE_DIR: `${lab.directory}/worker-${index}` }),
      );
      const [receiver, ...services] = await Promise.all([lab.start('serve', env), ...started]);

      const pushed: Image[] = [];
      const refused: Image[] = [];
      const names = Array.from({ length: repositories }, () => lab.repository());
      const wanted = Array.from({ length: tagsEach }, (_, index) => names.map((name) => [name, `v${index}`] as const));
      const queue = wanted.flat();
      await Promise.all(names.map((repository) => pushBlobs({ host, repository })));
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
            const [repository, tag] = next;
            const image = { repository, tag, digest: await pushTag({ host, repository }, tag) };
            pushed.push(image);
            if (pushed.length === killAfter) cluster.nodes[1]?.process.kill('SIGKILL');
            const { status } = await receiver.post(image);
            if (status !== 202) refused.push(image);
          }
        }),
      );
      await cluster.nodes[1]?.process.exited;
      // What was answered with 503 is not signed by its push; nor is what the dead primary had not handed on.
      expect(refused.length).toBeLessThan(pushed.length / 2);

      await runAutosign({
        args: ['reconcile', '--wait'],
        env: { ...lab.environment, ...env },
        timeoutMs: idleTimeoutMs,
      });
      const [worker] = services;
      if (worker === undefined) throw new Error('no worker');
      const states = await waitUntil(
        () => queueOf(worker),
        (jobs) => jobs.total === 0,
        idleTimeoutMs,
      );
      expect(states.deadLetters).toBe(0);

      const counts = new Map<number, number>();
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          for (let image = pushed.pop(); image !== undefined; image = pushed.pop()) {
            const count = await referrersOf(host, image);
            counts.set(count, (counts.get(count) ?? 0) + 1);
          }
        }),
      );
      expect(Object.fromEntries(counts)).toEqual({ 1: repositories * tagsEach });
    });
  },
);

const config = Buffer.from(
  JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }),
);
const layer = Buffer.from('one layer for all');

/** What all images of a repository share, so that a further one costs one request. */
async function pushBlobs(target: UploadTarget): Promise<void> {
  await pushBlob(target, config);
  await pushBlob(target, layer);
}

async function pushTag(target: UploadTarget, tag: string): Promise<string> {
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { mediaType: mediaTypes.ociImageConfig, digest: digestOf(config), size: config.length },
      layers: [
        { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestOf(layer), size: layer.length },
      ],
      annotations: { 'test.tag': tag },
    }),
  );
  await putManifest(target, tag, mediaTypes.ociManifest, manifest);
  return digestOf(manifest);
}

async function referrersOf(host: string, { repository, digest }: Image): Promise<number> {
  const answer = await fetch(`http://${host}/v2/${repository}/referrers/${digest}`);
  return ((await answer.json()) as { readonly manifests: readonly unknown[] }).manifests.length;
}

/** What a worker's metrics say of all queues. */
async function queueOf({ url }: Service): Promise<{ readonly total: number; readonly deadLetters: number }> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const sum = (pattern: RegExp) => [...text.matchAll(pattern)].reduce((all, [, count]) => all + Number(count), 0);
  const counted = text.includes('autosign_dead_letters ');
  return {
    total: counted ? sum(/^autosign_queue_jobs\{.*\} (\d+)$/gm) : Number.NaN,
    deadLetters: sum(/^autosign_dead_letters (\d+)$/gm),
  };
}
