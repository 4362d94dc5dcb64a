import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type AuditLog, openAuditLog } from '../../../src/observability/audit.ts';

const now = () => new Date('2026-01-02T03:04:05.678Z');

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'autosign-audit-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function open(file: string): Promise<AuditLog> {
  const audit = await openAuditLog(file, now);
  onTestFinished(() => audit.close());
  return audit;
}

function linesOf(file: string): Record<string, unknown>[] {
  const text = readFileSync(file, 'utf8');
  expect(text.endsWith('\n')).toBe(true);
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('writes one JSON line an entry, with its time, in a directory that it makes', async () => {
  const file = join(temporaryDirectory(), 'state', 'audit.jsonl');
  const audit = await open(file);
  await audit.write({ kind: 'intent', intent: 'abc', key: 'release' });
  await audit.write({ kind: 'outcome', intent: 'abc', outcome: 'signed', text: 'two\nlines' });
  const time = '2026-01-02T03:04:05.678Z';
  expect(linesOf(file)).toEqual([
    { time, kind: 'intent', intent: 'abc', key: 'release' },
    { time, kind: 'outcome', intent: 'abc', outcome: 'signed', text: 'two\nlines' },
  ]);
});

test('is not readable by everybody', async () => {
  const file = join(temporaryDirectory(), 'audit.jsonl');
  await open(file);
  expect(statSync(file).mode & 0o007).toBe(0);
});

test('adds to what is there', async () => {
  const file = join(temporaryDirectory(), 'audit.jsonl');
  writeFileSync(file, '{"kind":"intent","intent":"old"}\n');
  await (await open(file)).write({ kind: 'intent', intent: 'new' });
  expect(linesOf(file).map(({ intent }) => intent)).toEqual(['old', 'new']);
});

test('keeps the lines of several writers at once apart, and loses none', async () => {
  const file = join(temporaryDirectory(), 'audit.jsonl');
  const writers = await Promise.all(Array.from({ length: 4 }, () => open(file)));
  const entries = Array.from({ length: 400 }, (_, number) => ({
    kind: 'intent' as const,
    intent: `${number}`,
    filling: `${number % 10}`.repeat(200 + 17 * (number % 50)),
  }));
  await Promise.all(entries.map((entry, number) => writers[number % 4]?.write(entry)));
  const lines = linesOf(file);
  expect(lines).toHaveLength(400);
  expect(new Map(lines.map(({ intent, filling }) => [intent, filling]))).toEqual(
    new Map(entries.map(({ intent, filling }) => [intent, filling])),
  );
});

test('keeps the order of entries that come while a line is written, and confirms each only once it stands there', async () => {
  const file = join(temporaryDirectory(), 'audit.jsonl');
  const audit = await open(file);
  const numbers = Array.from({ length: 50 }, (_, number) => `${number}`);
  const confirmed = numbers.map(async (intent) => {
    await audit.write({ kind: 'intent', intent });
    expect(linesOf(file).map((line) => line['intent'])).toContain(intent);
  });
  await Promise.all(confirmed);
  expect(linesOf(file).map(({ intent }) => intent)).toEqual(numbers);
});

test('writes what came before it is closed', async () => {
  const file = join(temporaryDirectory(), 'audit.jsonl');
  const audit = await openAuditLog(file, now);
  const written = ['1', '2', '3'].map((intent) => audit.write({ kind: 'intent', intent }));
  await audit.close();
  await Promise.all(written);
  expect(linesOf(file)).toHaveLength(3);
});

test.each([
  ['a directory stands in its place', (state: string) => mkdirSync(join(state, 'audit.jsonl'), { recursive: true })],
  ['its directory is a file', (state: string) => writeFileSync(state, 'a file')],
])('cannot be opened when %s', async (_, prepare) => {
  const state = join(temporaryDirectory(), 'state');
  prepare(state);
  const file = join(state, 'audit.jsonl');
  await expect(openAuditLog(file, now)).rejects.toMatchObject({
    code: 'audit-unwritable',
    kind: 'surroundings',
    message: expect.stringContaining(file),
  });
});

test('refuses an entry when the disk is full', async () => {
  // Every write to this device fails as on a full disk (full(4)).
  const audit = await open('/dev/full');
  await expect(audit.write({ kind: 'intent', intent: 'abc' })).rejects.toMatchObject({
    code: 'audit-unwritable',
    cause: { code: 'ENOSPC' },
  });
});

test('refuses every entry of a write that fails', async () => {
  const audit = await open('/dev/full');
  const written = ['1', '2', '3'].map((intent) => audit.write({ kind: 'intent', intent }));
  for (const one of await Promise.allSettled(written)) {
    expect(one).toMatchObject({ status: 'rejected', reason: { code: 'audit-unwritable' } });
  }
});

test('refuses an entry after it was closed', async () => {
  const audit = await openAuditLog(join(temporaryDirectory(), 'audit.jsonl'), now);
  await audit.close();
  await expect(audit.write({ kind: 'intent', intent: 'abc' })).rejects.toMatchObject({ code: 'audit-unwritable' });
});
