import { backfill } from './backfill.ts';
import { cosign } from './cosign.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { profile } from './profile.ts';
import { quota } from './quota.ts';
import type { Scenario } from './scenario.ts';
import { signing } from './signing.ts';
import { webhooks } from './webhooks.ts';

/** In the order in which they run. */
export const scenarios: readonly Scenario[] = [signing, cosign, webhooks, latency, memory, backfill, quota, profile];
