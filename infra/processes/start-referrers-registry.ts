import type { RunningRegistry } from './start-docker-registry.ts';
import { startProcess } from './start-process.ts';

export interface ReferrersRegistryOptions {
  /** Path of the built program `test/interop/registry`. */
  readonly program: string;
  /** Absent: a free one. */
  readonly port?: number;
}

const startTimeoutMs = 20_000;
const listeningPattern = /^listening (127\.0\.0\.1:\d+)$/;

/** Starts the registry with the referrers API (go-containerregistry), which keeps everything in memory. */
export async function startReferrersRegistry(options: ReferrersRegistryOptions): Promise<RunningRegistry> {
  const fits = (line: string): boolean => listeningPattern.test(line);
  const started = await startProcess({
    command: options.program,
    args: ['-port', String(options.port ?? 0)],
    ready: { line: fits },
    timeoutMs: startTimeoutMs,
  });
  const line = await started.waitForLine(fits, startTimeoutMs);
  return {
    host: listeningPattern.exec(line)?.[1] ?? '',
    process: started,
    stop: async () => {
      await started.stop();
    },
  };
}
