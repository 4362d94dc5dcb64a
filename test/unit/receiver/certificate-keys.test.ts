import { generateKeyPairSync } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createCertificateKeys } from '../../../src/receiver/certificate-keys.ts';
import { certificateLimits } from '../../../src/receiver/certificate-limits.ts';

const pem = String(
  generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey.export({ type: 'spki', format: 'pem' }),
);
const url = (name = 'x') => new URL(`https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/${name}.pem`);

/** Answers every fetch with `answer.text`, or fails without it; time stands until it is moved on. */
function setUp(limits: Partial<typeof certificateLimits> = {}) {
  const fetched: string[] = [];
  const answer: { text: string | undefined } = { text: pem };
  let nowMs = 1_000_000;
  const keys = createCertificateKeys({
    fetchCertificate: async ({ pathname }) => {
      fetched.push(pathname);
      await setImmediate();
      if (answer.text === undefined) throw new Error('the host is away');
      return answer.text;
    },
    clock: { now: () => new Date(nowMs) },
    limits: { ...certificateLimits, ...limits },
  });
  return { keys, fetched, answer, pass: (ms: number) => (nowMs += ms) };
}

describe('the key of a certificate', () => {
  test('is fetched once for a hundred deliveries at the same time, and kept', async () => {
    const { keys, fetched } = setUp();
    const found = await Promise.all(Array.from({ length: 100 }, () => keys.get(url())));
    expect(new Set(found).size).toBe(1);
    await keys.get(url());
    expect(fetched).toEqual(['/x.pem']);
  });

  test('is fetched again when its time is over', async () => {
    const { keys, fetched, pass } = setUp();
    await keys.get(url());
    pass(certificateLimits.keptMs - 1);
    await keys.get(url());
    expect(fetched).toHaveLength(1);
    pass(1);
    await keys.get(url());
    expect(fetched).toHaveLength(2);
  });

  test('that could not be had is asked for again soon, not at once', async () => {
    const { keys, fetched, answer, pass } = setUp();
    answer.text = undefined;
    await Promise.all([1, 2, 3].map(() => expect(keys.get(url())).rejects.toThrow('the host is away')));
    answer.text = pem;
    await expect(keys.get(url())).rejects.toThrow('the host is away');
    expect(fetched).toHaveLength(1);
    pass(certificateLimits.failureKeptMs);
    await keys.get(url());
    expect(fetched).toHaveLength(2);
  });

  test('is no key when the answer is no certificate', async () => {
    const { keys, answer } = setUp();
    answer.text = '<html>';
    await expect(keys.get(url())).rejects.toThrow('no certificate');
  });

  test('is fetched so often in a minute and not more, whatever names are invented', async () => {
    const { keys, fetched, pass } = setUp({ fetchesPerMinuteMax: 3 });
    for (const name of ['a', 'b', 'c']) await keys.get(url(name));
    await expect(keys.get(url('d'))).rejects.toThrow('too many certificates');
    await keys.get(url('a'));
    pass(59_999);
    await expect(keys.get(url('d'))).rejects.toThrow('too many certificates');
    pass(1);
    await keys.get(url('d'));
    expect(fetched).toHaveLength(4);
  });

  test('is forgotten when others came after it, oldest first', async () => {
    const { keys, fetched } = setUp({ keptMax: 2 });
    for (const name of ['a', 'b', 'c', 'c', 'b', 'a']) await keys.get(url(name));
    expect(fetched).toEqual(['/a.pem', '/b.pem', '/c.pem', '/a.pem']);
  });
});
