import type { Service } from '../chaos/service-group.ts';
import { type BenchGroup, registryName, untilFinished } from './bench-group.ts';
import { createEventPoster } from './post-events.ts';
import { cpuMsOf } from './process-usage.ts';
import type { BenchImage } from './push-images.ts';

export interface ServiceRun {
  /** From the first webhook to the last read-back, in milliseconds. */
  readonly elapsedMs: number;
  readonly signed: number;
  /** Processor time of the worker, in milliseconds. */
  readonly workerCpuMs: number;
  /** Processor time of the receiver, in milliseconds. */
  readonly receiverCpuMs: number;
}

/** Posts an event for each image as fast as the receiver takes them, and waits until the worker has finished all. */
export async function measureService(
  { services }: BenchGroup,
  { worker, receiver }: { readonly worker: Service; readonly receiver: Service },
  images: readonly BenchImage[],
): Promise<ServiceRun> {
  const poster = createEventPoster(services.webhookUrl(registryName));
  try {
    const [workerBefore, receiverBefore] = [cpuMsOf(worker.process.pid), cpuMsOf(receiver.process.pid)];
    const startedAt = Date.now();
    await poster.postAll(images);
    const jobs = await untilFinished(worker, images);
    return {
      elapsedMs: Math.max(...jobs.map(({ at }) => at)) - startedAt,
      signed: jobs.filter(({ statuses }) => statuses.length === 1 && statuses[0] === 'signed').length,
      workerCpuMs: cpuMsOf(worker.process.pid) - workerBefore,
      receiverCpuMs: cpuMsOf(receiver.process.pid) - receiverBefore,
    };
  } finally {
    await poster.stop();
  }
}
