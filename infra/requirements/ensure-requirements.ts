import { findProgram } from '../processes/find-program.ts';
import { debianInstaller, type Installer } from './debian-installer.ts';

/** A program that the demo and the tests run; Debian's package of the same name holds it. */
export type Requirement = 'redis-server' | 'docker-registry' | 'chromium' | 'zsh' | 'fish';

export interface RequirementOptions {
  readonly needed: readonly Requirement[];
  /** Whether missing ones may be installed (`--no-install` says no). */
  readonly install: boolean;
  readonly log: (line: string) => void;
  /** Where programs are looked for, as PATH has it. Absent: our own PATH. */
  readonly path?: string;
  /** Absent: apt-get, where there is one and we are root or `sudo` asks no password. */
  readonly installer?: Installer;
}

/**
 * Sees to it that the programs of `needed` are on PATH.
 * @throws Error that says what to install and how, when something is missing and may not or cannot be installed
 */
export async function ensureRequirements(options: RequirementOptions): Promise<void> {
  const { needed, install, log, path = process.env['PATH'] ?? '', installer = debianInstaller() } = options;
  const missing = needed.filter((name) => findProgram(name, path) === undefined);
  if (missing.length === 0) return;
  if (!install) throw new Error(`${advice(missing)} (--no-install forbids doing it here)`);
  const obstacle = await installer.obstacle();
  if (obstacle !== undefined) throw new Error(`${advice(missing)} (not done here: ${obstacle})`);
  log(`installing ${missing.join(' and ')} with apt-get; no service of theirs is started or enabled`);
  await installer.install(missing);
  const still = missing.filter((name) => findProgram(name, path) === undefined);
  if (still.length > 0) throw new Error(`${still.join(' and ')} was installed but is not on PATH (${path})`);
}

function advice(missing: readonly Requirement[]): string {
  return `${missing.join(' and ')} must be installed: sudo apt-get install ${missing.join(' ')}`;
}
