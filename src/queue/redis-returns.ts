import type { Cluster } from 'ioredis';
import type { RedisConnection } from '../coordination/redis-connection.ts';

const epochPollMs = 1_000;

/**
 * Calls `onReturn` when Redis is there, now and whenever it was away: then it may have lost what it had confirmed. Of a
 * cluster that holds for each of its machines. One whose connection ends has died, perhaps; one that died unheard has
 * another in its place, which began a new epoch
 * (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/, "Cluster current epoch").
 * @returns stops it
 */
export function hearOfReturns(redis: RedisConnection, onReturn: () => void): () => void {
  redis.on('ready', onReturn);
  if (redis.status === 'ready') onReturn();
  const stopFollowing = 'nodes' in redis ? followCluster(redis, onReturn) : () => undefined;
  return () => {
    redis.off('ready', onReturn);
    stopFollowing();
  };
}

function followCluster(cluster: Cluster, onReturn: () => void): () => void {
  let known: number | undefined;
  cluster.on('-node', onReturn);
  const poll = setInterval(async () => {
    const epoch = await readEpoch(cluster).catch(() => undefined);
    if (epoch === undefined) return;
    if (known !== undefined && epoch > known) onReturn();
    // Each answer comes from another machine, and one of them may not have heard of the newest yet.
    known = Math.max(epoch, known ?? 0);
  }, epochPollMs);
  return () => {
    clearInterval(poll);
    cluster.off('-node', onReturn);
  };
}

/** Undefined where a service does not tell: then the end of a connection must do. */
async function readEpoch(cluster: Cluster): Promise<number | undefined> {
  const [, epoch] = /^cluster_current_epoch:(\d+)\r?$/m.exec(String(await cluster.cluster('INFO'))) ?? [];
  return epoch === undefined ? undefined : Number(epoch);
}
