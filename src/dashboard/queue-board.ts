import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import helmet from '@fastify/helmet';
import type { Queue } from 'bullmq';
import type { FastifyInstance } from 'fastify';
import type { Logger } from '../observability/logger.ts';
import { SignJob } from '../queue/sign-job.ts';
import type { DashboardLimits } from './dashboard-limits.ts';
import { refuse } from './refuse.ts';
import { boardHeaders } from './security-headers.ts';

export interface QueueBoardOptions {
  /** Queues of one name, each with a prefix of its own. */
  readonly queues: readonly Queue[];
  readonly logger: Logger;
  readonly limits: DashboardLimits;
}

/**
 * bull-board below `prefix`, to look at. It can add jobs and edit them, and whoever adds a job decides where a worker
 * looks; so it is told to be read-only, and here, before it, nothing gets through but what reads.
 */
export async function addQueueBoard(app: FastifyInstance, prefix: string, options: QueueBoardOptions): Promise<void> {
  const { queues, logger, limits } = options;
  const serverAdapter = new FastifyAdapter();
  serverAdapter.setBasePath(`/ops${prefix}`);
  createBullBoard({
    queues: queues.map(readOnly),
    serverAdapter,
    options: {
      uiConfig: {
        boardTitle: 'acr-autosign',
        hideDocsLink: true,
        miscLinks: [{ text: 'Overview and dead letters', url: '/ops' }],
      },
    },
  });

  await app.register(async (board) => {
    await board.register(helmet, boardHeaders);
    board.addHook('onRequest', async (request, reply) => {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        reply.header('allow', 'GET, HEAD');
        return refuse(request, reply, 405, 'The queues are here to be looked at; nothing is changed here.');
      }
      const { jobsPerPage } = request.query as { readonly jobsPerPage?: unknown };
      const jobs = Number(jobsPerPage ?? 1);
      if (!(jobs >= 1 && jobs <= limits.boardJobsMax)) {
        return refuse(request, reply, 400, `A page has ${limits.boardJobsMax} jobs at most.`);
      }
      return undefined;
    });
    board.addHook('onError', async (_request, _reply, error) => {
      logger.error({ err: error }, 'ops: the queues could not be shown');
    });
    // bull-board answers with the error's own text.
    board.addHook('onSend', async (_request, reply, payload) =>
      reply.statusCode >= 500 ? JSON.stringify({ error: { key: 'ERRORS.INTERNAL_SERVER_ERROR' } }) : payload,
    );
    await board.register(serverAdapter.registerPlugin(), { prefix });
  });
}

function readOnly(queue: Queue): BullMQAdapter {
  // `{autosign-0}` is a name only without its braces, in an address too.
  const name = queue.opts.prefix?.replace(/^\{(.*)\}$/, '$1') ?? '';
  const adapter = new BullMQAdapter(queue, {
    readOnlyMode: true,
    allowRetries: false,
    prefix: `${name}.`,
    displayName: name,
    description: 'Sign jobs: where to look, never what to sign',
  });
  // Whoever can write to Redis can have written anything: shown is what a job of ours consists of.
  adapter.setFormatter('data', (data) => {
    const job = SignJob.safeParse(data);
    return job.success ? job.data : { hidden: 'not a job of this release' };
  });
  adapter.setFormatter('name', ({ name: lane }) => (lane === 'push' || lane === 'backfill' ? lane : 'unknown'));
  adapter.setFormatter('progress', () => 0);
  return adapter;
}
