import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** How missing programs come onto this machine. */
export interface Installer {
  /** Why nothing can be installed here; undefined when it can. */
  obstacle(): Promise<string | undefined>;
  /** @throws Error with the last lines of the output */
  install(packages: readonly string[]): Promise<void>;
}

export interface DebianPaths {
  readonly aptGet: string;
  /** What Debian asks before a package starts its service (invoke-rc.d(8)). */
  readonly policy: string;
  readonly lock: string;
  /** There when systemd runs this machine (sd_booted(3)). */
  readonly systemd: string;
}

const debianPaths: DebianPaths = {
  aptGet: '/usr/bin/apt-get',
  policy: '/usr/sbin/policy-rc.d',
  lock: '/run/lock/acr-autosign-packages',
  systemd: '/run/systemd/system',
};

const script = join(import.meta.dirname, 'install-debian-packages.sh');
// sudo answers at once, with or without a password prompt.
const sudoTimeoutMs = 10_000;
const outputLinesShown = 20;

/** Installs by apt-get, as root or through `sudo` when it asks no password. */
export function debianInstaller(paths: DebianPaths = debianPaths, isRoot = process.getuid?.() === 0): Installer {
  return {
    obstacle: async () => {
      if (!existsSync(paths.aptGet)) return 'there is no apt-get';
      if (isRoot || (await sudoAsksNothing())) return undefined;
      return 'that takes root, and sudo wants a password';
    },
    install: async (packages) => {
      const command = ['sh', script, paths.policy, paths.lock, paths.systemd, ...packages];
      await run(isRoot ? command : ['sudo', '-n', ...command]);
    },
  };
}

async function sudoAsksNothing(): Promise<boolean> {
  try {
    await promisify(execFile)('sudo', ['-n', 'true'], { timeout: sudoTimeoutMs });
    return true;
  } catch {
    return false;
  }
}

// In our own process group and without a time limit: a Ctrl-C reaches apt-get too, and dpkg is never killed halfway.
function run([command = '', ...args]: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) return resolve();
      const tail = output.trimEnd().split('\n').slice(-outputLinesShown).join('\n');
      reject(new Error(`the installation failed (${signal ?? `exit code ${code}`}):\n${tail}`));
    });
  });
}
