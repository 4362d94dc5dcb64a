import { globSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBenchGroup, startRegistry } from './bench-group.ts';
import { summariseProfile } from './cpu-profile.ts';
import { measureService } from './measure-service.ts';
import { pushImages } from './push-images.ts';
import { type Scenario, scaled } from './scenario.ts';
import { withParts } from './with-parts.ts';

const repositories = 20;
// What comes after these is below half a percent.
const ownersShown = 25;

/** Where the worker's thread spends its time under load. */
export const profile: Scenario = {
  name: 'profile',
  run: async (context) => {
    const images = scaled(2_000, context, 20);
    const directory = await mkdtemp(join(tmpdir(), 'autosign-profile-'));
    try {
      const run = await withParts(async (keep) => {
        const { host } = keep(await startRegistry('referrers', context));
        const options = `--cpu-prof --cpu-prof-dir=${directory}`;
        const group = await startBenchGroup({ host, workerEnvironment: { NODE_OPTIONS: options } }, keep);
        const running = { worker: await group.startWorker(), receiver: await group.services.startReceiver() };
        return await measureService(group, running, await pushImages({ host, name: 'app', repositories, images }));
      });
      // Written when the worker has ended, which it has: a group stops its services.
      const [file = ''] = globSync(join(directory, '*.cpuprofile'));
      const { busyMs, owners } = await summariseProfile(file);
      context.log(`busy ${(busyMs / images).toFixed(2)} ms an image`);
      return {
        title: 'Profile of the worker under load',
        text: [
          `\`node --cpu-prof\` of one worker that signs ${images} images (referrers API, EC_P256) as fast as it can, from the first signature on: ${(busyMs / images).toFixed(2)} ms an image on its main thread. Time counts for the nearest caller that is a function of ours or a package, so what sockets, files and cryptography take stands with who asked for it.`,
        ],
        ratios: [],
        table: {
          head: ['spent for', 'share'],
          rows: owners.slice(0, ownersShown).map(({ name, share }) => [`\`${name}\``, `${(share * 100).toFixed(1)} %`]),
        },
        counts: { unsigned: images - run.signed, owners: owners.length },
      };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};
