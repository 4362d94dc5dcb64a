import { expect, inject, test } from 'vitest';
import { pushImage } from '../../infra/images/push-image.ts';
import { startRedis } from '../../infra/processes/start-redis.ts';
import { createLab, signaturesOf, untilSigned } from './lab.ts';

const host = inject('fallbackHost');

test('processes that count the queues otherwise, as while the number is changed, sign every push once', async ({
  onTestFinished,
}) => {
  const redis = await startRedis({ appendOnly: false });
  onTestFinished(() => redis.stop());
  const lab = await createLab({ registries: { lab: host }, redisUrl: redis.url }, onTestFinished);
  const start = (command: 'serve' | 'work', queues: number) =>
    lab.start(command, {
      AUTOSIGN_QUEUES: String(queues),
      AUTOSIGN_STATE_DIR: `${lab.directory}/${command}-${queues}`,
    });
  // Both workers stand, so neither finds the images by itself when it starts.
  const workers = await Promise.all([start('work', 1), start('work', 4)]);
  const receivers = await Promise.all([start('serve', 1), start('serve', 8)]);
  const images = await Promise.all(
    Array.from({ length: 24 }, async () => {
      const repository = lab.repository();
      return { repository, image: await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' }) };
    }),
  );

  const answers = await Promise.all(
    images.flatMap(({ repository }) => receivers.map((receiver) => receiver.post({ repository }))),
  );

  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
  await Promise.all(images.map(({ repository, image }) => untilSigned(host, repository, image)));
  await Promise.all(workers.map((worker) => worker.process.stop()));
  const counts = await Promise.all(images.map(({ repository, image }) => signaturesOf(host, repository, image)));
  expect(counts).toEqual(images.map(() => 1));
});
