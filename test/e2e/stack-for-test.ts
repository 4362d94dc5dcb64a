import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAutosign } from '../../infra/demo/autosign.ts';
import { type Stack, type StackOptions, startStack } from '../../infra/demo/stack.ts';
import type { RunningProcess } from '../../infra/processes/start-process.ts';

export interface TestStack extends Stack {
  readonly directory: string;
  /** A further worker on the same queue. */
  startWorker(name: string): Promise<RunningProcess>;
  /** Every worker that was started. */
  workers(): readonly RunningProcess[];
  /** Posts ACR's webhook body; answers status and body. */
  post(image: { readonly repository: string; readonly tag: string; readonly digest?: string }): Promise<{
    readonly status: number;
    readonly body: { readonly queued?: boolean; readonly reason?: string; readonly error?: string };
  }>;
}

const workerTimeoutMs = 60_000;

/** The whole service as the demo starts it, each part a process, in a directory that `stop` removes. */
export async function startTestStack(options: Omit<StackOptions, 'directory'>): Promise<TestStack> {
  const directory = await mkdtemp(join(tmpdir(), 'autosign-e2e-'));
  const workers: RunningProcess[] = [];
  const stack = await startStack({ ...options, directory });
  return {
    ...stack,
    directory,
    startWorker: async (name) => {
      const worker = await startAutosign({
        args: ['work'],
        env: { ...stack.environment, ...stack.cloud.workerEnvironment, AUTOSIGN_STATE_DIR: join(directory, name) },
        logFile: join(directory, `${name}.log`),
      });
      workers.push(worker);
      await worker.waitForLine((line) => line.includes('"worker takes jobs"'), workerTimeoutMs);
      return worker;
    },
    workers: () => [stack.processes.work, ...workers],
    post: ({ repository, tag, digest }) => postWebhook(stack.webhookUrl, { repository, tag, digest }),
    stop: async () => {
      await Promise.all(workers.map((worker) => worker.stop()));
      await stack.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function postWebhook(url: string, image: { repository: string; tag: string; digest: string | undefined }) {
  const slash = image.repository.indexOf('/');
  const body = {
    push_data: { tag: image.tag, pushed_at: '2026-01-01 08:00:00', ...(image.digest && { digest: image.digest }) },
    repository: {
      name: image.repository.slice(slash + 1),
      namespace: image.repository.slice(0, slash),
      repo_full_name: image.repository,
      region: 'cn-hangzhou',
    },
  };
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return {
    status: answer.status,
    body: (await answer.json()) as { queued?: boolean; reason?: string; error?: string },
  };
}
