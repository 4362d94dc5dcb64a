import { z } from 'zod';
import * as field from './field-schemas.ts';

const perSecondMax = 10_000;
const perDayMax = 1_000_000_000;

export const quotaSchema = z.strictObject({
  accountId: field.accountId.describe('The account of the keys: the one in the ARN of their role.'),
  region: field.region.describe('The region of the keys.'),
  perSecond: z
    .int()
    .min(1, 'is less than one call a second; to sign nothing, set the rules to state: off')
    .max(perSecondMax, `is more than ${perSecondMax} calls a second`)
    .optional()
    .describe('Calls of KMS in any second, of all workers together. Without any: 180 of the 200 that KMS grants.'),
  perDay: z
    .int()
    .min(1, 'is less than one call a day; to sign nothing, set the rules to state: off')
    .max(perDayMax, `is more than ${perDayMax} calls a day`)
    .optional()
    .describe('Calls from one midnight UTC to the next; then the jobs of these keys wait. Without any: no limit.'),
});
