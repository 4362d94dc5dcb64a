import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const script = join(import.meta.dirname, '../../../infra/requirements/install-debian-packages.sh');
const foreignPolicy = '#!/bin/sh\nexit 0\n';

let directory: string;
let policy: string;
let systemd: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'autosign-test-'));
  policy = join(directory, 'policy-rc.d');
  systemd = join(directory, 'systemd');
  await mkdir(join(directory, 'bin'));
  // The package manager's programs only note that they were called: what is tested is what surrounds them.
  await program('apt-cache', `echo "apt-cache $*" >>"${directory}/calls"; [ -e "${directory}/known" ]`);
  await program(
    'apt-get',
    `echo "apt-get $1" >>"${directory}/calls"
[ "$1" = install ] || exit 0
if [ -e "${policy}" ]; then cat "${policy}" >"${directory}/policy-seen"; fi
if [ -e "${directory}/blocked" ]; then echo begun; read -r _ <"${directory}/blocked"; fi
if [ -e "${directory}/broken" ]; then exit 100; fi
touch "${directory}/installed"`,
  );
  await program(
    'dpkg-query',
    `case $1 in
-W) echo 'ii  old'; if [ -e "${directory}/installed" ]; then echo 'ii  redis-server'; fi ;;
-L) printf '%s\\n' "/lib/systemd/system/$2.service" "/lib/systemd/system/$2@.service" "/etc/init.d/$2" ;;
esac`,
  );
  await program('systemctl', `echo "systemctl $*" >>"${directory}/calls"`);
  await program('service', `echo "service $*" >>"${directory}/calls"`);
  await program('update-rc.d', `echo "update-rc.d $*" >>"${directory}/calls"`);
  await writeFile(join(directory, 'known'), '');
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

test('keeps services from starting while it installs, and removes its policy afterwards', async () => {
  expect(await install()).toBe(0);
  expect(await text('policy-seen')).toMatch(/exit 101/);
  expect(existsSync(policy)).toBe(false);
});

test('leaves a policy that was there before as it is, and stops what it let start', async () => {
  await writeFile(policy, foreignPolicy);
  expect(await install()).toBe(0);
  expect(await text('policy-seen')).toBe(foreignPolicy);
  expect(await readFile(policy, 'utf8')).toBe(foreignPolicy);
  expect(await text('calls')).toContain('service redis-server stop');
});

test('removes the policy that an earlier run of it left when it was killed', async () => {
  await install();
  await writeFile(policy, await text('policy-seen'));
  expect(await install()).toBe(0);
  expect(existsSync(policy)).toBe(false);
});

test('removes its policy when the installation fails', async () => {
  await writeFile(join(directory, 'broken'), '');
  expect(await install()).toBe(100);
  expect(existsSync(policy)).toBe(false);
});

test.for(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  'removes its policy after %s, when apt-get has ended',
  async (signal) => {
    await new Promise((resolve) => spawn('sh', ['-c', `mkfifo "${directory}/blocked"`]).once('close', resolve));
    const child = start();
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(existsSync(policy)).toBe(true);
    child.kill(signal);
    await writeFile(join(directory, 'blocked'), 'go on\n');
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
    expect(existsSync(policy)).toBe(false);
    expect(await text('calls')).not.toContain('systemctl');
  },
);

test('fetches the package lists only when a package is unknown', async () => {
  await install();
  expect(await text('calls')).not.toContain('apt-get update');
  await rm(join(directory, 'known'));
  await install();
  expect(await text('calls')).toContain('apt-get update\napt-get install');
});

test('fetches the package lists and tries once more when the first try fails', async () => {
  await writeFile(join(directory, 'broken'), '');
  await install();
  const calls = (await text('calls')).split('\n').filter((line) => line.startsWith('apt-get'));
  expect(calls).toEqual(['apt-get install', 'apt-get update', 'apt-get install']);
});

test('disables the units of the packages it brought, and of no other, where systemd runs', async () => {
  await mkdir(systemd);
  expect(await install()).toBe(0);
  const calls = (await text('calls')).split('\n').filter((line) => /systemctl|service |update-rc/.test(line));
  expect(calls).toEqual(['systemctl disable --now --quiet redis-server.service']);
});

test('disables init scripts where systemd does not run', async () => {
  expect(await install()).toBe(0);
  const calls = (await text('calls')).split('\n').filter((line) => /systemctl|service |update-rc/.test(line));
  expect(calls).toEqual(['update-rc.d redis-server disable']);
});

test('touches no service of a package that was installed already', async () => {
  await mkdir(systemd);
  await writeFile(join(directory, 'installed'), '');
  expect(await install()).toBe(0);
  expect(await text('calls')).not.toContain('systemctl');
});

function start() {
  return spawn('sh', [script, policy, join(directory, 'lock'), systemd, 'redis-server'], {
    env: { PATH: `${join(directory, 'bin')}:/usr/bin:/bin` },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

function install(): Promise<number | null> {
  return new Promise((resolve) => start().once('close', resolve));
}

async function text(name: string): Promise<string> {
  return await readFile(join(directory, name), 'utf8');
}

async function program(name: string, body: string): Promise<void> {
  const file = join(directory, 'bin', name);
  await writeFile(file, `#!/bin/sh\n${body}\n`);
  await chmod(file, 0o755);
}
