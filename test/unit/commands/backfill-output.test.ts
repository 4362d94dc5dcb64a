import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { BackfillProgress } from '../../../src/backfill/backfill-event.ts';
import { createBarOutput } from '../../../src/commands/backfill-bars.ts';
import {
  type BackfillSummary,
  createJsonOutput,
  durationText,
  sentenceOf,
  summaryText,
} from '../../../src/commands/backfill-output.ts';

const nothing: BackfillProgress = {
  tags: 0,
  queued: 0,
  signed: 0,
  skipped: 0,
  failed: 0,
  undated: 0,
  pending: 0,
  waiting: 0,
  unread: 0,
};
const finished: BackfillSummary = { status: 'finished', progress: nothing, failures: new Map() };

/** A clock that stands still until it is moved. */
function clock() {
  let at = 1_000;
  const pass = (ms: number) => {
    at += ms;
  };
  return { now: () => at, pass };
}

describe('lines of JSON', () => {
  function open() {
    const { now, pass } = clock();
    const lines: string[] = [];
    const output = createJsonOutput({ write: (text) => void lines.push(text), now });
    return { output, pass, read: () => lines.map((line) => JSON.parse(line)), lines };
  }

  test('have the counts as they are then, one object a line', () => {
    const { output, read, lines } = open();
    let progress = nothing;
    output.tell({ step: 'begun', forgotten: undefined });
    output.follow(() => progress, undefined);
    progress = { ...nothing, tags: 3, queued: 2 };
    output.tell({ step: 'namespace', registry: 'lab', namespace: 'prod' });
    output.end({ ...finished, progress, failures: new Map([['lab/prod/app:v1', 'not-found']]) });
    expect(read()).toEqual([
      { step: 'begun', seconds: 0 },
      { step: 'namespace', registry: 'lab', namespace: 'prod', seconds: 0, ...progress },
      {
        step: 'summary',
        status: 'finished',
        seconds: 0,
        ...progress,
        failures: [{ image: 'lab/prod/app:v1', code: 'not-found' }],
      },
    ]);
    for (const line of lines) expect(line.match(/\n/g)).toHaveLength(1);
  });

  test('that only count come once a second, and others at once', () => {
    const { output, pass, read } = open();
    output.follow(() => nothing, undefined);
    for (let round = 0; round < 30; round += 1) {
      output.tell({ step: 'progress' });
      pass(100);
    }
    output.tell({ step: 'idle', pending: 1, forSeconds: 15 });
    output.tell({ step: 'idle', pending: 1, forSeconds: 15 });
    expect(read().map(({ step, seconds }) => `${step} ${seconds}`)).toEqual([
      'progress 0',
      'progress 1',
      'progress 2',
      'idle 3',
      'idle 3',
    ]);
  });

  test('end with the command that goes on, and the estimate of a dry run', () => {
    const { output, read } = open();
    const estimate = { images: 3, signatures: 4, kmsCalls: 4, seconds: 1 };
    output.end({ ...finished, status: 'stopped', resume: 'autosign backfill --resume', estimate });
    expect(read()).toMatchObject([
      { step: 'summary', status: 'stopped', resume: 'autosign backfill --resume', estimate },
    ]);
  });

  test('name no more than a hundred of those that failed', () => {
    const { output, read } = open();
    const failures = new Map(Array.from({ length: 150 }, (_, number) => [`lab/app:v${number}`, 'not-found']));
    output.end({ ...finished, failures });
    expect(read()[0].failures).toHaveLength(100);
  });
});

describe('the last words', () => {
  test('name what failed, what waits, and how to go on', () => {
    const progress = {
      ...nothing,
      tags: 9,
      queued: 5,
      signed: 3,
      skipped: 4,
      failed: 1,
      pending: 1,
      waiting: 2,
      unread: 6,
      undated: 7,
    };
    const failures = new Map([['lab/prod/app:v1', 'not-found']]);
    expect(summaryText({ status: 'partly', progress, failures, resume: 'autosign backfill --resume' })).toBe(
      `partly: 9 images looked at, 5 queued, 3 signed, 4 skipped, 1 failed
1 are in the queue; the workers sign them
7 of them do not tell when they were built
2 wait: a key is paused, or a rule is preparing
6 could not be looked at
failed: lab/prod/app:v1: not-found
"autosign dead list" says what to do about those that failed
go on with: autosign backfill --resume
`,
    );
  });

  test('of a dry run are images, calls and time', () => {
    const estimate = { images: 20_000, signatures: 40_000, kmsCalls: 36_000, seconds: 200 };
    expect(summaryText({ ...finished, progress: { ...nothing, tags: 21_000, skipped: 1_000 }, estimate })).toBe(
      `21000 images looked at: 20000 lack a signature, 1000 need none
40000 signatures, 36000 calls of KMS: 3:20 at the quota
`,
    );
  });

  test('hold nothing that a terminal obeys', () => {
    const failures = new Map([['lab/\u001b[2Japp:v1', 'x\u0007']]);
    expect(summaryText({ ...finished, failures })).toContain('lab/?[2Japp:v1: x?\n');
  });
});

test.each([
  [0, '0:00'],
  [59.2, '1:00'],
  [65, '1:05'],
  [3_599.5, '1:00:00'],
  [3_725, '1:02:05'],
])('%d seconds are written %s', (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});

test('whoever reads along is not told what the bars show', () => {
  expect(sentenceOf({ step: 'progress' })).toBeUndefined();
  expect(sentenceOf({ step: 'begun', forgotten: undefined })).toBeUndefined();
  expect(sentenceOf({ step: 'begun', forgotten: new Date(0) })).toContain('1970-01-01T00:00:00.000Z is forgotten');
  expect(sentenceOf({ step: 'left', image: 'lab/app:v1', reason: 'no rule' })).toContain('the same rules?');
});

describe('bars', () => {
  function open() {
    const { now, pass } = clock();
    let shown = '';
    const terminal = new Writable({
      write: (chunk, _encoding, done) => {
        shown += String(chunk);
        done();
      },
    });
    const summaries: string[] = [];
    const wide = Object.assign(terminal, { isTTY: true, columns: 200 });
    const output = createBarOutput({ terminal: wide, write: (text) => void summaries.push(text), now });
    return { output, pass, shown: () => shown, summaries };
  }

  test('show namespaces, images, what became of them, rate and time left', () => {
    const { output, pass, shown, summaries } = open();
    let progress: BackfillProgress = { ...nothing, tags: 100, queued: 60, signed: 50 };
    output.follow(() => progress, { tags: 300, namespaces: 4 });
    pass(2_000);
    progress = { ...progress, tags: 200, queued: 130, signed: 90, pending: 30, skipped: 7, failed: 3, waiting: 2 };
    output.tell({ step: 'namespace', registry: 'lab', namespace: 'prod' });
    output.end({ ...finished, progress });
    expect(shown()).toMatch(/namespaces \[[=-]+\] 1\/4/);
    expect(shown()).toMatch(/images +\[[=-]+\] 202\/400, 51\/s, 0:04 left/);
    expect(shown()).toMatch(/signed +\[[=-]+\] 90\/130 queued, 7 skipped, 3 failed, 2 not yet, 20\/s, 0:02 left/);
    expect(summaries.join('')).toContain('finished: 200 images looked at');
  });

  test('leave the cursor as it was, also when they are closed twice, and what is told before them is plain', () => {
    const { output, shown } = open();
    output.tell({ step: 'occupied' });
    expect(shown()).toBe('another backfill of the same choice runs, or was killed a moment ago: waits for it\n');
    output.follow(() => nothing, { tags: 1, namespaces: 1 });
    expect(shown()).toContain('\u001b[?25l');
    output.close();
    output.close();
    expect(shown().split('\u001b[?25h')).toHaveLength(2);
  });

  test('hold nothing that a terminal obeys of what a registry said', () => {
    const { output, shown } = open();
    output.tell({ step: 'unread', place: 'lab/app:v1', reason: '\u001b[2J' });
    expect(shown()).toBe('lab/app:v1: cannot be looked at: ?[2J\n');
    output.close();
  });
});
