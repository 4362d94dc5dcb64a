import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { writeWhole } from '../../../src/commands/write-whole.ts';

const root = mkdtempSync(join(tmpdir(), 'autosign-whole-'));
afterAll(() => rmSync(root, { recursive: true }));
const folder = () => mkdtempSync(join(root, 'x-'));

test('a file is written, and nothing stays beside it', async () => {
  const directory = folder();
  await writeWhole(join(directory, 'file'), 'text', { replace: false });
  expect(readdirSync(directory)).toEqual(['file']);
  expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('text');
});

test('one that is there is replaced only when that is asked for, whoever came first', async () => {
  const directory = folder();
  const file = join(directory, 'file');
  const texts = ['one', 'two', 'three'];
  const ends = await Promise.allSettled(texts.map((text) => writeWhole(file, text, { replace: false })));
  const winners = texts.filter((_, index) => ends[index]?.status === 'fulfilled');
  expect(winners).toEqual([readFileSync(file, 'utf8')]);
  for (const end of ends) {
    if (end.status === 'rejected')
      expect(end.reason).toMatchObject({ code: 'usage', message: expect.stringContaining('--force') });
  }
  await writeWhole(file, 'new', { replace: true });
  expect(readFileSync(file, 'utf8')).toBe('new');
  expect(readdirSync(directory)).toEqual(['file']);
});

test('a folder that is not there is said', async () => {
  const file = join(folder(), 'none', 'file');
  await expect(writeWhole(file, 'text', { replace: true })).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining(`${file} cannot be written`),
  });
});
