import { expect, it } from 'vitest';
import { keyFailureRows } from '../../../src/alibaba/openapi-failures.ts';
import { createPauses } from '../../../src/worker/pauses.ts';
import { failureOf, startAccount } from './account.ts';

const message = Buffer.from('what is signed');
const codes = keyFailureRows.map(
  ([pattern, code, advice]) => [pattern.replace('.*', '.Anything'), code, advice] as const,
);

it('what KMS or STS answers pauses the key with an alarm that names the code and what to do, and goes on afterwards', async () => {
  const { key, emulator } = await startAccount();
  for (const [alibabaCode, code, advice] of codes) {
    const kms = key();
    const ofSts = code === 'role-refused';
    if (!ofSts) await kms.getPublicKey();
    const action = ofSts ? 'AssumeRole' : 'AsymmetricSign';
    emulator.faults.failNext = { count: 1, status: 400, code: alibabaCode, action };
    const error = await failureOf(kms.sign('ECDSA_SHA_256', message));
    expect(error).toMatchObject({ code, kind: 'surroundings', scope: 'key' });
    // A refused role is told with the statement that its trust policy lacks.
    expect(error.message).toContain(`${alibabaCode}, HTTP 400, RequestId `);
    expect(error.message).toContain(advice);
    const alarms: string[] = [];
    const pauses = createPauses({
      clock: { now: () => new Date() },
      onPaused: ({ reason }) => void alarms.push(reason),
      onResumed: () => undefined,
    });
    pauses.pause('key', 'release', error.message);
    expect(alarms).toEqual([error.message]);
    await kms.sign('ECDSA_SHA_256', message);
  }
});
