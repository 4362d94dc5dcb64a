import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { planRam } from '../../../src/alibaba/ram/ram-plan.ts';
import { sample, trustPolicy } from '../../emulator/sample-config.ts';
import { type AcrOptions, allowing } from '../../support/start-acr.ts';
import { loadText } from '../../unit/rules/rules-text.ts';
import { openTriggers, token } from '../triggers/trigger-setting.ts';
import { directoryWith, runCommand } from './run-command.ts';

type AtEnd = (cleanUp: () => Promise<void> | void) => void;

async function open(atEnd: AtEnd, options: Partial<AcrOptions> = {}, text: { acr?: string; webhook?: string } = {}) {
  const setting = await openTriggers(atEnd, options);
  const directory = directoryWith({ 'rules.yaml': setting.rules(text), token: `${token}\n` }, atEnd);
  const run = async (args: readonly string[] = [], env: Record<string, string> = { HOOK_TOKEN: token }) => {
    const command = ['triggers', 'sync', '--rules', join(directory, 'rules.yaml'), ...args];
    const result = await runCommand(command, { ...setting.workerEnvironment, ...env });
    // Whatever happens.
    expect(result.stdout + result.stderr).not.toContain(token);
    return result;
  };
  return { ...setting, run };
}

const url = `https://hooks.example.com/webhooks/acr/lab/${token}`;

describe.concurrent('autosign triggers sync', () => {
  test('makes what is missing and says so, then nothing, and takes it away again', async ({ onTestFinished }) => {
    const { run, instance, app, other } = await open(onTestFinished);
    const first = await run();
    expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: '' });
    expect(first.stdout).toContain('lab: 2 repositories looked at: 2 to create, 0 to update, 0 to delete; done');
    expect(first.stdout).toContain(`create  ${app}: all tags`);
    expect(instance.triggersOf(other)).toMatchObject([{ name: 'autosign-lab', url, type: 'ALL' }]);
    const second = await run(['--json']);
    expect(JSON.parse(second.stdout)).toEqual({
      dryRun: false,
      registries: [
        { registry: 'lab', looked: 2, counts: { create: 0, update: 0, delete: 0, failed: 0 }, repositories: [] },
      ],
    });
    const dry = await run(['--remove', '--dry-run', '--registry', 'lab'], {});
    expect(dry.stdout).toContain('2 to delete; nothing is changed by a dry run');
    expect(instance.triggersOf(app)).toHaveLength(1);
    expect(await run(['--remove'], {})).toMatchObject({ code: 0, stdout: expect.stringContaining(`delete  ${app}`) });
    expect([...instance.triggersOf(app), ...instance.triggersOf(other)]).toEqual([]);
  });

  test('takes the token from a file', async ({ onTestFinished }) => {
    const webhook = 'url: "http://hooks.example.com:8080/", tokenFile: token';
    const { run, instance, app } = await open(onTestFinished, {}, { webhook });
    expect(await run([], {})).toMatchObject({ code: 0 });
    expect(instance.triggersOf(app)).toMatchObject([
      { url: url.replace('https://hooks.example.com', 'http://hooks.example.com:8080') },
    ]);
  });

  test('ends with 1 and a list when one repository fails, the others done', async ({ onTestFinished }) => {
    const { run, emulator, instance, app, other } = await open(onTestFinished);
    emulator.acr.faults.failInsideNext = { count: 1, code: 'REPO_BUSY', action: 'CreateRepoTrigger' };
    const { code, stdout } = await run();
    expect(code).toBe(1);
    expect(stdout).toMatch(/1 to create.*1 failed/);
    expect(stdout).toMatch(/failed {2}prod-[0-9a-f]+\/(?:app|other): CreateRepoTrigger at .*REPO_BUSY/);
    expect(instance.triggersOf(app).length + instance.triggersOf(other).length).toBe(1);
  });

  test('names the right that RAM refuses, for people and as JSON', async ({ onTestFinished }) => {
    const policies = [allowing(['cr:List*', 'cr:CreateWebHook'], '*')];
    const { run, instance, app } = await open(onTestFinished, { policies });
    instance.triggersOf(app).push({ triggerId: 'crw-1', name: 'autosign-lab', url: `${url}x`, type: 'ALL', tag: '*' });
    const { code, stdout } = await run(['--json']);
    expect({ code, report: JSON.parse(stdout) }).toMatchObject({
      code: 1,
      report: {
        registries: [
          {
            counts: { create: 1, failed: 1 },
            repositories: [
              {
                repository: app,
                error: {
                  code: 'registry-denied',
                  message: expect.stringMatching(/UpdateRepoTrigger.*cr:UpdateWebHook/),
                },
              },
              {},
            ],
          },
        ],
      },
    });
  });

  test('ends with 1 when the repositories cannot be listed', async ({ onTestFinished }) => {
    const { run } = await open(onTestFinished, { policies: [allowing('cr:ListWebHook', '*')] });
    expect(await run()).toMatchObject({ code: 1, stdout: expect.stringMatching(/ended early: ListNamespace/) });
  });

  test('uses the role of the registry, narrowed to triggers', async ({ onTestFinished }) => {
    const roleArn = `acs:ram::${sample.accountId}:role/registry`;
    const roles = [
      { arn: roleArn, trustPolicy: trustPolicy({ RAM: [sample.worker.arn] }), policies: [allowing('*', '*')] },
    ];
    const acr = (url: string) => `, roleArn: "${roleArn}", stsEndpoint: "${url}"`;
    const setting = await openTriggers(onTestFinished, { policies: [], emulator: { roles } });
    const directory = directoryWith(
      { 'rules.yaml': setting.rules({ acr: acr(setting.emulator.url) }) },
      onTestFinished,
    );
    const env = { ...setting.workerEnvironment, HOOK_TOKEN: token };
    const { code } = await runCommand(['triggers', 'sync', '--rules', join(directory, 'rules.yaml')], env);
    expect(code).toBe(0);
    expect(setting.instance.triggersOf(setting.app)).toHaveLength(1);
    const [assumed, ...others] = setting.emulator.calls;
    expect(new Set(others.map(({ caller }) => caller?.split('/')[0]))).toEqual(
      new Set([`acs:ram::${sample.accountId}:assumed-role`]),
    );
    expect(JSON.parse(assumed?.query['Policy'] ?? '')).toMatchObject({
      Statement: [
        { Action: ['cr:ListNamespace', 'cr:ListRepository', 'cr:ListWebHook'] },
        { Action: ['cr:CreateWebHook', 'cr:UpdateWebHook', 'cr:DeleteWebHook'] },
      ],
    });
  });

  test.for(['triggers', 'worker'] as const)(
    'does all of it with what ram print grants: %s',
    async (role, { onTestFinished }) => {
      const granted: NonNullable<AcrOptions['policies']>[number][] = [];
      // The rules name the emulator, which has to be there first: its policies are read when it starts.
      const first = await openTriggers(onTestFinished, {});
      const ruleSet = await loadText(first.rules().replaceAll(first.namespace, 'prod-*'));
      for (const { policy } of planRam(role, { ruleSet, identityArn: sample.worker.arn }).identities) {
        if (policy !== undefined) granted.push(JSON.parse(JSON.stringify(policy)));
      }
      const { run, instance, app } = await open(onTestFinished, { policies: granted });
      expect(await run()).toMatchObject({ code: 0 });
      instance.triggersOf(app).push({ triggerId: 'crw-1', name: 'autosign', url: `${url}x`, type: 'ALL', tag: '*' });
      expect(await run(['--remove'], {})).toMatchObject({ code: 0, stdout: expect.stringContaining('3 to delete') });
    },
  );

  test.for<[string, readonly string[], Record<string, string>, string]>([
    ['another token', [], { HOOK_TOKEN: token.toLowerCase() }, 'is not one whose hash stands'],
    ['no token', [], {}, 'the variable HOOK_TOKEN does not hold the token'],
    [
      'a registry that is not there',
      ['--registry', 'prod'],
      { HOOK_TOKEN: token },
      '"prod" is no registry that has acr',
    ],
  ])('refuses %s before it calls anybody', async ([, args, env, reason], { onTestFinished }) => {
    const { run, emulator } = await open(onTestFinished);
    expect(await run(args, env)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(reason) });
    expect(emulator.calls).toEqual([]);
  });

  test('refuses rules that say nothing of triggers, but for --remove', async ({ onTestFinished }) => {
    const { run, emulator } = await open(onTestFinished, {}, { webhook: '' });
    expect(await run()).toMatchObject({ code: 2, stderr: expect.stringContaining('webhook.url') });
    expect(emulator.calls).toEqual([]);
    expect(await run(['--remove'])).toMatchObject({ code: 0 });
  });
});
