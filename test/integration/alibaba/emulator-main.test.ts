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
    const child = start('--config', '-', '--json');
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

  it('without a config makes a shell the worker of a sample account', async () => {
    const child = start();
    const lines = createInterface(child.stdout);
    const variables = await new Promise<Record<string, string>>((resolve) => {
      const found: Record<string, string> = {};
      lines.on('line', (line) => {
        const [, name, value] = /^export (\w+)='([^']*)'$/.exec(line) ?? [];
        if (name !== undefined && value !== undefined) found[name] = value;
        // Keys come last.
        if (line.includes(sample.keys.EC_P256)) resolve(found);
      });
    });
    expect(variables).toMatchObject({
      ALIBABA_CLOUD_ACCESS_KEY_ID: sample.worker.accessKeyId,
      EMULATOR_ROLE_ARN: sample.roleArn,
      EMULATOR_REGION: sample.region,
    });
    const { EMULATOR_ENDPOINT = '', ALIBABA_CLOUD_ACCESS_KEY_SECRET = '' } = variables;
    const kms = createKmsKey({
      source: keySource(EMULATOR_ENDPOINT),
      base: permanentKey(ALIBABA_CLOUD_ACCESS_KEY_SECRET),
      clock: systemClock,
      timeouts,
    });
    expect(await kms.describe()).toMatchObject({ spec: 'EC_P256' });
  });

  it.each([
    ['an unknown option', ['--no-such-option'], ''],
    ['a config that is not valid', ['--config', '-'], '{"users":[{}]}'],
  ])('ends with an error for %s', async (_, args, input) => {
    const child = start(...args);
    child.stdin.end(input);
    expect(await once(child, 'exit')).toEqual([1, null]);
  });
});
