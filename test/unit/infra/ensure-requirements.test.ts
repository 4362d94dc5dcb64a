import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Installer } from '../../../infra/requirements/debian-installer.ts';
import { ensureRequirements, type Requirement } from '../../../infra/requirements/ensure-requirements.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'autosign-test-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

const needed: Requirement[] = ['redis-server', 'docker-registry'];

test('asks for nothing when everything is there', async () => {
  await putProgram('redis-server');
  await putProgram('docker-registry');
  const { installer, installed } = recorder();
  await ensureRequirements({ needed, install: false, log: () => {}, path: `/nowhere:${directory}`, installer });
  expect(installed).toEqual([]);
});

test('installs only what is missing, and says so', async () => {
  await putProgram('redis-server');
  const { installer, installed } = recorder();
  const lines: string[] = [];
  await ensureRequirements({ needed, install: true, log: (line) => lines.push(line), path: directory, installer });
  expect(installed).toEqual(['docker-registry']);
  expect(lines).toEqual([expect.stringContaining('installing docker-registry')]);
});

test('says exactly what to install when installing is forbidden', async () => {
  const { installer, installed } = recorder();
  const ensured = ensureRequirements({ needed, install: false, log: () => {}, path: directory, installer });
  await expect(ensured).rejects.toThrow('sudo apt-get install redis-server docker-registry (--no-install');
  expect(installed).toEqual([]);
});

test('says exactly what to install, and why it is not done, when it cannot install', async () => {
  const { installer, installed } = recorder('sudo wants a password');
  const ensured = ensureRequirements({ needed, install: true, log: () => {}, path: directory, installer });
  await expect(ensured).rejects.toThrow(
    'sudo apt-get install redis-server docker-registry (not done here: sudo wants a password)',
  );
  expect(installed).toEqual([]);
});

test('fails when the installation brought no program', async () => {
  const installer: Installer = { obstacle: async () => undefined, install: async () => {} };
  const ensured = ensureRequirements({ needed, install: true, log: () => {}, path: directory, installer });
  await expect(ensured).rejects.toThrow('redis-server and docker-registry was installed but is not on PATH');
});

test('takes a directory or a file that may not be run for no program', async () => {
  await writeFile(join(directory, 'redis-server'), '');
  const ensured = ensureRequirements({ needed: ['redis-server'], install: false, log: () => {}, path: directory });
  await expect(ensured).rejects.toThrow('sudo apt-get install redis-server');
});

function recorder(obstacle?: string) {
  const installed: string[] = [];
  const installer: Installer = {
    obstacle: async () => obstacle,
    install: async (packages) => {
      for (const name of packages) {
        installed.push(name);
        await putProgram(name);
      }
    },
  };
  return { installer, installed };
}

async function putProgram(name: string): Promise<void> {
  await writeFile(join(directory, name), '#!/bin/sh\n');
  await chmod(join(directory, name), 0o755);
}
