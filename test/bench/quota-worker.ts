import { createKmsKey } from '../../src/alibaba/kms-key.ts';
import { createRedisQuota } from '../../src/coordination/redis-quota.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { closeConnection, connectStore } from '../../src/queue/connection.ts';
import { keySource, permanentKey } from '../emulator/sample-client.ts';

// One worker process of the scenario quota: it does nothing but take places and have KMS sign, as many at once as a
// worker has jobs, until its standard input ends. Then it prints how many requests went to Redis.

const { KMS_URL = '', KMS_SECRET = '', REDIS_URL = '', PER_SECOND = '' } = process.env;
const atOnce = 16;
const timeouts = { connectTimeoutMs: 5_000, readTimeoutMs: 10_000 };
const scope = { name: '1234567890123456/cn-hangzhou', perSecond: Number(PER_SECOND), perDay: undefined };

const redis = connectStore({ redisUrl: REDIS_URL, onError: (error) => console.error(error.message) });
let exchanges = 0;
const quota = createRedisQuota({
  redis,
  prefix: '{autosign-0}',
  onLimit: () => {
    exchanges += 1;
  },
});
const kms = createKmsKey({ source: keySource(KMS_URL), base: permanentKey(KMS_SECRET), clock: systemClock, timeouts });
const message = Buffer.from('what is signed');
let isOver = false;
let calls = 0;
process.stdin.on('end', () => {
  isOver = true;
});
process.stdin.resume();

async function signOnAndOn(): Promise<void> {
  while (!isOver) {
    const place = await quota.take(scope, 'push');
    calls += 1;
    const use = await kms.sign('ECDSA_SHA_256', message).then(
      () => 'ended' as const,
      () => 'throttled' as const,
    );
    place.finish(use);
  }
}

await kms.sign('ECDSA_SHA_256', message).catch(() => undefined);
console.log('ready');
await Promise.all(Array.from({ length: atOnce }, signOnAndOn));
await quota.close();
await closeConnection(redis);
console.log(JSON.stringify({ calls, exchanges }));
