import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startProcess } from '../../infra/processes/start-process.ts';
import { cosignVersion, goProgram } from '../support/go-build.ts';
import { startBenchGroup, startRegistry } from './bench-group.ts';
import { measureService } from './measure-service.ts';
import { type BenchImage, pushImages } from './push-images.ts';
import { type Scenario, scaled } from './scenario.ts';
import { withParts } from './with-parts.ts';

const repositories = 20;
const atOnce = 4;
const timeoutMs = 600_000;

/** Signatures a second of the service, and of the command line that pipelines use: one process an image. */
export const cosign: Scenario = {
  name: 'cosign',
  run: async (context) => {
    const images = scaled(1_000, context, 10);
    const imagesOfCosign = scaled(80, context, 4);
    const { service, byCosign } = await withParts(async (keep) => {
      const { host } = keep(await startRegistry('referrers', context));
      const group = await startBenchGroup({ host }, keep);
      const running = { worker: await group.startWorker(), receiver: await group.services.startReceiver() };
      const warm = await pushImages({ host, name: 'app', repositories, images: Math.ceil(images / 10) });
      await measureService(group, running, warm);
      const ours = await pushImages({ host, name: 'app', repositories, images, firstTag: warm.length });
      const theirs = await pushImages({ host, name: 'cosign', repositories, images: imagesOfCosign });
      const measured = await measureService(group, running, ours);
      return { service: measured, byCosign: await signWithCosign(host, theirs) };
    });
    const perSecond = (images / service.elapsedMs) * 1_000;
    const cosignPerSecond = (imagesOfCosign / byCosign.elapsedMs) * 1_000;
    context.log(`service ${perSecond.toFixed(0)}/s, cosign ${cosignPerSecond.toFixed(1)}/s`);
    return {
      title: 'Against `cosign sign`',
      text: [
        `\`cosign sign --tlog-upload=false\` ${cosignVersion} by \`xargs -P${atOnce}\`, one process an image as in a pipeline, on ${imagesOfCosign} images; the service on ${images}. The same registry with the referrers API, EC_P256 keys in files. They sign in different formats, and cosign does not read back.`,
      ],
      ratios: [
        {
          what: 'signatures, referrers, EC_P256',
          measured: `${perSecond.toFixed(0)}/s`,
          against: `cosign, ${atOnce} at once, ${cosignPerSecond.toFixed(1)}/s`,
          ratio: perSecond / cosignPerSecond,
          aim: '',
          reached: undefined,
        },
      ],
      table: {
        head: ['', 'images', 'seconds', 'a second'],
        rows: [
          ['service', images, (service.elapsedMs / 1_000).toFixed(1), perSecond.toFixed(0)],
          ['cosign', imagesOfCosign, (byCosign.elapsedMs / 1_000).toFixed(1), cosignPerSecond.toFixed(1)],
        ],
      },
      counts: { unsigned: images - service.signed, 'unsigned by cosign': imagesOfCosign - byCosign.signed },
    };
  },
};

/** How long all of them took, and how many bear a signature afterwards. */
async function signWithCosign(
  host: string,
  images: readonly BenchImage[],
): Promise<{ readonly elapsedMs: number; readonly signed: number }> {
  const program = await goProgram('cosign');
  if (program === undefined)
    throw new Error('Go is not installed, and cosign is built by it: install Go 1.26 or newer');
  const directory = await mkdtemp(join(tmpdir(), 'autosign-cosign-'));
  try {
    const env = { COSIGN_PASSWORD: '' };
    await promisify(execFile)(program, ['generate-key-pair'], { cwd: directory, env: { ...process.env, ...env } });
    const startedAt = performance.now();
    const signing = ['sign', '--key', 'cosign.key', '--tlog-upload=false', '--yes'];
    const run = await startProcess({
      command: 'xargs',
      args: [`-P${atOnce}`, '-n1', program, ...signing],
      env,
      directory,
      timeoutMs,
    });
    run.write(images.map(({ repository, digest }) => `${host}/${repository}@${digest}\n`).join(''));
    run.endInput();
    const { code } = await run.exited;
    const elapsedMs = performance.now() - startedAt;
    if (code !== 0) throw new Error(`cosign failed:\n${run.stderr.slice(-20).join('\n')}`);
    return { elapsedMs, signed: await countSignatureTags(host, images) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function countSignatureTags(host: string, images: readonly BenchImage[]): Promise<number> {
  let found = 0;
  for (const { repository, digest } of images) {
    const tag = `${digest.replace(':', '-')}.sig`;
    const answer = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, { method: 'HEAD' });
    if (answer.status === 200) found += 1;
  }
  return found;
}
