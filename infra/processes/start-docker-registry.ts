import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeAtExit, removeDirectory } from './die-with-parent.ts';
import { type RunningProcess, startProcess } from './start-process.ts';

/** Where clients get a token, and by which certificate the registry checks it (distribution, "auth.token"). */
interface TokenAuth {
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** PEM of the certificate whose key signs the tokens. */
  readonly rootCertificatePem: string;
}

export interface DockerRegistryOptions {
  readonly tokenAuth?: TokenAuth;
  /** Keeps its data here; created by the caller, left in place. Absent: a temporary one that `stop` removes. */
  readonly directory?: string;
  /** Absent: a free one. */
  readonly port?: number;
}

export interface RunningRegistry {
  /** `127.0.0.1:PORT`, plain HTTP. */
  readonly host: string;
  readonly process: RunningProcess;
  stop(): Promise<void>;
}

const startTimeoutMs = 20_000;
const listeningPattern = /listening on (127\.0\.0\.1:\d+)/;

/** Starts Debian's `docker-registry` (distribution 2.8: no referrers API) on loopback; deleting is allowed. */
export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<RunningRegistry> {
  const settingsDirectory = mkdtempSync(join(tmpdir(), 'autosign-registry-'));
  removeAtExit(settingsDirectory);
  try {
    const settings = join(settingsDirectory, 'config.yml');
    writeFileSync(settings, registrySettings(options, settingsDirectory));
    const started = await startProcess({
      command: 'docker-registry',
      args: ['serve', settings],
      ready: { line: (line) => listeningPattern.test(line) },
      timeoutMs: startTimeoutMs,
    });
    const line = await started.waitForLine((text) => listeningPattern.test(text), startTimeoutMs);
    return {
      host: listeningPattern.exec(line)?.[1] ?? '',
      process: started,
      stop: async () => {
        await started.stop();
        removeDirectory(settingsDirectory);
      },
    };
  } catch (error) {
    removeDirectory(settingsDirectory);
    throw error;
  }
}

// The registry reads YAML, and JSON is YAML: no quoting of ours is needed.
function registrySettings(options: DockerRegistryOptions, settingsDirectory: string): string {
  return JSON.stringify({
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: options.directory ?? join(settingsDirectory, 'data') },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr: `127.0.0.1:${options.port ?? 0}` },
    ...(options.tokenAuth === undefined ? {} : { auth: tokenSettings(options.tokenAuth, settingsDirectory) }),
  });
}

function tokenSettings(tokenAuth: TokenAuth, settingsDirectory: string) {
  const rootcertbundle = join(settingsDirectory, 'token-root.pem');
  writeFileSync(rootcertbundle, tokenAuth.rootCertificatePem);
  const { realm, service, issuer } = tokenAuth;
  return { token: { realm, service, issuer, rootcertbundle } };
}
