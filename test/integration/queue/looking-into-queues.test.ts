import { expect, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import type { JobVerdict } from '../../../src/worker/process-job.ts';
import { waitUntil } from '../../e2e/wait-until.ts';
import { done } from '../worker/open-queue.ts';
import { numbersIn, openQueues, pushOf } from './open-queues.ts';

const refused: JobVerdict = { next: 'give-up', error: new AutosignError('registry-denied', 'no') };
const imageOf = (number: number) => ({ registry: 'lab', repository: `prod/app-${number}`, tag: 'v1' });

test('tells of the jobs of four queues how each ended, each in its place', async () => {
  const { openProcess } = openQueues();
  const { queue, queues, ends, startWorkers } = openProcess(4);
  // Each queue numbers its jobs from 1 on, so the same numbers stand in all of them.
  const numbers = [3, 0, 2, 1].flatMap((index) => numbersIn(queues, index, 2));
  const added = async (number: number) => ({ ...imageOf(number), ...(await queue.add(pushOf(number))) });
  const jobs = await Promise.all(numbers.map(added));
  expect(await ends.read(jobs)).toEqual(numbers.map(() => undefined));
  const failing = new Set(numbers.filter((_, position) => position % 3 === 0));
  const isFailing = (data: unknown) => failing.has(Number((data as SignJob).repository.replace('prod/app-', '')));
  startWorkers(async (data) => (isFailing(data) ? refused : done));
  const read = await waitUntil(
    () => ends.read(jobs),
    (all) => all.every((end) => end !== undefined),
  );
  expect(read.map((end) => end?.status === 'failed')).toEqual(numbers.map((number) => failing.has(number)));
  const unknown = ['1-4711', '99-1', '4711'].map((id) => ({ ...imageOf(0), id }));
  expect(await ends.read(unknown)).toEqual(unknown.map(() => ({ status: 'gone' })));
});

test('finds the job and the dead letter of an image in whichever queue', async () => {
  const { openProcess } = openQueues();
  const { queue, queues, dead, imageJobs, startWorkers } = openProcess(4);
  const [first = 0, second = 0] = numbersIn(queues, 3, 2);
  const { id } = await queue.add(pushOf(first));
  expect(id).toMatch(/^3-/);
  expect(await imageJobs.live(imageOf(first))).toMatchObject({ id, state: 'waiting' });
  expect(await imageJobs.live(imageOf(second))).toBeUndefined();
  startWorkers(async () => refused);
  const letter = await waitUntil(
    () => imageJobs.dead(imageOf(first)),
    (found) => found !== undefined,
  );
  expect(letter).toMatchObject({ id, code: 'registry-denied' });
  expect(await dead.get(letter?.id ?? '')).toMatchObject({ job: imageOf(first) });
});

test('finds the job of an image where a process with another number of queues has put it', async () => {
  const { openProcess } = openQueues();
  const { imageJobs, queues } = openProcess(1);
  const other = openProcess(4);
  const [number = 0] = numbersIn(other.queues, 2, 1);
  expect(queues.of(imageOf(number)).index).toBe(0);
  const { id } = await other.queue.add(pushOf(number));
  expect(await imageJobs.live(imageOf(number))).toMatchObject({ id, state: 'waiting' });
});
