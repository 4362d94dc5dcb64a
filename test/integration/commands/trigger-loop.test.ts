import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, test } from 'vitest';
import { openTriggerLoop } from '../../../src/commands/open-trigger-loop.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import { closeConnection, connectStore } from '../../../src/queue/connection.ts';
import { waitUntil } from '../../e2e/wait-until.ts';
import { uniquePrefix } from '../../support/names.ts';
import type { AcrOptions } from '../../support/start-acr.ts';
import { loadText } from '../../unit/rules/rules-text.ts';
import { openTriggers, token } from '../triggers/trigger-setting.ts';

type AtEnd = (cleanUp: () => Promise<void>) => void;

const hourMs = 3_600_000;
/** Three polls: who has not begun by then rests. */
const quietMs = 3_500;

/** Processes of one deployment that look after the triggers of one instance. */
async function open(atEnd: AtEnd, options: Partial<AcrOptions> = {}) {
  const setting = await openTriggers(atEnd, options);
  const prefix = uniquePrefix('triggers');
  const lines: string[] = [];
  const synced: string[] = [];
  const env: Record<string, string> = { HOOK_TOKEN: token };
  let ruleSet = await loadText(setting.rules());

  function start(intervalMs = hourMs) {
    const redis = connectStore({ redisUrl: inject('redisUrl'), onError: () => undefined });
    const loop = openTriggerLoop({
      rules: () => ruleSet,
      redis,
      prefix,
      base: { credentials: async () => setting.credentials, forget: () => undefined },
      clock: systemClock,
      env,
      intervalMs,
      logger: createLogger({ level: 'debug', destination: { write: (line) => lines.push(line) } }),
      onSynced: (registry) => synced.push(registry),
    });
    atEnd(async () => {
      await loop.close();
      await closeConnection(redis);
    });
  }

  return {
    ...setting,
    start,
    env,
    lines,
    use: async (text: string) => {
      ruleSet = await loadText(text);
    },
    untilSynced: (times: number) =>
      waitUntil(
        async () => synced.length,
        (count) => count >= times,
      ),
    untilLogged: (text: string) =>
      waitUntil(
        async () => lines.filter((line) => line.includes(text)),
        (found) => found.length > 0,
      ),
  };
}

describe.concurrent('a worker that looks after triggers', () => {
  test('does so at its start, one of any number of processes, and then rests', async ({ onTestFinished }) => {
    const { start, untilSynced, countCalls, instance, app, lines } = await open(onTestFinished);
    for (let number = 0; number < 4; number += 1) start();
    await untilSynced(1);
    await sleep(quietMs);
    expect({ lists: countCalls('ListNamespace'), made: countCalls('CreateRepoTrigger') }).toEqual({
      lists: 1,
      made: 2,
    });
    expect(instance.triggersOf(app)).toMatchObject([{ name: 'autosign-lab' }]);
    expect(lines.join('')).toContain('"looked":2,"create":2,"update":0,"delete":0,"failed":0');
    expect(lines.join('')).not.toContain(token);
  });

  test('gives a new repository its trigger when the interval is over', async ({ onTestFinished }) => {
    const { start, untilSynced, instance, app, lines } = await open(onTestFinished);
    start(1_000);
    await untilSynced(1);
    instance.setRepository(`${app}/new`, {});
    await waitUntil(
      async () => instance.triggersOf(`${app}/new`).length,
      (count) => count === 1,
    );
    expect(lines.join('')).not.toContain(token);
  });

  test('begins at once when the rules change, and sets right what differs', async ({ onTestFinished }) => {
    const { start, untilSynced, use, rules, instance, app } = await open(onTestFinished);
    start();
    await untilSynced(1);
    await use(rules({ webhook: 'url: "https://other.example.com", tokenEnv: HOOK_TOKEN' }));
    await untilSynced(2);
    expect(instance.triggersOf(app)).toMatchObject([{ url: `https://other.example.com/webhooks/acr/lab/${token}` }]);
  });

  test('leaves alone what the rules say no address for', async ({ onTestFinished }) => {
    const { start, use, rules, emulator } = await open(onTestFinished);
    await use(rules({ webhook: '' }));
    start(1_000);
    await sleep(quietMs);
    expect(emulator.calls).toEqual([]);
  });

  test('says once that it lacks the token and what to do, and goes on when it is there', async ({ onTestFinished }) => {
    const { start, untilLogged, untilSynced, lines, env, emulator } = await open(onTestFinished);
    env['HOOK_TOKEN'] = 'something else';
    start();
    await untilLogged('cannot be looked after from here');
    await sleep(quietMs);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'error',
      registry: 'lab',
      reason: expect.stringContaining('is not one whose hash stands'),
      nextStep: expect.stringMatching(/\w/),
    });
    expect(emulator.calls).toEqual([]);
    env['HOOK_TOKEN'] = token;
    await untilSynced(1);
  });

  test('logs what fails for a repository with its cause and next step, and tries again', async ({ onTestFinished }) => {
    const { start, untilLogged, untilSynced, emulator, lines } = await open(onTestFinished);
    emulator.acr.faults.failInsideNext = { count: 1, code: 'REPO_BUSY', action: 'CreateRepoTrigger' };
    start(1_000);
    const [line = ''] = await untilLogged('those of a repository cannot be set right');
    expect(JSON.parse(line)).toMatchObject({
      registry: 'lab',
      repository: expect.stringMatching(/^prod-/),
      err: { message: expect.stringContaining('REPO_BUSY') },
      nextStep: expect.stringMatching(/\w/),
    });
    await untilSynced(1);
    expect(lines.join('')).not.toContain(token);
  });

  test('logs what nobody expected with its cause and next step, and rests before it tries again', async ({
    onTestFinished,
  }) => {
    const { start, untilLogged, env, lines } = await open(onTestFinished);
    let asked = 0;
    Object.defineProperty(env, 'HOOK_TOKEN', {
      get: () => {
        asked += 1;
        throw new TypeError('not foreseen');
      },
    });
    start();
    const [line = ''] = await untilLogged('is tried again');
    expect(JSON.parse(line)).toMatchObject({
      level: 'error',
      registry: 'lab',
      err: { message: 'not foreseen' },
      nextStep: expect.stringMatching(/\w/),
    });
    await sleep(quietMs);
    expect([asked, lines.length]).toEqual([1, 1]);
  });
});
