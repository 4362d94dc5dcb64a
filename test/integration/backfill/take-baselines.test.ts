import { describe, expect, test } from 'vitest';
import { freePort } from '../../../infra/processes/free-port.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import type { RegistryListing } from '../../../src/ports/registry-listing.ts';
import type { RegistryClient } from '../../../src/registry/registry-client.ts';
import { uniqueRepository } from '../../support/names.ts';
import { startScriptedServer } from '../../unit/registry/scripted-server.ts';

import { host, neverMs, openClient, push, select, settingOf } from './baseline-setting.ts';

describe('taking baselines', () => {
  test('records what stands, for each rule that leaves existing images alone', async () => {
    const repository = uniqueRepository();
    const [v1, v2] = [await push(repository, 'v1'), await push(repository, 'v2')];
    const { baseline, take, identity, completed, log } = await settingOf({
      rules: [
        `name: all, registries: [lab], ${select(repository)}`,
        `name: first, registries: [lab], tags: { include: [v1] }, ${select(repository)}`,
        `name: eager, registries: [lab], existing: sign, ${select(repository)}`,
        `name: asleep, registries: [lab], state: "off", ${select(repository)}`,
        `name: watch, registries: [lab], state: audit, ${select(repository)}`,
      ],
    });
    expect(await take()).toEqual([]);
    expect(completed).toEqual(['all lab', 'first lab', 'watch lab']);
    const image = { registry: 'lab', repository, tag: 'v1' };
    expect(await baseline.standing(identity('all'), image, v1.digest)).toBe('existing');
    expect(await baseline.standing(identity('all'), { ...image, tag: 'v2' }, v2.digest)).toBe('existing');
    expect(new Map(await Array.fromAsync(baseline.entries(identity('first'), 'lab')))).toEqual(
      new Map([[`${repository}:v1`, v1.digest]]),
    );
    for (const [name, complete] of [
      ['all', true],
      ['first', true],
      ['watch', true],
      ['eager', false],
      ['asleep', false],
    ] as const) {
      expect(await baseline.isComplete(identity(name), 'lab'), name).toBe(complete);
    }
    const counts = log.map((line) => JSON.parse(line)).map(({ rule, images }) => [rule, images]);
    expect(counts).toEqual([
      ['all', 2],
      ['first', 1],
      ['watch', 2],
    ]);
  });

  test('what is pushed afterwards under a tag that stood is not in it', async () => {
    const repository = uniqueRepository();
    await push(repository, 'v1', 'before');
    const { baseline, take, identity } = await settingOf({
      rules: [`name: all, registries: [lab], ${select(repository)}`],
    });
    await take();
    const { digest } = await push(repository, 'v1', 'after');
    await take();
    expect(await baseline.standing(identity('all'), { registry: 'lab', repository, tag: 'v1' }, digest)).toBe('new');
  });

  test('an empty registry is complete at once, without waiting for late events', async () => {
    const { baseline, take, identity } = await settingOf({
      rules: [`name: all, registries: [lab], ${select(uniqueRepository())}`],
      options: { settleMs: neverMs },
    });
    expect(await take()).toEqual([]);
    expect(await baseline.isComplete(identity('all'), 'lab')).toBe(true);
  });

  test.each(['while the tag is looked up', 'while the baseline settles'])(
    'a push that is announced %s is left out, so it is signed',
    async (when) => {
      const repository = uniqueRepository();
      const [pushed, stood] = [await push(repository, 'v1'), await push(repository, 'v2')];
      const image = { registry: 'lab', repository, tag: 'v1' };
      const client = openClient(host);
      const setting = await settingOf({
        rules: [`name: all, registries: [lab], ${select(repository)}`],
        clients: {
          lab: {
            ...client,
            headManifest: async (...args) => {
              if (when === 'while the tag is looked up' && args[1] === 'v1') await setting.marks.mark(image, 'rules');
              return client.headManifest(...args);
            },
          },
        },
      });
      const { baseline, marks, take, identity } = setting;
      const [entered, announced] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const watched = {
        ...baseline,
        enter: async (...args: Parameters<typeof baseline.enter>) => {
          await baseline.enter(...args);
          if (args[1].tag === 'v2') entered.resolve();
        },
        complete: async (...args: Parameters<typeof baseline.complete>) => {
          await announced.promise;
          return baseline.complete(...args);
        },
      };
      const taken = take({ baseline: watched });
      await entered.promise;
      expect(await Array.fromAsync(baseline.entries(identity('all'), 'lab'))).toContainEqual([
        `${repository}:v1`,
        pushed.digest,
      ]);
      if (when === 'while the baseline settles') await marks.mark(image, 'rules');
      announced.resolve();
      await taken;
      expect(await baseline.standing(identity('all'), image, pushed.digest)).toBe('new');
      expect(await baseline.standing(identity('all'), { ...image, tag: 'v2' }, stood.digest)).toBe('existing');
    },
  );

  test('a registry that is down leaves its rules preparing with the reason, and stops no other', async () => {
    const repository = uniqueRepository();
    await push(repository, 'v1');
    const down = `127.0.0.1:${await freePort()}`;
    const clients: Record<string, RegistryClient> = { far: openClient(down), lab: openClient(host) };
    const { baseline, take, identity, log } = await settingOf({
      rules: [`name: all, registries: [far, lab], ${select(repository)}`],
      clients,
    });
    expect(await take()).toEqual([{ rule: 'all', registry: 'far', reason: expect.stringContaining(down) }]);
    expect(await baseline.isComplete(identity('all'), 'lab')).toBe(true);
    expect(await baseline.isComplete(identity('all'), 'far')).toBe(false);
    expect(log.map((line) => JSON.parse(line).level)).toEqual(['warn', 'info']);
    // It is there again.
    clients['far'] = openClient(host);
    expect(await take()).toEqual([]);
    expect(await baseline.isComplete(identity('all'), 'far')).toBe(true);
  });

  test('a catalogue that is refused leaves the rules that need it preparing, and only those', async () => {
    await using server = await startScriptedServer(({ path }) => ({ status: path.includes('_catalog') ? 401 : 404 }));
    const { baseline, take, identity, completed } = await settingOf({
      rules: ['name: wide, registries: [lab]', `name: named, registries: [lab], ${select(uniqueRepository())}`],
      clients: { lab: openClient(server.host) },
    });
    expect(await take()).toEqual([{ rule: 'wide', registry: 'lab', reason: expect.stringContaining('_catalog') }]);
    expect(await baseline.isComplete(identity('wide'), 'lab')).toBe(false);
    expect(completed).toEqual(['named lab']);
  });

  test('a namespace that may not be listed leaves the rules that cover it preparing, and only those', async () => {
    const listing: RegistryListing = {
      async *listRepositories(wants) {
        yield 'open-1/app';
        if (wants('closed-1')) throw new AutosignError('registry-denied', 'closed-1 may not be listed');
      },
      async *listTags() {
        yield { name: 'vanished', pushedAt: undefined };
      },
    };
    const { baseline, take, identity, completed } = await settingOf({
      rules: ['open', 'closed'].map(
        (name) => `name: ${name}, registries: [lab], namespaces: { include: ["${name}-*"] }`,
      ),
      listing,
    });
    expect(await take()).toEqual([{ rule: 'closed', registry: 'lab', reason: 'closed-1 may not be listed' }]);
    expect(await baseline.isComplete(identity('open'), 'lab')).toBe(true);
    expect(completed).toEqual(['open lab']);
  });

  test('a registry that fails half way through its tags has no complete baseline', async () => {
    const repository = uniqueRepository();
    for (const tag of ['v1', 'v2']) await push(repository, tag);
    const client = openClient(host);
    const clients = {
      lab: {
        ...client,
        headManifest: async (...args: Parameters<RegistryClient['headManifest']>) => {
          if (args[1] === 'v2') throw new Error('the connection broke');
          return client.headManifest(...args);
        },
      },
    };
    const rules = [`name: all, registries: [lab], ${select(repository)}`];
    const { baseline, take, identity } = await settingOf({ rules, clients, options: { concurrency: 1 } });
    expect(await take()).toEqual([{ rule: 'all', registry: 'lab', reason: 'the connection broke' }]);
    expect(await baseline.isComplete(identity('all'), 'lab')).toBe(false);
  });

  test('a rule of a registry that is not open stays incomplete', async () => {
    const { baseline, take, identity } = await settingOf({ rules: ['name: all, registries: [far]'] });
    await take();
    expect(await baseline.isComplete(identity('all'), 'far')).toBe(false);
  });

  test('a complete baseline is not walked again', async () => {
    const client = openClient(host);
    const clients: Record<string, RegistryClient | undefined> = { lab: client };
    const rules = [`name: all, registries: [lab], ${select(uniqueRepository())}`];
    const { take, completed } = await settingOf({ rules, clients });
    await take();
    const asked: string[] = [];
    await take({ accessTo: (registry) => void asked.push(registry) as undefined });
    expect(asked).toEqual([]);
    expect(completed).toEqual(['all lab']);
  });
});

describe('stopping', () => {
  test('ends the wait for late events, and the baseline stays open', async () => {
    const repository = uniqueRepository();
    await push(repository, 'v1');
    const stopping = new AbortController();
    const setting = await settingOf({ rules: [`name: all, registries: [lab, far], ${select(repository)}`] });
    const { baseline, take, identity, log } = setting;
    const watched = {
      ...baseline,
      enter: async (...args: Parameters<typeof baseline.enter>) => {
        await baseline.enter(...args);
        setImmediate(() => stopping.abort());
      },
    };
    const taken = take({ baseline: watched, settleMs: neverMs, signal: stopping.signal });
    await expect(taken).rejects.toMatchObject({ name: 'AbortError' });
    expect(await baseline.isComplete(identity('all'), 'lab')).toBe(false);
    expect(log).toEqual([]);
  });

  test('ends a walk whose registry does not answer, and begins no other', async () => {
    const stopping = new AbortController();
    await using silent = await startScriptedServer(() => {
      stopping.abort();
      return undefined;
    });
    await using next = await startScriptedServer(() => ({ status: 404 }));
    const { take } = await settingOf({
      rules: ['name: all, registries: [lab, far]'],
      clients: { lab: openClient(silent.host), far: openClient(next.host) },
    });
    await expect(take({ signal: stopping.signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect(next.received).toEqual([]);
  });
});
