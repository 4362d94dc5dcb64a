import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RuleSet } from '../../../src/rules/rule-set.ts';
import { openRuleSource, type RefusedRules, type RuleSource } from '../../../src/rules/rule-source.ts';
import { rulesText } from './rules-text.ts';

let directory: string;
let file: string;
let stateDir: string;
let sources: RuleSource[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'autosign-rules-'));
  file = join(directory, 'rules.yaml');
  stateDir = join(directory, 'state');
  sources = [];
});

afterEach(async () => {
  await Promise.all(sources.map((source) => source.close()));
  await rm(directory, { recursive: true, force: true });
});

/** Longer than a test: such a source looks only when told to. */
const never = 1_000_000;
const now = new Date('2026-11-22T10:00:00Z');

async function open({ intervalMs = never, clock = { now: () => now } } = {}) {
  const accepted: RuleSet[] = [];
  const refused: RefusedRules[] = [];
  const heard = Promise.withResolvers<void>();
  const source = await openRuleSource({
    file,
    stateDir,
    intervalMs,
    clock,
    onAccepted: (ruleSet) => {
      accepted.push(ruleSet);
      heard.resolve();
    },
    onRefused: (refusal) => {
      refused.push(refusal);
      heard.resolve();
    },
  });
  sources.push(source);
  return { source, accepted, refused, heard: heard.promise };
}

/** Lets the timer ring once; the next one is set when the look is over. Only timers are faked, the files are real. */
async function lookOnce(): Promise<void> {
  vi.advanceTimersToNextTimer();
  while (vi.getTimerCount() === 0) await new Promise((resolve) => setImmediate(resolve));
}

const named = (name: string, rest = ''): string => rulesText({ rest }).replace('name: all', `name: ${name}`);
const namesOf = (source: RuleSource): readonly string[] => source.current().rules.map(({ name }) => name);
const broken = named('broken').replace('key: dev', 'key: gone');
const team = (name: string): string =>
  `rules:\n  - { name: ${name}, registries: [lab], key: dev, algorithm: ECDSA_SHA_256 }`;

describe('a running service', () => {
  test('takes a changed file over by itself', async () => {
    await writeFile(file, named('first'));
    const { source, accepted, refused, heard } = await open({ intervalMs: 5 });
    await writeFile(`${file}.new`, named('second'));
    await rename(`${file}.new`, file);
    await heard;
    expect(namesOf(source)).toEqual(['second']);
    expect(accepted).toEqual([source.current()]);
    expect(refused).toEqual([]);
  });

  test('follows the symbolic links that a mounted ConfigMap swaps', async () => {
    for (const [version, text] of [
      ['..1', named('first')],
      ['..2', named('second')],
    ] as const) {
      await mkdir(join(directory, version));
      await writeFile(join(directory, version, 'rules.yaml'), text);
    }
    await symlink('..1', join(directory, '..data'));
    await symlink('..data/rules.yaml', file);
    const { source, heard } = await open({ intervalMs: 5 });
    expect(namesOf(source)).toEqual(['first']);
    await symlink('..2', join(directory, '..data_tmp'));
    await rename(join(directory, '..data_tmp'), join(directory, '..data'));
    await heard;
    expect(namesOf(source)).toEqual(['second']);
  });

  test('keeps the last good rules when the file breaks, and says what and since when', async () => {
    await writeFile(file, named('first'));
    const { source, accepted, refused, heard } = await open({ intervalMs: 5 });
    await writeFile(file, broken);
    await heard;
    expect(namesOf(source)).toEqual(['first']);
    expect(source.refused()).toEqual({
      message: expect.stringContaining(`${file}:11: rules[0].key: there is no key "gone"`),
      since: now,
    });
    expect(refused).toEqual([source.refused()]);
    expect(accepted).toEqual([]);
  });

  test('takes a change over at the second look only, since the first may see a file half written', async () => {
    await writeFile(file, named('first'));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const { source, accepted } = await open({ intervalMs: 5 });
      await writeFile(file, named('half-written'));
      await lookOnce();
      expect(namesOf(source)).toEqual(['first']);
      await writeFile(file, named('whole'));
      await lookOnce();
      expect(namesOf(source)).toEqual(['first']);
      expect(accepted).toEqual([]);
      await lookOnce();
      expect(namesOf(source)).toEqual(['whole']);
    } finally {
      vi.useRealTimers();
    }
  });

  test('sets no timer any more when it is closed during a look', async () => {
    await writeFile(file, named('first'));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const { source } = await open({ intervalMs: 5 });
      vi.advanceTimersToNextTimer();
      await source.close();
      await new Promise((resolve) => setImmediate(resolve));
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test('does not look any more after it was closed', async () => {
    await writeFile(file, named('first'));
    const { source, accepted } = await open({ intervalMs: 5 });
    await source.close();
    await writeFile(file, named('second'));
    await source.reload();
    expect(namesOf(source)).toEqual(['first']);
    expect(accepted).toEqual([]);
  });
});

describe('a reload', () => {
  test('of the same file changes nothing and tells nobody', async () => {
    await writeFile(file, named('first'));
    const { source, accepted, refused } = await open();
    const before = source.current();
    await source.reload();
    await source.reload();
    expect(source.current()).toBe(before);
    expect([accepted, refused]).toEqual([[], []]);
  });

  test('of a broken file tells once, keeps since when, and the mended file ends the refusal', async () => {
    const times = [now, new Date('2026-11-22T11:00:00Z')];
    await writeFile(file, named('first'));
    const { source, accepted, refused } = await open({ clock: { now: () => times.shift() ?? new Date(0) } });
    await writeFile(file, broken);
    await source.reload();
    await source.reload();
    expect(refused).toHaveLength(1);
    await writeFile(file, broken.replace('gone', 'lost'));
    await source.reload();
    expect(refused.map(({ since }) => since)).toEqual([now, now]);
    await writeFile(file, named('first'));
    await source.reload();
    expect(source.refused()).toBeUndefined();
    expect(accepted).toHaveLength(1);
  });

  test('refuses a file that has gone', async () => {
    await writeFile(file, named('first'));
    const { source } = await open();
    await unlink(file);
    await source.reload();
    expect(namesOf(source)).toEqual(['first']);
    expect(source.refused()?.message).toContain('cannot be read: ENOENT');
  });

  test('sees included files appear, change, be renamed, break and disappear', async () => {
    await mkdir(join(directory, 'teams'));
    await writeFile(file, named('main', 'include: ["teams/*.yaml"]'));
    const { source, accepted } = await open();
    await writeFile(join(directory, 'teams/a.yaml'), team('a'));
    await source.reload();
    expect(namesOf(source)).toEqual(['main', 'a']);
    await writeFile(join(directory, 'teams/a.yaml'), team('a2'));
    await source.reload();
    expect(namesOf(source)).toEqual(['main', 'a2']);
    await rename(join(directory, 'teams/a.yaml'), join(directory, 'teams/b.yaml'));
    await source.reload();
    expect(source.current().rules[1]?.origin.file).toBe(join(directory, 'teams/b.yaml'));
    await writeFile(join(directory, 'teams/c.yaml'), team('a2'));
    await source.reload();
    expect(source.refused()?.message).toContain('teams/c.yaml:2: rules[0].name: there are two rules "a2"');
    await unlink(join(directory, 'teams/c.yaml'));
    await unlink(join(directory, 'teams/b.yaml'));
    await source.reload();
    expect(source.refused()).toBeUndefined();
    expect(namesOf(source)).toEqual(['main']);
    expect(accepted).toHaveLength(4);
  });
});

describe('a start', () => {
  test('with a broken file uses the last good rules with their included files, and shows the refusal', async () => {
    await mkdir(join(directory, 'teams'));
    await writeFile(join(directory, 'teams/a.yaml'), team('a'));
    await writeFile(file, named('main', 'include: ["*/*.yaml"]'));
    const first = await open();
    await first.source.close();
    await writeFile(file, broken);
    await rm(join(directory, 'teams'), { recursive: true });
    const { source, refused, accepted } = await open();
    expect(source.current()).toEqual(first.source.current());
    expect(source.refused()?.message).toContain('there is no key "gone"');
    expect(refused).toEqual([{ message: source.refused()?.message, since: now }]);
    await writeFile(file, named('mended'));
    await source.reload();
    expect(namesOf(source)).toEqual(['mended']);
    expect(accepted).toHaveLength(1);
  });

  test('uses the rules that were taken over last, not those of the first start', async () => {
    await writeFile(file, named('first'));
    const first = await open();
    await writeFile(file, named('second'));
    await first.source.reload();
    await writeFile(file, broken);
    await first.source.reload();
    const { source } = await open();
    expect(namesOf(source)).toEqual(['second']);
  });

  test('with a broken file and nothing kept is refused', async () => {
    await writeFile(file, broken);
    await expect(open()).rejects.toMatchObject({
      code: 'rules-invalid',
      message: expect.stringContaining(':11: rules[0].key'),
    });
  });

  test('does not use what was kept of another file', async () => {
    await writeFile(file, named('first'));
    await (await open()).source.close();
    file = join(directory, 'other.yaml');
    await writeFile(file, broken);
    await expect(open()).rejects.toMatchObject({ code: 'rules-invalid' });
  });

  test.each([
    ['damaged', (text: string) => text.slice(0, -10)],
    ['of another version', (text: string) => text.replace('"version":1', '"version":2')],
    [
      'invalid by now',
      (text: string) => text.replace(/"base64":"[^"]*"/, `"base64":"${Buffer.from(broken).toString('base64')}"`),
    ],
  ])('does not use a kept copy that is %s', async (_, damage) => {
    await writeFile(file, named('first'));
    await (await open()).source.close();
    const kept = join(stateDir, 'last-good-rules.json');
    await writeFile(kept, damage(await readFile(kept, 'utf8')));
    await writeFile(file, broken);
    await expect(open()).rejects.toMatchObject({ code: 'rules-invalid' });
  });

  test('is refused when the state directory cannot be written', async () => {
    await writeFile(file, named('first'));
    await writeFile(stateDir, 'a file');
    await expect(open()).rejects.toMatchObject({
      code: 'settings-invalid',
      message: expect.stringContaining(`${stateDir}: EEXIST`),
    });
  });
});

test('rules that cannot be kept are in force all the same, and it is told', async () => {
  await writeFile(file, named('first'));
  const unsaved: string[] = [];
  const source = await openRuleSource({
    file,
    stateDir,
    intervalMs: never,
    onAccepted: () => undefined,
    onRefused: () => undefined,
    onUnsaved: ({ code }) => unsaved.push(code),
  });
  sources.push(source);
  await rm(stateDir, { recursive: true });
  await writeFile(stateDir, 'a file');
  await writeFile(file, named('second'));
  await source.reload();
  expect(namesOf(source)).toEqual(['second']);
  expect(unsaved).toEqual(['settings-invalid']);
});

test('what is kept leaves no other file behind and is for the owner only', async () => {
  await writeFile(file, named('first'));
  await open();
  expect(await readdir(stateDir)).toEqual(['last-good-rules.json']);
  expect((await stat(join(stateDir, 'last-good-rules.json'))).mode & 0o777).toBe(0o600);
});
