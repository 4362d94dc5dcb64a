import { expect, inject, test } from 'vitest';
import { scenarios } from '../../bench/scenarios.ts';

const registryProgram = inject('registryProgram');
// Each starts a dozen processes; cosign may have to be built first.
const timeoutMs = 1_800_000;

/** What each scenario counts when nothing is lost on the way. Times are nobody's business here. */
const expected: Readonly<Record<string, object>> = {
  signing: {
    'referrers RSA_2048 unsigned': 0,
    'referrers EC_P256 unsigned': 0,
    'fallback RSA_2048 unsigned': 0,
    'fallback EC_P256 unsigned': 0,
    // A request more for each image is a choice, not an accident.
    'referrers EC_P256 requests': 7,
    'fallback EC_P256 requests': 10,
  },
  cosign: { unsigned: 0, 'unsigned by cosign': 0 },
  webhooks: { refused: 0, accepted: expect.toSatisfy((count: number) => count > 0), added: 100 },
  latency: {
    'referrers alone unsigned': 0,
    'referrers beside a backfill unsigned': 0,
    'fallback alone unsigned': 0,
    'fallback beside a backfill unsigned': 0,
  },
  memory: { '20 unsigned': 0, '100 unsigned': 0 },
  backfill: { 'referrers not seen': 0, 'referrers unsigned': 0, 'fallback not seen': 0, 'fallback unsigned': 0 },
  quota: { throttled: 0, signed: expect.toSatisfy((count: number) => count > 10) },
  profile: { unsigned: 0, owners: expect.toSatisfy((count: number) => count > 5) },
};

test.skipIf(registryProgram === undefined).each(scenarios.map(({ name, run }) => ({ name, run })))(
  'the scenario $name of the bench works with tiny numbers and loses nothing',
  { timeout: timeoutMs },
  async ({ name, run }) => {
    const section = await run({ scale: 0.001, registryProgram: registryProgram ?? '', log: () => undefined });
    expect(section.counts).toMatchObject(expected[name] ?? { 'counts expected of it': name });
  },
);
