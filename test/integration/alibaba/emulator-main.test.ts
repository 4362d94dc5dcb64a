import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { createKmsKey } from '../../../src/alibaba/kms-key.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import { sample, sampleConfig } from '../../emulator/sample-config.ts';
import { keySource, permanentKey, timeouts } from './account.ts';

const main = new URL('../../emulator/main.ts', import.meta.url).pathname;

function start(...args: string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [main, ...args]);
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

describe('the emulator as a process', () => {
  it('prints where it listens, serves, and ends with code 0 on SIGTERM', async () => {
    const versions = [{ keyVersionId: sample.keyVersionId }];
    const { config, accessKeySecret } = sampleConfig({
      keys: [{ keyId: sample.keys.EC_P256, spec: 'EC_P256', versions }],
      acr: { instances: [{ instanceId: 'cri-emulated', upstream: inject('fallbackHost') }] },
    });
    const child = start('--config', '-');
    child.stdin.end(JSON.stringify(config));
    const [line] = await once(createInterface(child.stdout), 'line');
    const printed = JSON.parse(line);
    const kms = createKmsKey({
      source: keySource(printed.kmsEndpoint, { stsEndpoint: printed.stsEndpoint }),
      base: permanentKey(accessKeySecret),
      clock: systemClock,
      timeouts,
    });
    expect(await kms.getPublicKey()).toBe(printed.keys[0].publicKeyPem);
    expect(printed.tokenService).toMatchObject({ realm: `${printed.url}/auth` });
    const [{ registryHost, realm }] = printed.instances;
    const challenge = (await fetch(`http://${registryHost}/v2/`)).headers.get('www-authenticate');
    expect(challenge).toContain(`realm="${realm}",service="registry.aliyuncs.com:cn-hangzhou:china:cri-emulated"`);
    expect(line).not.toContain(accessKeySecret);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('explains itself', async () => {
    const child = start('--help');
    expect(await text(child.stdout)).toContain('--config FILE');
  });

  it('ends with code 2 without a config', async () => {
    const child = start();
    expect(await once(child, 'exit')).toEqual([2, null]);
  });
});
