import { startProcess } from '../../infra/processes/start-process.ts';

export interface LineProgram<Request, Answer> {
  /** Rejected only when the program itself fails. */
  ask(request: Request): Promise<Answer>;
  stop(): Promise<void>;
}

/** Starts a program that answers one line of JSON for each, with the request's `id` first; it is asked one after another. */
export async function startLineProgram<Request extends object, Answer>(
  command: string,
  answerTimeoutMs: number,
): Promise<LineProgram<Request, Answer>> {
  const started = await startProcess({ command, timeoutMs: answerTimeoutMs });
  let last: Promise<unknown> = Promise.resolve();
  let answers = 0;
  const askNow = async (request: Request): Promise<Answer> => {
    const id = String(++answers);
    started.write(`${JSON.stringify({ id, ...request })}\n`);
    const line = await started.waitForLine((text) => text.startsWith(`{"id":"${id}",`), answerTimeoutMs);
    return JSON.parse(line) as Answer;
  };
  return {
    ask: (request) => {
      const answer = last.then(() => askNow(request));
      last = answer.catch(() => undefined);
      return answer;
    },
    stop: async () => {
      await started.stop();
    },
  };
}
