import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { AutosignError, type ErrorCode, failureTable, isErrorCode, nextStepOf } from '../../../src/domain/errors.ts';

const codes = Object.keys(failureTable) as ErrorCode[];

const kindWords = { retry: 'again', image: 'image', surroundings: 'around', usage: 'usage' };

test('README.md shows the table as it is: every code, its kind and scope, and the next step', async () => {
  const text = await readFile(new URL('../../../README.md', import.meta.url), 'utf8');
  const [, section = ''] = text.split('### When something fails');
  const rows =
    section
      .split('\n### ')[0]
      ?.split('\n## ')[0]
      ?.match(/^\| `.*$/gm) ?? [];
  expect(rows.map((row) => row.replaceAll(/ +/g, ' '))).toEqual(
    codes.map((code) => {
      const { kind, scope, nextStep } = failureTable[code];
      return `| \`${code}\` | ${kindWords[kind]} | ${scope} | ${nextStep} |`;
    }),
  );
});

test.each(codes)('the next step for %s is one sentence that fits a line of a log', (code) => {
  expect(nextStepOf(code)).toMatch(/^[A-Z].{10,130}\.$/);
});

test('what pauses a key or a registry is wrong around the images, or an outage that is tried again', () => {
  const pausing = codes.filter((code) => ['key', 'registry'].includes(failureTable[code].scope));
  expect(pausing.filter((code) => !['surroundings', 'retry'].includes(failureTable[code].kind))).toEqual([]);
});

test('what is wrong for one image pauses nothing', () => {
  const ofImages = codes.filter((code) => failureTable[code].kind === 'image');
  expect(ofImages.filter((code) => failureTable[code].scope !== 'image')).toEqual([]);
});

test('an error knows its kind and scope', () => {
  const error = new AutosignError('key-unusable', 'disabled');
  expect([error.kind, error.scope]).toEqual(['surroundings', 'key']);
});

test.each(['', 'unexpected', 'toString', '__proto__', 'KEY-UNUSABLE'])('%j is no code', (text) => {
  expect(isErrorCode(text)).toBe(false);
});
