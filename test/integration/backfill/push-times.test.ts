import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createFirstSeen } from '../../../src/commands/first-seen.ts';
import { createFirstSeenStore } from '../../../src/coordination/first-seen-store.ts';
import type { FirstSeen } from '../../../src/ports/first-seen.ts';
import type { RegistryListing } from '../../../src/ports/registry-listing.ts';
import { openFirstSeenFile } from '../../../src/rules/first-seen-file.ts';
import { uniqueRepository } from '../../support/names.ts';
import { openStore } from '../coordination/open-store.ts';
import { host, openClient, push, select, settingOf } from './baseline-setting.ts';

const minuteMs = 60_000;
const clocksApartMs = 15 * minuteMs;

function stateDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'autosign-first-seen-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** What a worker with this directory knows, at a time of its own, which is Redis' too unless that is given. */
async function workerAt(
  nowMs: number,
  store: ReturnType<typeof openStore>,
  directory: string,
  redisNowMs = nowMs,
): Promise<FirstSeen> {
  const unsaved: unknown[] = [];
  onTestFinished(() => expect(unsaved).toEqual([]));
  return createFirstSeen({
    store: createFirstSeenStore({ ...store, redisNow: () => new Date(redisNowMs) }),
    file: await openFirstSeenFile(directory),
    clock: { now: () => new Date(nowMs) },
    onUnsaved: (error) => unsaved.push(error),
  });
}

/** Lists a repository with the push times that a registry tells of its tags. */
function listingWith(repository: string, times: Readonly<Record<string, Date | undefined>>): RegistryListing {
  return {
    async *listRepositories() {
      yield repository;
    },
    async *listTags() {
      for (const [name, pushedAt] of Object.entries(times)) yield { name, pushedAt };
    },
  };
}

describe('when a rule was first seen', () => {
  const since = Date.parse('2026-05-01T00:00:00Z');

  test('stays the earliest time that any process knows of', async () => {
    const store = openStore();
    const early = await workerAt(since, store, stateDirectory());
    const late = await workerAt(since + minuteMs, store, stateDirectory());
    expect((await late.since('rule', 'prod')).getTime()).toBe(since + minuteMs);
    expect((await late.since('rule', 'prod')).getTime()).toBe(since + minuteMs);
    expect((await early.since('rule', 'prod')).getTime()).toBe(since);
    expect((await late.since('rule', 'prod')).getTime()).toBe(since);
  });

  test.each([
    ['a worker', 0, since],
    ['Redis', since, 0],
  ])('is not before the time of the other when the clock of %s is years behind', async (_, workerMs, redisMs) => {
    const [store, directory] = [openStore(), stateDirectory()];
    const behind = await workerAt(workerMs, store, directory, redisMs);
    expect((await behind.since('rule', 'prod')).getTime()).toBe(since);
    expect((await openFirstSeenFile(directory)).get('rule', 'prod')?.getTime()).toBe(since);
  });

  test('is held against the clock that Redis really has', async () => {
    const before = Date.now();
    const seen = await createFirstSeenStore(openStore()).earliest('rule', 'prod', new Date(0), 'now');
    expect(seen.getTime()).toBeGreaterThanOrEqual(before - 1);
    expect(seen.getTime()).toBeLessThanOrEqual(Date.now() + 1);
  });

  test('is another one for another rule and another registry', async () => {
    const store = openStore();
    await (await workerAt(since, store, stateDirectory())).since('rule', 'prod');
    const later = await workerAt(since + minuteMs, store, stateDirectory());
    expect((await later.since('rule', 'lab')).getTime()).toBe(since + minuteMs);
    expect((await later.since('other', 'prod')).getTime()).toBe(since + minuteMs);
  });

  test('outlives Redis in the state directory, and the state directory in Redis', async () => {
    const store = openStore();
    const directory = stateDirectory();
    await (await workerAt(since, store, directory)).since('rule', 'prod');
    await store.redis.del(await store.redis.keys(`${store.prefix}:*`));
    const restarted = await workerAt(since + minuteMs, store, directory);
    expect((await restarted.since('rule', 'prod')).getTime()).toBe(since);
    const replaced = await workerAt(since + 2 * minuteMs, store, stateDirectory());
    expect((await replaced.since('rule', 'prod')).getTime()).toBe(since);
  });

  test.each(['', '{', '{"version":2,"firstSeen":{}}', '{"version":1,"firstSeen":{"rule:prod":"yesterday"}}'])(
    'is forgotten with a file that holds %s, which is written anew',
    async (content) => {
      const directory = stateDirectory();
      writeFileSync(join(directory, 'first-seen.json'), content);
      const worker = await workerAt(since, openStore(), directory);
      expect((await worker.since('rule', 'prod')).getTime()).toBe(since);
      expect((await openFirstSeenFile(directory)).get('rule', 'prod')?.getTime()).toBe(since);
    },
  );

  test('a file that cannot be written is told of, and the time holds as long as Redis', async () => {
    const unsaved: unknown[] = [];
    const directory = join(stateDirectory(), 'file');
    writeFileSync(directory, '');
    const worker = createFirstSeen({
      store: createFirstSeenStore({ ...openStore(), redisNow: () => new Date(since) }),
      file: await openFirstSeenFile(directory),
      clock: { now: () => new Date(since) },
      onUnsaved: (error) => unsaved.push(error),
    });
    expect((await worker.since('rule', 'prod')).getTime()).toBe(since);
    expect(unsaved).toHaveLength(1);
  });
});

describe('where a registry tells when images were pushed', () => {
  const now = Date.now();
  const at = (minutes: number) => new Date(now + minutes * minuteMs);

  async function openSetting(times: Readonly<Record<string, Date | undefined>>) {
    const repository = uniqueRepository();
    const digests = new Map<string, Awaited<ReturnType<typeof push>>['digest']>();
    for (const tag of Object.keys(times)) digests.set(tag, (await push(repository, tag)).digest);
    const setting = await settingOf({
      rules: [`name: all, registries: [lab], ${select(repository)}`],
      clients: { lab: openClient(host) },
      listing: listingWith(repository, times),
      options: { clocksApartMs },
    });
    const standings = async () => {
      const found: Record<string, string> = {};
      for (const [tag, digest] of digests) {
        const image = { registry: 'lab', repository, tag };
        found[tag] = await setting.baseline.standing(setting.identity('all'), image, digest);
      }
      return found;
    };
    return { ...setting, standings };
  }

  test('what was pushed before a rule was first seen stood before it, and what was pushed after it did not', async () => {
    const { take, standings } = await openSetting({ old: at(-600), untold: undefined, late: at(16) });
    await take({ firstSeen: { since: async () => at(0) } });
    expect(await standings()).toEqual({ old: 'existing', untold: 'existing', late: 'new' });
  });

  test('what the clocks leave open counts as having stood', async () => {
    const { take, standings } = await openSetting({ before: at(-1), after: at(14) });
    await take({ firstSeen: { since: async () => at(0) } });
    expect(await standings()).toEqual({ before: 'existing', after: 'existing' });
  });

  test('after a loss of Redis what was pushed for the rule is wanted again, and no other', async () => {
    const { take, standings } = await openSetting({ old: at(-600), signed: at(-60), recent: at(-1) });
    const store = openStore();
    const directory = stateDirectory();
    const first = await workerAt(at(-120).getTime(), store, directory);
    await take({ firstSeen: first });
    await store.redis.del(await store.redis.keys(`${store.prefix}:*`));
    await take({ firstSeen: await workerAt(now, store, directory) });
    expect(await standings()).toEqual({ old: 'existing', signed: 'new', recent: 'new' });
  });

  test('after a loss of Redis and of the state directory all counts as having stood', async () => {
    const { take, standings } = await openSetting({ old: at(-600), signed: at(-60) });
    await take({ firstSeen: await workerAt(now, openStore(), stateDirectory()) });
    expect(await standings()).toEqual({ old: 'existing', signed: 'existing' });
  });
});
